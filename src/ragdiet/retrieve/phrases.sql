-- Texts of the corpus that hold all terms of a phrase; whether they stand in order is seen in the text itself.
SELECT lexical.chunk_id, document.title, chunk.meta ->> 'heading', chunk.text
FROM ragdiet.searchable_lexical lexical
JOIN ragdiet.chunk ON chunk.id = lexical.chunk_id
JOIN ragdiet.document ON document.id = chunk.document_id
WHERE lexical.terms @> %(terms)s::int[] AND lexical.corpus_id = %(corpus)s
LIMIT %(most)s
