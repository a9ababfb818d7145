-- Where a corpus has the wanted keys, with values of which types, and whether the key was declared: has an index.
SELECT wanted.key,
       k.of_chunks,
       array_agg(k.type),
       EXISTS (
           SELECT FROM pg_index
           WHERE indexrelid = to_regclass(CASE WHEN k.of_chunks THEN wanted.chunk_index ELSE wanted.document_index END)
             AND indisvalid
       )
FROM unnest(%(keys)s::text[], %(document_indexes)s::text[], %(chunk_indexes)s::text[])
     AS wanted (key, document_index, chunk_index)
JOIN ragdiet.metadata_key k ON k.corpus_id = %(corpus)s AND k.key = wanted.key
GROUP BY wanted.key, k.of_chunks, wanted.document_index, wanted.chunk_index
