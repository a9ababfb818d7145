-- No vectors: the keyword leg answers alone.
SELECT 0::bigint AS chunk_id, 0::double precision AS score
LIMIT 0
