-- Hybrid retrieval: BM25 and vectors, fused, in one statement.
--
-- 1. keyword: the best chunks by BM25 (see the files keyword*.sql).
-- 2. dense: the best chunks by cosine (see the files dense_*.sql).
-- 3. scored: every candidate of either leg, scored in both.
-- 4. fused: the best by both (see fusion_scores.sql and fusion_ranks.sql).
WITH corpus AS MATERIALIZED (
    SELECT id, chunks FROM ragdiet.corpus WHERE id = %(corpus)s
),
{keyword},
dense AS MATERIALIZED (
    {dense}
),
keyword_leg AS (
    SELECT chunk_id, score, row_number() OVER (ORDER BY score DESC, chunk_id) AS rank FROM keyword
),
dense_leg AS (
    SELECT chunk_id, score, row_number() OVER (ORDER BY score DESC, chunk_id) AS rank FROM dense
),
scored AS MATERIALIZED (
    SELECT chunk_id,
           k.rank AS keyword_rank,
           d.rank AS dense_rank,
           coalesce(k.score, (SELECT -(l.weights <#> question.weights) FROM {lexical} l, question
                              WHERE l.chunk_id = c.chunk_id), 0) AS keyword_score,
           CASE WHEN NOT %(use_dense)s THEN 0 ELSE
               coalesce(d.score, (SELECT 1 - (v.embedding <=> %(vector)s) FROM {vectors} v
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
    SELECT scored.*, {fusion} AS score, dense_deviation
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
       sentence.embeddings,
       (SELECT count(*) FROM keyword) AS keyword_hits,
       (SELECT count(*) FROM dense) AS dense_hits,
       fused.dense_deviation,
       {token_bits} AS token_bits
FROM fused
JOIN ragdiet.chunk ON chunk.id = fused.chunk_id
JOIN ragdiet.document ON document.id = chunk.document_id
LEFT JOIN {sentences} sentence ON sentence.chunk_id = fused.chunk_id
ORDER BY fused.score DESC, fused.chunk_id
