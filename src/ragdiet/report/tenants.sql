-- The days of the 200 tenants that spent most of late; of the others none can be far from its history and matter.
WITH dearest AS MATERIALIZED (
    SELECT tenant
    FROM ragdiet.call
    WHERE started_at >= %(since)s AND started_at < %(until)s
    GROUP BY tenant
    ORDER BY sum(cost) DESC
    LIMIT 200
)
SELECT (day AT TIME ZONE 'UTC')::date, spent.*
FROM generate_series(%(history)s::timestamptz, %(until)s, interval '24 hours') AS day, LATERAL (
    SELECT tenant, sum(cost)
    FROM ragdiet.call
    WHERE started_at >= day AND started_at < least(day + interval '24 hours', %(until)s)
        AND tenant = ANY (ARRAY(SELECT tenant FROM dearest))
    GROUP BY tenant
) AS spent
