-- In how many chunks of the corpus each term stands, of those that stand in any.
SELECT term, df
FROM ragdiet.term
WHERE corpus_id = %(corpus)s AND term = ANY(%(terms)s::int[])
