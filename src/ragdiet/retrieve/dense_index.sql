-- The HNSW index in its own order, iterating until enough rows of the corpus are found.
SELECT v.chunk_id, 1 - (v.embedding <=> %(vector)s) AS score
FROM {vectors} v
WHERE v.corpus_id = %(corpus)s {dense_filter}
ORDER BY v.embedding <=> %(vector)s
LIMIT %(dense_depth)s
