-- The signs of the chunk's token vectors, where an ingest stored them.
(SELECT token.bits FROM ragdiet.token_bits token WHERE token.chunk_id = fused.chunk_id)
