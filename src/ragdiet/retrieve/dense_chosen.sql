-- The nearest of some chunks: each is compared.
SELECT v.chunk_id, 1 - (v.embedding <=> %(vector)s) AS score
FROM {vectors} v
WHERE v.chunk_id = ANY (%(chosen)s) AND v.corpus_id = %(corpus)s
ORDER BY score DESC, v.chunk_id
LIMIT {depth}
