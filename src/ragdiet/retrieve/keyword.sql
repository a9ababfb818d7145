-- The best chunks by BM25, exactly, reading as few as can be (MaxScore: Turtle and Flood 1995, "Query evaluation").
--
-- A term gives a chunk less than its bound, as stored weights are below 1. The rarest terms' chunks are scored
-- first; the score of the last that is wanted is the floor. Terms that together are bounded below the floor can
-- bring no new chunk, so only those above it are looked up in a second pass, as a rule none.
question_term AS MATERIALIZED (
    SELECT term,
           bound,
           sum(df) OVER rarest_first AS chunks_so_far,
           row_number() OVER rarest_first AS place,
           sum(bound) OVER (rarest_first ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS bound_from_here
    FROM (
        SELECT t.term,
               t.df,
               q.occurrences * ln(1 + (greatest(corpus.chunks, t.df) - t.df + 0.5::float8) / (t.df + 0.5::float8)) AS bound
        FROM unnest(%(terms)s::int[], %(occurrences)s::int[]) AS q (term, occurrences)
        JOIN ragdiet.term t ON t.corpus_id = %(corpus)s AND t.term = q.term
        CROSS JOIN corpus
    ) AS weighed
    WINDOW rarest_first AS (ORDER BY bound DESC, term)
),
question AS MATERIALIZED (
    SELECT ('{{' || string_agg(term || ':' || bound, ',') || '}}/1000000000')::sparsevec AS weights
    FROM question_term
    HAVING count(*) > 0
),
first_terms AS MATERIALIZED (
    SELECT array_agg(term) AS terms FROM question_term WHERE place = 1 OR chunks_so_far <= %(first_pass)s
),
first_pass AS MATERIALIZED (
    SELECT l.chunk_id, -(l.weights <#> question.weights) AS score
    FROM first_terms, question, {lexical} l
    WHERE l.terms && first_terms.terms AND l.corpus_id = %(corpus)s {restriction}
),
floor AS MATERIALIZED (
    SELECT coalesce(
        (SELECT score FROM first_pass ORDER BY score DESC OFFSET {depth} - 1 LIMIT 1), 0
    ) AS score
),
second_terms AS MATERIALIZED (
    SELECT array_agg(term) AS terms
    FROM question_term, first_terms, floor
    WHERE term <> ALL (first_terms.terms) AND bound_from_here >= floor.score
),
second_pass AS MATERIALIZED (
    SELECT l.chunk_id, -(l.weights <#> question.weights) AS score
    FROM first_terms, second_terms, question, {lexical} l
    WHERE l.terms && second_terms.terms AND NOT l.terms && first_terms.terms AND l.corpus_id = %(corpus)s {restriction}
),
keyword AS MATERIALIZED (
    SELECT chunk_id, score
    FROM (TABLE first_pass UNION ALL TABLE second_pass) AS passes
    ORDER BY score DESC, chunk_id
    LIMIT {depth}
)
