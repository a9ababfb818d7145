-- Each chunk asked for that stands under a heading, and those around it under the same, in the document's order.
SELECT wanted.number, near.id, near.ordinal, near.text, near.start_offset, near.end_offset, near.tokens, near.sentences,
       sentence.embeddings
FROM unnest(%(chunks)s::bigint[]) WITH ORDINALITY AS wanted (chunk_id, number)
JOIN ragdiet.chunk own ON own.id = wanted.chunk_id
JOIN ragdiet.chunk near ON near.document_id = own.document_id
                       AND near.ordinal BETWEEN own.ordinal - %(before)s AND own.ordinal + %(after)s
                       AND near.meta ->> 'heading' = own.meta ->> 'heading'
LEFT JOIN {sentences} sentence ON sentence.chunk_id = near.id
ORDER BY wanted.number, near.ordinal
