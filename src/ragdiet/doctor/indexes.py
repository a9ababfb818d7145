"""Checks of the indexes: those that the statements need, and those that nobody needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ragdiet.doctor.commands import sql
from ragdiet.doctor.facts import DeclaredIndex, IndexState, Server
from ragdiet.doctor.finding import Finding
from ragdiet.doctor.wording import days, size
from ragdiet.store.indexes import graph_bytes

_COUNTED_DAYS = 7.0
_WORTH_DROPPING = 16 * 2**20


def indexes(
    declared: Sequence[DeclaredIndex],
    found: Sequence[IndexState],
    server: Server,
    *,
    chunks: int,
    dimensions: Mapping[str, int],
    building: Collection[str] = (),
) -> Iterator[Finding]:
    """Each declared index is there, valid and of its kind; nothing else is invalid or unused.

    Tables that reembed is ``building`` may lack theirs: it makes HNSW when it has written the vectors.

    ``dimensions`` by table of vectors: what building its HNSW needs of memory depends on them and on ``chunks``.
    """
    by_name = {index.name: index for index in found}
    own = set()
    for index in declared:
        there = by_name.get(index.name)
        if there is None and index.is_constraint:
            there = next((each for each in found if each.is_unique and _place(each) == _place(index)), None)
        if there is not None:
            own.add(there.name)
        elif index.table in building:
            continue
        before = _memory(index, server, chunks, dimensions)
        yield from _declared(index, there, before)
    for extra in found:
        if extra.name not in own:
            yield from _extra(extra)
        yield from _unused(extra, server, is_own=extra.name in own)


def _declared(index: DeclaredIndex, there: IndexState | None, before: tuple[str, ...]) -> Iterator[Finding]:
    if there is None:
        yield _fail(f"{index.name} on {index.table} is missing", *before, index.create)
    elif there.is_building:
        yield Finding(check="indexes", status="warn", what=f"{index.name} is being built now")
    elif not there.is_valid:
        yield _fail(
            f"{index.name} is invalid, left by a build that was cut off: it is kept up to date and never used",
            *before,
            sql("REINDEX INDEX CONCURRENTLY ragdiet.{}", there.name),
        )
    elif (there.method, _place(there)) != (index.method, _place(index)):
        yield _fail(
            f"{index.name} is {there.method} over {there.table} ({', '.join(there.columns)}), not {index.method} over "
            f"{index.table} ({', '.join(index.columns)})",
            *before,
            sql("DROP INDEX CONCURRENTLY ragdiet.{}", there.name),
            index.create,
        )
    elif index.opclass is not None and there.opclass != index.opclass:
        yield _fail(
            f"{index.name} has operators of {there.opclass}, the searches need {index.opclass}: it is never used",
            *before,
            sql("DROP INDEX CONCURRENTLY ragdiet.{}", there.name),
            index.create,
        )
    elif small := {name: value for name, value in index.options.items() if there.options.get(name, value) < value}:
        declared = ", ".join(f"{name} = {value}" for name, value in small.items())
        yield Finding(
            check="indexes",
            status="warn",
            what=f"{index.name} was built with {', '.join(f'{name} = {there.options[name]}' for name in small)}, not "
            f"{declared}: it finds less",
            mend=(
                *before,
                f"{sql('ALTER INDEX ragdiet.{}', there.name)} SET ({declared})",
                sql("REINDEX INDEX CONCURRENTLY ragdiet.{}", there.name),
            ),
        )


def _extra(index: IndexState) -> Iterator[Finding]:
    if not index.is_valid and not index.is_building:
        yield Finding(
            check="indexes",
            status="warn",
            what=f"{index.name} on {index.table} is invalid, left by a build that was cut off: it only slows writes",
            mend=(sql("DROP INDEX CONCURRENTLY ragdiet.{}", index.name),),
        )


def _unused(index: IndexState, server: Server, *, is_own: bool) -> Iterator[Finding]:
    """Only what is large, and has long been counted. Without a command for our own, which other data may need."""
    if index.scans or index.is_unique or not index.is_valid or index.size < _WORTH_DROPPING:
        return
    if server.counted_days < _COUNTED_DAYS:
        return
    yield Finding(
        check="indexes",
        status="warn",
        what=f"{index.name} ({size(index.size)}) was not used in {days(server.counted_days * 86_400)}",
        mend=() if is_own else (sql("DROP INDEX CONCURRENTLY ragdiet.{}", index.name),),
    )


def _memory(index: DeclaredIndex, server: Server, chunks: int, dimensions: Mapping[str, int]) -> tuple[str, ...]:
    """What to set before HNSW is built, where the server's own setting is too small for the graph."""
    if index.method != "hnsw":
        return ()
    needed = graph_bytes(chunks, dimensions[index.table])
    if needed <= server.maintenance_work_mem:
        return ()
    return (sql("SET maintenance_work_mem = {value}", value=f"{-(-needed // 2**20)}MB"),)


def _place(index: DeclaredIndex | IndexState) -> tuple[str, tuple[str, ...]]:
    return index.table, index.columns


def _fail(what: str, *mend: str) -> Finding:
    return Finding(check="indexes", status="fail", what=what, mend=mend)
