-- The HNSW index in its own order, iterating until enough rows of the corpus are found.
SELECT v.chunk_id, 1 - (v.embedding <=> %(vector)s) AS score
FROM {vectors} v
WHERE v.corpus_id = %(corpus)s {restriction}
ORDER BY v.embedding <=> %(vector)s
LIMIT {depth}
