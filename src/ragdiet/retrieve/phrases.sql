-- Texts of the corpus that hold all terms of a phrase; whether they stand in order is seen in the text itself.
--
-- Limited outside the CTE: for a few rows of many the planner would walk through the corpus instead of the index.
WITH holding AS MATERIALIZED (
    SELECT chunk_id
    FROM ragdiet.searchable_lexical
    WHERE terms @> %(terms)s::int[] AND corpus_id = %(corpus)s
)
SELECT held.chunk_id, document.title, chunk.meta ->> 'heading', chunk.text
FROM (SELECT chunk_id FROM holding LIMIT %(most)s) AS held
JOIN ragdiet.chunk ON chunk.id = held.chunk_id
JOIN ragdiet.document ON document.id = chunk.document_id
