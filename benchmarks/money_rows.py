"""Made ledger rows: a year of asks whose spend follows the week, written by the database itself."""

from __future__ import annotations

import psycopg

_BLOCK = 1_000_000
_DAYS = 365

# Three calls an ask, as the chain makes them: the question's vector, the search, the generation.
_CALLS = """
INSERT INTO ragdiet.call
SELECT 'c' || lpad(i::text, 25, '0'), 'p' || lpad((i / 3)::text, 25, '0'), 1,
       (ARRAY['embed', 'retrieve', 'generate'])[i % 3 + 1], m.model, m.model, '', 'us-east-1',
       'tenant-' || lpad((hash % 50)::text, 2, '0'),
       jsonb_build_object('team', 'team-' || hash % 7),
       CASE i % 3 WHEN 0 THEN 14 WHEN 1 THEN 0 ELSE 400 + hash % 800 END,
       CASE i % 3 WHEN 2 THEN 40 + hash % 200 ELSE 0 END,
       CASE WHEN i % 3 = 2 AND hash % 4 = 0 THEN 1024 ELSE 0 END, 0, 0, 0, 'made: 2026-11-01',
       CASE i % 3 WHEN 0 THEN 0.00000028 WHEN 1 THEN 0
            ELSE (400 + hash % 800) * m.sent + (40 + hash % 200) * m.got END,
       CASE WHEN i % 3 = 2 AND hash % 500 = 0 THEN 'unknown' ELSE 'done' END, 0.4, '',
       date_trunc('day', now(), 'UTC') - make_interval(secs => %(days)s * 86400 * (1 - i / %(rows)s::float8))
FROM generate_series(%(first)s::bigint, %(last)s) AS i,
     LATERAL (SELECT abs(hashint8(i / 3))::bigint AS hash) AS h,
     LATERAL (SELECT (ARRAY['amazon.titan-embed-text-v2:0', 'local:hybrid', 'us.amazon.nova-lite-v1:0',
                            'us.anthropic.claude-haiku-4-5-20251001-v1:0'])
                     [CASE WHEN i % 3 < 2 THEN i % 3 + 1 WHEN hash % 5 = 0 THEN 4 ELSE 3 END] AS model,
                     CASE WHEN hash % 5 = 0 THEN 0.0000011 ELSE 0.00000006 END AS sent,
                     CASE WHEN hash % 5 = 0 THEN 0.0000055 ELSE 0.00000024 END AS got) AS m
"""

_ASKS = """
INSERT INTO ragdiet.ask
    (prompt_id, tenant, outcome, confidence, finished_at, collection, tags, question, model, cost, tokens,
     tokens_before, seconds, reused)
SELECT c.prompt_id, c.tenant, (ARRAY['answered', 'answered', 'answered', 'abstained'])[n %% 4 + 1], 0.8,
       c.started_at, 'default', c.tags, 'What is the notice period in case ' || n || '?', c.model, c.cost + 0.00000028,
       c.input_tokens, 4 * c.input_tokens, 1.1, (ARRAY['', '', '', '', '', '', '', 'exact', 'similar', ''])[n %% 10 + 1]
FROM ragdiet.call c, LATERAL (SELECT substr(c.prompt_id, 2)::bigint AS n) AS x
WHERE c.call_id BETWEEN %(first)s AND %(last)s AND c.stage = 'generate'
"""


def fill(connection: psycopg.Connection, rows: int) -> None:
    """Write ``rows`` calls and the asks that they belong to, over the year before today."""
    for first in range(0, rows, _BLOCK):
        last = min(first + _BLOCK, rows) - 1
        connection.execute(_CALLS.replace(" % ", " %% "), {"days": _DAYS, "rows": rows, "first": first, "last": last})
        span = {"first": f"c{first:025}", "last": f"c{last:025}"}
        connection.execute(_ASKS, span)
    connection.execute("ANALYZE ragdiet.call, ragdiet.ask")
