"""All checks, in their order, over facts that are read one kind at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import psycopg

from ragdiet.doctor import gather, indexes, ledger, measure, schema, search, server, statistics, tenants, upkeep
from ragdiet.doctor.commands import sql
from ragdiet.doctor.facts import Corpora, Corpus, IndexState, Recall, Schema, Server, TableState, Unread
from ragdiet.doctor.finding import Diagnosis, Finding, examined
from ragdiet.doctor.wording import size
from ragdiet.store.connection import mapped_errors
from ragdiet.store.connection.failures import reason
from ragdiet.store.tenancy import become
from ragdiet.store.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from ragdiet.store import Database
    from ragdiet.types import Space

T = TypeVar("T")

_SECONDS = 10
"""After which a statement is given up, and the time for the recall of all collections."""

_MOST_ROWS = 1_000_000
"""Larger collections are neither counted anew nor searched exactly."""


class _Reader:
    """Reads facts on a connection of its own, each kind in a short read-only transaction with a time limit, so that
    a check neither writes nor waits, nor holds back a vacuum."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.read_only = True
        self.tenant: str | None = None
        self.role = ""

    def read(self, gather: Callable[[psycopg.Connection], T]) -> T | Unread:
        """The facts, or why they cannot be had. Any other error is raised."""
        try:
            with self._connection.transaction():
                self._connection.execute(
                    "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', '2s', true)",
                    (f"{_SECONDS}s",),
                )
                if self.tenant is not None:
                    become(self._connection, self.tenant)
                return gather(self._connection)
        except psycopg.errors.InsufficientPrivilege as error:
            return Unread(
                reason=f"{reason(error)} to {self.role}",
                mend=(
                    sql("GRANT USAGE ON SCHEMA ragdiet TO {}", self.role),
                    sql("GRANT SELECT ON ALL TABLES IN SCHEMA ragdiet TO {}", self.role),
                ),
            )
        except psycopg.errors.QueryCanceled:
            return Unread(reason=f"it took more than {_SECONDS} s")
        except psycopg.errors.LockNotAvailable:
            return Unread(reason="a table is locked by another session")


def diagnose(database: Database, space: Space, *, tenant: str) -> Diagnosis:
    """Look at the writer's database, as the role that ragdiet runs as, for searches in ``space``.

    Nothing is changed. A role under row-level security sees the collections of ``tenant`` alone. Raises
    StoreUnavailable; what this role may not read is a finding.
    """
    with database.dedicated() as connection, mapped_errors():
        reader = _Reader(connection)
        about = gather.server(connection)
        reader.role = about.role
        findings = [server.version(about), server.extension(about)]
        found = reader.read(partial(gather.schema, known=SCHEMA_VERSION))
        if isinstance(found, Unread):
            return Diagnosis(findings=(*findings, *examined("schema", found, lambda _: (), "")))
        findings.append(schema.revision(found))
        if found.revision == SCHEMA_VERSION:
            findings += _of_store(reader, about, found, space, tenant)
        findings += _of_server(reader, about, pool=database.max_size)
    return Diagnosis(findings=tuple(findings))


def _of_store(reader: _Reader, about: Server, found: Schema, space: Space, tenant: str) -> list[Finding]:
    tables = reader.read(gather.tables)
    if tenants.is_bound(about, found):
        reader.tenant = tenant
    findings = examined("spaces", found, lambda facts: schema.spaces(facts, space), _spaces(found))
    corpora = reader.read(gather.corpora)
    if isinstance(corpora, Unread):
        return findings + examined("collections", corpora, lambda _: (), "")
    findings += _of_tenants(about, found, tables, corpora)
    there = [each for each in found.spaces if each.has_vectors and each.has_sentences and each.column]
    declared = gather.declared_indexes(there)
    states = reader.read(gather.indexes)
    of_indexes = examined(
        "indexes",
        states,
        lambda facts: indexes.indexes(
            declared,
            facts,
            about,
            chunks=corpora.chunks,
            dimensions={f"vector_{each.name}": each.dimensions for each in there},
            building={f"vector_{each.name}" for each in there if each.state == "building"},
        ),
        f"{len(declared)} declared, all there, valid, and of their kind",
    )
    findings += of_indexes
    if any(each.name == space.name for each in there):
        graph = None
        if isinstance(states, tuple) and all(each.status == "ok" for each in of_indexes):
            graph = next((each for each in states if each.name == f"vector_{space.name}_hnsw"), None)
        findings += _of_search(reader, space, corpora.largest, graph)
    findings += _of_collections(reader, space, corpora, [each.name for each in there if each.state != "building"])
    findings += examined("vacuum", tables, lambda facts: upkeep.vacuum(facts, about), "autovacuum is on and keeps up")
    if isinstance(tables, tuple) and isinstance(states, tuple):
        dear = sum(state.size for state in states if state.method in ("hnsw", "gin"))
        findings += examined(
            "cache",
            tables,
            lambda facts: upkeep.cache(facts, states, about),
            f"HNSW and GIN take {size(dear)} of {size(about.cache)}{_hits(tables)}",
        )
    findings += examined(
        "memory",
        about,
        lambda facts: server.memory(facts, there, corpora.chunks, found.owner),
        "enough to build HNSW anew",
    )
    cached = reader.read(gather.embedding_cache)
    findings += examined(
        "embedding cache",
        cached,
        upkeep.embedding_cache,
        "" if isinstance(cached, Unread) else f"{cached.rows:,} vectors, {size(cached.size)}",
    )
    findings += examined("ledger", reader.read(gather.ledger), ledger.calls, "every call is settled")
    findings += examined("expiry", reader.read(gather.expired_documents), ledger.expired, "nothing is overdue")
    return findings


def _of_search(reader: _Reader, space: Space, corpora: Sequence[Corpus], graph: IndexState | None) -> list[Finding]:
    filled = [corpus for corpus in corpora if corpus.chunks]
    if not filled:
        return []
    findings = examined(
        "plans",
        reader.read(lambda connection: measure.plans(connection, space, filled)),
        lambda facts: search.plans(facts, space, broken=graph is None),
        "both legs of a search use their indexes",
    )
    deadline = time.monotonic() + _SECONDS
    measured: list[Recall | Unread] = []
    for corpus in filled:
        if corpus.chunks > _MOST_ROWS:
            measured.append(Unread(reason=f"an exact search of {corpus} ({corpus.chunks:,} chunks) takes too long"))
        elif time.monotonic() < deadline and (
            one := reader.read(partial(measure.recall, space=space, corpus=corpus, deadline=deadline))
        ):
            measured.append(one)
    return findings + examined(
        "recall", tuple(measured), lambda facts: search.recall(facts, graph), "every vector is compared: exact"
    )


def _of_collections(reader: _Reader, space: Space, corpora: Corpora, spaces: Sequence[str]) -> list[Finding]:
    counted = tuple(
        reader.read(partial(measure.recount, corpus=corpus, spaces=spaces))
        if corpus.chunks <= _MOST_ROWS
        else Unread(reason=f"{corpus} has {corpus.chunks:,} chunks")
        for corpus in corpora.largest
    )
    looked_at = f"{corpora.chunks:,} chunks in {corpora.count:,} collection{'s' * (corpora.count != 1)}"
    if corpora.count > len(corpora.largest):
        looked_at += f", of which the {len(corpora.largest)} largest were looked at"
    return [
        # First, as its commands end with those of the other.
        *examined(
            "completeness",
            counted,
            lambda facts: statistics.completeness(facts, space.name),
            "every chunk has its terms and its vector",
        ),
        *examined("statistics", counted, statistics.statistics, f"as counted; {looked_at}"),
    ]


def _of_tenants(
    about: Server, found: Schema, tables: tuple[TableState, ...] | Unread, corpora: Corpora
) -> list[Finding]:
    fine = f"{about.role} is held to one by row-level security" if tenants.is_bound(about, found) else "none, or one"
    return examined("tenants", tables, lambda facts: tenants.tenants(about, found, facts, corpora.tenants), fine)


def _of_server(reader: _Reader, about: Server, *, pool: int) -> list[Finding]:
    return [
        *examined(
            "connections",
            about,
            lambda facts: server.connections(facts, pool=pool),
            f"{about.connections} of {about.max_connections - about.reserved_connections} are open",
        ),
        *examined(
            "sessions",
            reader.read(gather.sessions),
            lambda facts: server.sessions(facts, about),
            "no transaction is left open",
        ),
    ]


def _spaces(found: Schema) -> str:
    return ", ".join(
        f"{each.name} ({each.dimensions} dimensions of {each.model})"
        for each in found.spaces
        if each.state != "retired"
    )


def _hits(tables: Sequence[TableState]) -> str:
    hits, reads = upkeep.hit_counts(tables)
    return f"; {hits / (hits + reads):.1%} of the pages come from memory" if hits + reads else ""
