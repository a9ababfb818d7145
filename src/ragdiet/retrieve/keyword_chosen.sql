-- The best of some chunks by BM25: each is scored.
question_term AS MATERIALIZED (
    SELECT t.term, q.occurrences * ln(1 + (greatest(corpus.chunks, t.df) - t.df + 0.5::float8) / (t.df + 0.5::float8)) AS bound
    FROM unnest(%(terms)s::int[], %(occurrences)s::int[]) AS q (term, occurrences)
    JOIN ragdiet.term t ON t.corpus_id = %(corpus)s AND t.term = q.term
    CROSS JOIN corpus
),
question AS MATERIALIZED (
    SELECT ('{{' || string_agg(term || ':' || bound, ',') || '}}/1000000000')::sparsevec AS weights
    FROM question_term
    HAVING count(*) > 0
),
keyword AS MATERIALIZED (
    SELECT chunk_id, score
    FROM (
        SELECT l.chunk_id, -(l.weights <#> question.weights) AS score
        FROM question, {lexical} l
        WHERE l.chunk_id = ANY (%(chosen)s) AND l.corpus_id = %(corpus)s
    ) AS scored
    WHERE score > 0
    ORDER BY score DESC, chunk_id
    LIMIT {depth}
)
