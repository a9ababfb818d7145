"""Checks of the tables' upkeep and of the memory that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragdiet.doctor.commands import sql
from ragdiet.doctor.facts import CacheTable, IndexState, Server, TableState
from ragdiet.doctor.finding import Finding
from ragdiet.doctor.wording import days, size
from ragdiet.store.cache import KEEP_DAYS

_DEAD_SHARE, _FEWEST_DEAD = 0.25, 1_000
_FEWEST_ROWS = 10_000
_HITS, _FEWEST_BLOCKS = 0.9, 100_000


def vacuum(tables: Sequence[TableState], server: Server) -> Iterator[Finding]:
    """Autovacuum runs, and neither dead rows nor stale statistics of the planner pile up."""
    if not server.autovacuum:
        yield Finding(
            check="vacuum",
            status="fail",
            what="autovacuum is off: tables and indexes grow, and plans go stale"
            + (". Set autovacuum and track_counts in the cluster's parameter group" if server.aurora else ""),
            mend=()
            if server.aurora
            else (
                "ALTER SYSTEM SET autovacuum = on",
                "ALTER SYSTEM SET track_counts = on",
                "SELECT pg_reload_conf()",
            ),
        )
    for table in tables:
        if not table.autovacuum:
            yield Finding(
                check="vacuum",
                status="warn",
                what=f"autovacuum is off for {table.name}",
                mend=(sql("ALTER TABLE ragdiet.{} RESET (autovacuum_enabled)", table.name),),
            )
        share = table.dead / max(1, table.live + table.dead)
        if table.dead >= _FEWEST_DEAD and share > _DEAD_SHARE:
            last = "never" if table.vacuumed is None else f"{days(table.vacuumed)} ago"
            yield Finding(
                check="vacuum",
                status="warn",
                what=f"{table.dead:,} rows of {table.name} are dead ({share:.0%}), last vacuum {last}",
                mend=(sql("VACUUM (ANALYZE) ragdiet.{}", table.name),),
            )
        elif table.live >= _FEWEST_ROWS and not table.is_analyzed:
            yield Finding(
                check="vacuum",
                status="warn",
                what=f"{table.name} ({table.live:,} rows) was never analyzed: plans are guesses",
                mend=(sql("ANALYZE ragdiet.{}", table.name),),
            )


def cache(tables: Sequence[TableState], indexes: Sequence[IndexState], server: Server) -> Iterator[Finding]:
    """The graph and the inverted index fit in memory, and reads come from there."""
    needed = sum(index.size for index in indexes if index.method in ("hnsw", "gin"))
    if needed > server.cache:
        where = (
            f"shared_buffers are {size(server.cache)}: take a larger instance class, or more ACUs"
            if server.aurora
            else f"the server has {size(server.cache)} of cache: give it more, and say so in effective_cache_size"
        )
        yield Finding(check="cache", status="warn", what=f"HNSW and GIN take {size(needed)}, {where}")
    hits, reads = hit_counts(tables)
    if hits + reads >= _FEWEST_BLOCKS and hits / (hits + reads) < _HITS:
        yield Finding(
            check="cache",
            status="warn",
            what=f"{hits / (hits + reads):.1%} of the pages come from shared_buffers ({size(server.shared_buffers)}), "
            "the others from the system or the disk",
        )


def hit_counts(tables: Sequence[TableState]) -> tuple[int, int]:
    """Pages of tables and indexes that were found in shared_buffers, and those that were read."""
    return (
        sum(table.heap_hits + table.index_hits for table in tables),
        sum(table.heap_reads + table.index_reads for table in tables),
    )


def embedding_cache(found: CacheTable) -> Iterator[Finding]:
    """What nobody has wanted for a month is forgotten."""
    if found.oldest_days is not None and found.oldest_days > KEEP_DAYS + 1:
        yield Finding(
            check="embedding cache",
            status="warn",
            what=f"{found.rows:,} vectors, {size(found.size)}, the oldest {found.oldest_days:.0f} days old: no ingest "
            f"has pruned it to {KEEP_DAYS} days",
            mend=(
                sql(
                    "DELETE FROM ragdiet.embedding_cache WHERE cached_at < now() - make_interval(days => {days})",
                    days=KEEP_DAYS,
                ),
            ),
        )
