-- Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet").
coalesce(1.0::float8 / (60 + keyword_rank), 0) + coalesce(1.0::float8 / (60 + dense_rank), 0)
