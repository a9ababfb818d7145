-- Only chunks whose own metadata, or their document's, hold every wanted value.
AND {leg}.chunk_id IN (
    SELECT c.id
    FROM ragdiet.chunk c
    JOIN ragdiet.searchable_document d ON d.id = c.document_id
    WHERE d.corpus_id = %(corpus)s {conditions}
)
