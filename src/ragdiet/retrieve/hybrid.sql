-- Hybrid retrieval: BM25 and vectors, fused, in one statement.
--
-- 1. question_term: the question's terms that the corpus has, each with its idf now.
-- 2. keyword: the best chunks by BM25, the inner product of stored weights and the question's idf.
-- 3. dense: the best chunks by cosine (one of two ways, see dense_exact.sql and dense_index.sql).
-- 4. scored: every candidate of either leg, scored in both.
-- 5. fused: each leg's scores standardised by the mean and deviation of its best hits, then summed by weight.
WITH corpus AS MATERIALIZED (
    SELECT id, chunks FROM ragdiet.corpus WHERE id = %(corpus)s
),
question_term AS MATERIALIZED (
    SELECT t.term, q.occurrences * ln(1 + (greatest(corpus.chunks, t.df) - t.df + 0.5) / (t.df + 0.5)) AS idf
    FROM unnest(%(terms)s::int[], %(occurrences)s::int[]) AS q (term, occurrences)
    JOIN ragdiet.term t ON t.corpus_id = %(corpus)s AND t.term = q.term
    CROSS JOIN corpus
),
question AS MATERIALIZED (
    SELECT array_agg(term) AS terms,
           ('{{' || string_agg(term || ':' || idf, ',') || '}}/1000000000')::sparsevec AS weights
    FROM question_term
    HAVING count(*) > 0
),
keyword AS MATERIALIZED (
    SELECT l.chunk_id, -(l.weights <#> question.weights) AS score
    FROM ragdiet.searchable_lexical l, question
    WHERE l.terms && question.terms AND l.corpus_id = %(corpus)s {keyword_filter}
    ORDER BY score DESC, l.chunk_id
    LIMIT %(keyword_depth)s
),
dense AS MATERIALIZED (
    {dense}
),
keyword_leg AS (
    SELECT chunk_id, row_number() OVER (ORDER BY score DESC, chunk_id) AS rank FROM keyword
),
dense_leg AS (
    SELECT chunk_id, row_number() OVER (ORDER BY score DESC, chunk_id) AS rank FROM dense
),
scored AS MATERIALIZED (
    SELECT chunk_id,
           k.rank AS keyword_rank,
           d.rank AS dense_rank,
           coalesce((SELECT -(l.weights <#> question.weights) FROM ragdiet.searchable_lexical l, question
                     WHERE l.chunk_id = c.chunk_id), 0) AS keyword_score,
           CASE WHEN %(dense_depth)s = 0 THEN 0 ELSE
               coalesce((SELECT 1 - (v.embedding <=> %(vector)s) FROM {vectors} v
                         WHERE v.chunk_id = c.chunk_id), 0) END AS dense_score
    FROM (SELECT chunk_id FROM keyword UNION SELECT chunk_id FROM dense) c
    LEFT JOIN keyword_leg k USING (chunk_id)
    LEFT JOIN dense_leg d USING (chunk_id)
),
spread AS (
    SELECT (SELECT avg(score) FROM keyword) AS keyword_mean,
           (SELECT nullif(stddev_pop(score), 0) FROM keyword) AS keyword_deviation,
           (SELECT avg(score) FROM dense) AS dense_mean,
           (SELECT nullif(stddev_pop(score), 0) FROM dense) AS dense_deviation
),
fused AS (
    SELECT scored.*,
           (1 - %(dense_weight)s) * coalesce((keyword_score - keyword_mean) / keyword_deviation, 0)
           + %(dense_weight)s * coalesce((dense_score - dense_mean) / dense_deviation, 0) AS score
    FROM scored, spread
    ORDER BY score DESC, chunk_id
    LIMIT %(k)s
)
SELECT fused.chunk_id,
       document.external_id,
       chunk.text,
       fused.score,
       fused.dense_rank,
       fused.keyword_rank,
       document.title,
       document.uri,
       document.meta || chunk.meta AS meta,
       chunk.start_offset,
       chunk.end_offset,
       fused.dense_score,
       fused.keyword_score,
       chunk.tokens,
       chunk.sentences,
       sentence.embeddings
FROM fused
JOIN ragdiet.chunk ON chunk.id = fused.chunk_id
JOIN ragdiet.document ON document.id = chunk.document_id
LEFT JOIN {sentences} sentence ON sentence.chunk_id = fused.chunk_id
ORDER BY fused.score DESC, fused.chunk_id
