-- What each model spent for each stage on each day (UTC): some thousand rows, whatever the number of calls. A day at
-- a time: the planner takes the day of a moment to be another for each row, and would sort them all.
SELECT (day AT TIME ZONE 'UTC')::date, spent.*
FROM generate_series(%(history)s::timestamptz, %(until)s, interval '24 hours') AS day, LATERAL (
    SELECT stage, model, count(*),
           sum(input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens)::bigint,
           sum(cache_read_tokens)::bigint, sum(output_tokens)::bigint, sum(cost),
           coalesce(sum(cost) FILTER (WHERE status IN ('started', 'unknown')), 0)
    FROM ragdiet.call
    WHERE started_at >= day AND started_at < least(day + interval '24 hours', %(until)s)
    GROUP BY stage, model
) AS spent
