-- How the asks of each day (UTC) ended; a day at a time, as in spend.sql.
SELECT (day AT TIME ZONE 'UTC')::date, ended.*
FROM generate_series(%(since)s::timestamptz, %(until)s, interval '24 hours') AS day, LATERAL (
    SELECT outcome, reused, model, count(*), sum(cost), sum(tokens)::bigint, sum(tokens_before)::bigint
    FROM ragdiet.ask
    WHERE finished_at >= day AND finished_at < least(day + interval '24 hours', %(until)s)
    GROUP BY outcome, reused, model
) AS ended
