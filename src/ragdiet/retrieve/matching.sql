-- The chunks of the documents that pass a filter, up to one more than the limit, which tells that there are too many.
-- Documents are found first, then the chunks of each through chunk_document (OFFSET 0 lets no join be made of it):
-- the limit bounds the look-ups, while nothing bounds a scan of all chunks.
WITH passing AS MATERIALIZED (
    SELECT d.id FROM {documents} d WHERE d.corpus_id = %(filter_corpus)s AND {condition}
)
SELECT own.id
FROM passing
CROSS JOIN LATERAL (SELECT c.id FROM {chunks} c WHERE c.document_id = passing.id OFFSET 0) own
LIMIT %(filter_limit)s
