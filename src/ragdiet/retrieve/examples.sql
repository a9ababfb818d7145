-- A few chunks for each term that hold it, to see the words that the term was made from.
SELECT wanted.number, example.title, example.heading, example.text
FROM unnest(%(terms)s::int[]) WITH ORDINALITY AS wanted (term, number)
CROSS JOIN LATERAL (
    SELECT document.title, chunk.meta ->> 'heading' AS heading, chunk.text
    FROM ragdiet.searchable_lexical lexical
    JOIN ragdiet.chunk ON chunk.id = lexical.chunk_id
    JOIN ragdiet.document ON document.id = chunk.document_id
    WHERE lexical.terms @> ARRAY[wanted.term] AND lexical.corpus_id = %(corpus)s
    LIMIT 3
) AS example
