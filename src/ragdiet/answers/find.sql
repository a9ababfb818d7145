-- The answer that is kept to a question, of what the collection holds now, and what that is.
--
-- One row where the collection exists. A document that expires after the answer was made voids it, also where it got its
-- date afterwards.
SELECT corpus.id,
       corpus.version,
       (SELECT min(document.expires_at) FROM ragdiet.document
        WHERE document.corpus_id = corpus.id AND document.expires_at > now() AND corpus.next_expiry IS NOT NULL),
       kept.prompt_id,
       kept.model,
       kept.answer,
       kept.created_at
FROM ragdiet.corpus
LEFT JOIN ragdiet.answer_cache AS kept
    ON kept.tenant = corpus.tenant AND kept.key = %(key)s
    AND kept.corpus_id = corpus.id AND kept.version = corpus.version AND kept.expires_at > now()
    AND NOT coalesce(corpus.next_expiry > kept.created_at AND corpus.next_expiry <= now(), false)
WHERE corpus.tenant = %(tenant)s AND corpus.collection = %(collection)s
