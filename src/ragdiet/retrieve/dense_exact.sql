-- Every vector of the corpus, through its btree: exact, and faster than HNSW for a few thousand rows.
SELECT v.chunk_id, 1 - (v.embedding <=> %(vector)s) AS score
FROM {vectors} v
WHERE v.corpus_id = %(corpus)s {restriction}
ORDER BY score DESC, v.chunk_id
LIMIT {depth}
