-- Whether one candidate of a leg passes the filter: two look-ups by number. A scalar subquery is never turned into a
-- join, so that an index scan in the order of scores stays one, and no hash of the whole corpus is built.
(
    SELECT {condition}
    FROM {chunks} c
    JOIN {documents} d ON d.id = c.document_id
    WHERE c.id = {leg}.chunk_id
)
