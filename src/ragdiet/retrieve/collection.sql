-- What a search has to know of a collection before it chooses its way, and the settings of its transaction.
--
-- One plan serves all questions, as planning takes longer than the search, but filters are planned for their values.
-- No plan may be a scan of a whole table. For the same recall HNSW must look further in a larger graph: about
-- as the root of its size beyond 20,000 vectors.
SELECT corpus.id,
       corpus.chunks,
       corpus.language,
       coalesce(corpus.next_expiry <= now(), false) AS some_expired,
       fusion.dense_weight,
       coalesce(hnsw.indisvalid, false) AS has_index,
       size.all_vectors,
       settled.ef_search,
       corpus.version,
       set_config('plan_cache_mode', %(plan)s, true),
       set_config('enable_seqscan', 'off', true),
       set_config('hnsw.ef_search', settled.ef_search::text, true),
       set_config('hnsw.iterative_scan', 'strict_order', true),
       set_config('hnsw.max_scan_tuples', '100000', true)
FROM ragdiet.corpus
LEFT JOIN ragdiet.fusion ON fusion.corpus_id = corpus.id AND fusion.space = %(space)s
LEFT JOIN pg_index AS hnsw ON hnsw.indexrelid = to_regclass(%(index)s)
LEFT JOIN pg_class ON pg_class.oid = to_regclass(%(vectors)s)
CROSS JOIN LATERAL (SELECT greatest(pg_class.reltuples, corpus.chunks) AS all_vectors) AS size
CROSS JOIN LATERAL (
    SELECT least(1000, ceil(%(ef_search)s::int * sqrt(greatest(1, size.all_vectors / 20000))))::int AS ef_search
) AS settled
WHERE corpus.tenant = %(tenant)s AND corpus.collection = %(collection)s
