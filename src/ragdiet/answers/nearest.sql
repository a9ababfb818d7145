-- The questions nearest to a vector that were asked in the same scope of what the collection holds now.
SELECT kept.key, kept.question, 1 - (kept.embedding <=> %(vector)s) AS cosine
FROM ragdiet.answer_cache AS kept
JOIN ragdiet.corpus ON corpus.id = kept.corpus_id AND corpus.version = kept.version
WHERE kept.tenant = %(tenant)s AND kept.scope = %(scope)s AND kept.corpus_id = %(corpus_id)s
    AND kept.version = %(version)s AND kept.embedding IS NOT NULL AND kept.expires_at > now()
    AND NOT coalesce(corpus.next_expiry > kept.created_at AND corpus.next_expiry <= now(), false)
ORDER BY kept.embedding <=> %(vector)s
LIMIT %(most)s
