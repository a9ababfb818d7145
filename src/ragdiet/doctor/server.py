"""Checks of the server: its version, pgvector, connections, memory, and what others do in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragdiet.doctor.commands import sql
from ragdiet.doctor.facts import Server, Session, SpaceTables
from ragdiet.doctor.finding import Finding
from ragdiet.doctor.wording import days, size
from ragdiet.store.indexes import graph_bytes

_OLDEST_SERVER = 150_000
_OLDEST_VECTOR = (0, 8)
_FULL = 0.8


def version(server: Server) -> Finding:
    """PostgreSQL 15 or later."""
    name = f"PostgreSQL {server.version.split()[0]}" + (f", Aurora {server.aurora}" if server.aurora else "")
    if server.version_number < _OLDEST_SERVER:
        return Finding(check="server", status="fail", what=f"{name}: ragdiet needs PostgreSQL 15 or later")
    return Finding(check="server", status="ok", what=f"{name}, as {server.role}")


def extension(server: Server) -> Finding:
    """pgvector, as new as the server's files: an extension stays at the version it was created with."""
    update = (sql("ALTER EXTENSION vector UPDATE"),)
    found, newest = server.vector, server.vector_available
    if found is None:
        return Finding(
            check="extension",
            status="fail",
            what="pgvector is not installed in this database" if newest else "this server has no pgvector",
            mend=(sql("CREATE EXTENSION vector"),) if newest else (),
        )
    is_behind = newest is not None and _numbers(found) < _numbers(newest)
    if _numbers(found) < _OLDEST_VECTOR:
        return Finding(
            check="extension",
            status="fail",
            what=f"pgvector {found} has no iterative scans (0.8 has): searches of a tenant or with a filter miss hits",
            mend=update if is_behind else (),
        )
    if is_behind:
        return Finding(
            check="extension",
            status="warn",
            what=f"pgvector {found}, though the server has {newest}: extensions do not upgrade themselves",
            mend=update,
        )
    return Finding(check="extension", status="ok", what=f"pgvector {found}")


def connections(server: Server, *, pool: int) -> Iterator[Finding]:
    """Room at the server for the pool of one process, and for others."""
    room = server.max_connections - server.reserved_connections
    if pool > room:
        yield Finding(
            check="connections",
            status="fail",
            what=f"the pool may open {pool}, the server takes {room}: give RAG.connect a smaller max_connections",
        )
    elif server.connections > _FULL * room:
        yield Finding(
            check="connections",
            status="warn",
            what=f"{server.connections} of {room} are open: use smaller pools or RDS Proxy, or raise max_connections",
        )


def memory(server: Server, spaces: Sequence[SpaceTables], chunks: int, owner: str) -> Iterator[Finding]:
    """What building HNSW anew needs, against what an ingest would take for it."""
    needed = max((graph_bytes(chunks, space.dimensions) for space in spaces if space.state == "active"), default=0)
    most = max(server.maintenance_work_mem, server.effective_cache_size // 4)
    if needed > most:
        megabytes = -(-needed // 2**20)
        yield Finding(
            check="memory",
            status="warn",
            what=f"building HNSW over {chunks:,} chunks needs {size(needed)}, {owner} would get {size(most)}: many "
            "times slower. A container also needs that much in /dev/shm",
            mend=(sql("ALTER ROLE {} SET maintenance_work_mem = {value}", owner, value=f"{megabytes}MB"),),
        )


def sessions(
    found: Sequence[Session], server: Server, *, idle_after: float = 600.0, old_after: float = 3600.0
) -> Iterator[Finding]:
    """Transactions that others left open. ``idle_after`` and ``old_after`` are seconds."""
    for session in found:
        if session.prepared is not None and session.age > old_after:
            what = f"transaction {session.prepared!r} of {session.role} has been prepared for {days(session.age)}"
            mend = sql("ROLLBACK PREPARED {gid}", gid=session.prepared)
        elif session.idle is not None and session.idle > idle_after:
            what = f"process {session.pid} ({session.role}) has been idle in a transaction for {days(session.idle)}"
            mend = sql("SELECT pg_terminate_backend({pid})", pid=session.pid)
        elif session.holds_back and session.age > old_after:
            what = f"process {session.pid} ({session.role}) has been in one transaction for {days(session.age)}"
            mend = sql("SELECT pg_terminate_backend({pid})", pid=session.pid)
        else:
            continue
        yield Finding(
            check="sessions", status="warn", what=f"{what}: vacuum cannot remove what it may see", mend=(mend,)
        )
    if not server.sees_activity:
        yield Finding(
            check="sessions",
            status="warn",
            what=f"{server.role} may not see what other roles do",
            mend=(sql("GRANT pg_read_all_stats TO {}", server.role),),
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
