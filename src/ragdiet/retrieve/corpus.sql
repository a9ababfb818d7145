-- What a second search has to know of a collection.
SELECT id, chunks, language
FROM ragdiet.corpus
WHERE tenant = %(tenant)s AND collection = %(collection)s
