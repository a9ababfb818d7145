-- As matching.sql, for a condition on the chunk's own metadata: neither table can go first in every case.
SELECT c.id
FROM {documents} d
JOIN {chunks} c ON c.document_id = d.id
WHERE d.corpus_id = %(filter_corpus)s AND c.corpus_id = %(filter_corpus)s AND {condition}
LIMIT %(filter_limit)s
