"""Filters: what a user writes, what the database finds, and that nothing but bound values reaches it."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import reduce
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from ragdiet import F
from ragdiet.errors import FilterTypeMismatch, InvalidArgument, UnknownFilterKey
from ragdiet.filters import And, Compare, Exists, Filter, Holds, IsIn, as_filter, children, json_type
from ragdiet.rag import RAG
from ragdiet.retrieve.condition import KeyUse, compiled
from ragdiet.retrieve.matching import condition_of, matching, predicate
from ragdiet.store import Database, find_corpus, migrate
from ragdiet.store.metadata_keys import note_keys
from ragdiet.types import Document
from tests.conftest import create_database, database_dsn
from tests.embedders import WordEmbedder

Metas = Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]
"""Documents, each with its metadata and that of its chunks."""

KEYS = ("year", "team", "tags", "ключ", "k\"'%s{}", "a.b", "")
NAMES = ("", "ops", "Ops", "ops'; DROP TABLE ragdiet.chunk; --", "Zoë", "zebra", "數", "1", "true", "2026-01-31")
ISO = [
    *"2026-01-31 2026-02-01 2024-02-29 2023-02-29 2026-13-01 0000-01-01 0001-01-01 9999-12-31 20260131".split(),
    *"2026-01-31T23:30:00-05:00 2026-01-31T23:30Z 2026-01-31T23:30:00.123456789Z 2026-01-31T00:00:00+15:00".split(),
    *"2026-02-01T00:00 2026-01-31T24:00 2026-01-31T12:60 2026-01-31T12:00:00+0545 2026-01-31T12:00:00-02".split(),
    *"0001-01-01T00:00:00+15:00 9999-12-31T23:59:59.9999999-15:00 2026-01-31T12:00:00.5 now infinity".split(),
    *("2026-01-31 12:00:00", "2026-01-31 12:00:00.000001+02:00", "2026-01-31\n", "2026-1-31", "2026-01-31Z"),
]

SCALARS = [None, True, False, 0, 1, -1, 2020, 0.1, -0.0, 2.5, 1e16, 1e308, 5e-324, 2**63, -(2**70)]
MOMENTS = [
    *(date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1), date.min, date.max, date(2024, 2, 29)),
    *(datetime(2026, 1, 31, hour, tzinfo=UTC) for hour in (0, 12)),
    datetime(2026, 2, 1, 4, 30, tzinfo=UTC),
    datetime(2026, 1, 31, 17, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    *(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
]

numbers = st.one_of(
    st.sampled_from([value for value in SCALARS if value is not None and not isinstance(value, bool)]),
    st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.sampled_from((*NAMES, *ISO))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
metadata = st.dictionaries(
    st.sampled_from(KEYS),
    st.one_of(
        scalars,
        st.lists(st.one_of(scalars, st.lists(scalars, max_size=2)), max_size=3),
        st.dictionaries(st.sampled_from(KEYS), st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=2),
    ),
    max_size=4,
)
moments = st.sampled_from(MOMENTS)
wanted = st.one_of(scalars, moments, st.sampled_from([Decimal("0.1"), Decimal("2.50"), Decimal("1E+16")]))
keys = st.one_of(
    st.sampled_from(KEYS).map(F), st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)).map(lambda k: F(*k))
)


@st.composite
def conditions(draw: st.DrawFn) -> Filter:
    key = draw(keys)
    match draw(st.sampled_from(["equal", "other", "order", "in", "has", "any", "all", "exists"])):
        case "equal":
            return key == draw(wanted)
        case "other":
            return key != draw(wanted)
        case "order":
            value = draw(st.one_of(numbers, texts, moments))
            return draw(st.sampled_from([key < value, key <= value, key > value, key >= value]))
        case "in":
            return key.is_in(draw(st.lists(wanted, min_size=1, max_size=20)))
        case "has":
            return key.has(draw(scalars))
        case "any":
            return key.has_any(draw(st.lists(scalars, min_size=1, max_size=20)))
        case "all":
            return key.has_all(draw(st.lists(scalars, min_size=1, max_size=3)))
    return key.exists()


filters = st.recursive(
    conditions(),
    lambda parts: st.one_of(
        st.tuples(parts, parts).map(lambda pair: pair[0] & pair[1]),
        st.tuples(parts, parts).map(lambda pair: pair[0] | pair[1]),
        parts.map(lambda part: ~part),
    ),
    max_leaves=5,
)


def stored(connection: psycopg.Connection, metas: Metas) -> tuple[int, dict[int, dict[str, Any]]]:
    """Write a corpus of documents by hand; returns its number and each chunk's whole metadata."""
    (corpus,) = one(connection, "INSERT INTO ragdiet.corpus (tenant, collection) VALUES ('', 'made') RETURNING id")
    chunks = {}
    for number, (meta, parts) in enumerate(metas):
        (document,) = one(
            connection,
            "INSERT INTO ragdiet.document (corpus_id, external_id, content_hash, pipeline, meta) "
            "VALUES (%s, %s, '', '', %s) RETURNING id",
            corpus,
            str(number),
            Jsonb(dict(meta)),
        )
        for ordinal, part in enumerate(parts):
            (chunk,) = one(
                connection,
                "INSERT INTO ragdiet.chunk (document_id, corpus_id, ordinal, text, hash, tokens, start_offset, "
                "end_offset, meta, sentences) VALUES (%s, %s, %s, '', '', 1, 0, 0, %s, '{}') RETURNING id",
                document,
                corpus,
                ordinal,
                Jsonb(dict(part)),
            )
            chunks[chunk] = {**meta, **part}
    changes: Any = [
        SimpleNamespace(
            meta=meta, keep=[(0, SimpleNamespace(meta=part)) for part in parts[::2]], renamed=[],
            new=[SimpleNamespace(chunk=SimpleNamespace(meta=part)) for part in parts[1::2]],
        )
        for meta, parts in metas
    ]  # fmt: skip
    note_keys(connection, corpus, changes)
    return corpus, chunks


def one(connection: psycopg.Connection, query: str, *parameters: object) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row


def found(connection: psycopg.Connection, corpus: int, filter: Filter | Mapping[str, Any]) -> set[int]:
    """The chunks that pass, found in both ways, which must agree."""
    condition = condition_of(connection, corpus, filter, some_expired=False)
    assert condition is not None
    ids = matching(connection, corpus, condition, 1_000_000)
    assert ids is not None
    query = psycopg.sql.SQL("SELECT leg.chunk_id FROM (SELECT id AS chunk_id FROM ragdiet.chunk) leg WHERE {}")
    rows = connection.execute(
        query.format(predicate(condition, psycopg.sql.Identifier("leg"))), condition.parameters
    ).fetchall()
    assert sorted(ids) == sorted(row[0] for row in rows)
    return set(ids)


@pytest.fixture(scope="module")
def declared(server: Any, template: str) -> Iterator[psycopg.Connection]:
    """A connection to a database where half of the keys are declared."""
    create_database(server, "declared_keys", template)
    dsn = database_dsn(server, "declared_keys")
    migrate(dsn, filter_keys=KEYS[::2])
    with psycopg.connect(dsn) as connection:
        yield connection


def allow_all(connection: psycopg.Connection, corpus: int) -> None:
    """Let the corpus seem to have had each key with every type, so that no filter is refused."""
    types = ["string", "number", "boolean", "null", "array", "object"]
    connection.execute(
        "INSERT INTO ragdiet.metadata_key SELECT %(corpus)s, key, type, coalesce(of_chunks, false) "
        "FROM unnest(%(keys)s::text[]) AS wanted (key) CROSS JOIN unnest(%(types)s::text[]) AS type LEFT JOIN "
        "(SELECT DISTINCT key, of_chunks FROM ragdiet.metadata_key WHERE corpus_id = %(corpus)s) known USING (key) "
        "ON CONFLICT DO NOTHING",
        {"corpus": corpus, "keys": list(KEYS), "types": types},
    )


def leaves(filter: Filter) -> Iterator[Filter]:
    if not children(filter):
        yield filter
    for part in children(filter):
        yield from leaves(part)


def refusals(filter: Filter, metas: Sequence[Mapping[str, Any]]) -> set[type[InvalidArgument]]:
    """What the filter must be refused for, by the metadata of a whole corpus."""
    errors: set[type[InvalidArgument]] = set()
    for leaf in leaves(filter):
        assert isinstance(leaf, Compare | IsIn | Holds | Exists)
        held = {json_type(meta[leaf.path[0]]) for meta in metas if leaf.path[0] in meta}
        if len(leaf.path) > 1:
            wanted = {"object"}
        elif isinstance(leaf, Compare):
            wanted = {leaf.value.json_type}
        elif isinstance(leaf, IsIn):
            wanted = {value.json_type for value in leaf.values}
        else:
            wanted = {"array"} if isinstance(leaf, Holds) else set()
        if not held:
            errors.add(UnknownFilterKey)
        elif wanted - held:
            errors.add(FilterTypeMismatch)
    return errors


@given(
    metas=st.lists(st.tuples(metadata, st.lists(metadata, max_size=3)), min_size=1, max_size=6),
    tried=st.lists(filters, min_size=1, max_size=8),
    indexes=st.booleans(),
    checked=st.booleans(),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_database_finds_what_the_expression_says(
    declared: psycopg.Connection, metas: Metas, tried: Sequence[Filter], indexes: bool, checked: bool
) -> None:
    with declared.transaction(force_rollback=True):
        declared.execute(f"SET LOCAL enable_seqscan = {'off' if indexes else 'on'}")
        corpus, chunks = stored(declared, metas)
        whole = [meta for document, parts in metas for meta in (document, *parts)]
        if not checked:
            allow_all(declared, corpus)
        for filter in tried:
            if checked and (errors := refusals(filter, whole)):
                with pytest.raises(tuple(errors)):
                    found(declared, corpus, filter)
            else:
                assert found(declared, corpus, filter) == {id for id, meta in chunks.items() if filter.matches(meta)}


@pytest.mark.parametrize("key", ["year", "team"])  # one is declared
@pytest.mark.parametrize("of_chunks", [False, True])
def test_every_value_against_every_other(declared: psycopg.Connection, key: str, of_chunks: bool) -> None:
    values: list[Any] = [*SCALARS, *NAMES, *ISO, [], ["ops"], [1, [2]], {}, {"ops": 1}]
    given_values = [*SCALARS, *NAMES, *ISO[:3], *MOMENTS]
    with declared.transaction(force_rollback=True):
        metas: Metas = [({}, [{key: value}]) if of_chunks else ({key: value}, [{}]) for value in values]
        corpus, chunks = stored(declared, [*metas, ({}, [{}])])
        allow_all(declared, corpus)
        for value in given_values:
            conditions = [F(key) == value, F(key) != value, F(key).is_in([value, "zebra"])]
            if value is not None and not isinstance(value, bool):
                conditions += [F(key) < value, F(key) <= value, F(key) > value, F(key) >= value, ~(F(key) < value)]
            for condition in conditions:
                expected = {id for id, meta in chunks.items() if condition.matches(meta)}
                assert found(declared, corpus, condition) == expected, condition


@given(filters)
def test_nothing_a_user_gives_is_in_the_sql(filter: Filter) -> None:
    uses = {key: KeyUse(documents=frozenset({"string"})) for key in KEYS}
    condition = compiled(filter, uses, some_expired=True)
    assert condition is not None
    text = condition.sql.as_string()
    assert not any(word in text for word in ("DROP", "ключ", "數", 'k"', "a.b", "9999", "1e+308"))
    given_keys = {key for leaf in leaves(filter) for key in leaf.path}  # type: ignore[attr-defined]
    assert all(any(key in str(value) for value in condition.parameters.values()) for key in given_keys - {KEYS[4]})


@given(filters)
def test_expressions_are_values(filter: Filter) -> None:
    shown = repr(filter).replace("datetime.", "dt.")
    if "in all]" not in shown:
        assert eval(shown, {"F": F, "dt": dt, "Decimal": Decimal}) == filter
    assert hash(filter) == hash(~~filter)
    assert ~~filter == filter


def test_comparisons_as_people_expect_them() -> None:
    meta = {"team": "ops", "year": 2026, "draft": True, "tags": ["urgent", 7], "author": {"name": "Zoë"}, "gone": None}
    true = [
        F("team") == "ops", F("year") == 2026.0, F("year") >= Decimal("2026.0"), F("tags").has("urgent"),
        F("tags").has_any(["calm", 7]), F("tags").has_all({"urgent", 7}), F("author", "name") == "Zoë",
        F("gone") == None,  # noqa: E711
        F("gone").exists(), F("lang") != "en", ~(F("lang") == "en"), F("team").is_in(team for team in ("ops", "dev")),
        F("draft") == True, F("team") > "Ops",  # noqa: E712
    ]  # fmt: skip
    false = [
        F("draft") == 1, F("year") == "2026", F("lang") == None, F("lang") < "z", F("team").has("ops"),  # noqa: E711
        F("author.name") == "Zoë", F("lang").exists(), F("tags") == "urgent", F("tags").has_all(["urgent", 8]),
    ]  # fmt: skip
    assert [condition for condition in true if not condition.matches(meta)] == []
    assert [condition for condition in false if condition.matches(meta)] == []
    assert (F("draft") == True) != (F("draft") == 1)  # noqa: E712 - expressions, which differ


@pytest.mark.parametrize(
    ("text", "condition", "expected"),
    [
        ("2026-01-31", F("at") <= date(2026, 1, 31), True),
        ("2026-01-31T23:59:59-11:00", F("at") <= date(2026, 1, 31), True),
        ("2026-01-31T23:59:59-11:00", F("at") <= datetime(2026, 2, 1, tzinfo=UTC), False),
        ("2026-01-31T23:59:59-11:00", F("at") == datetime(2026, 2, 1, 10, 59, 59, tzinfo=UTC), True),
        ("2026-02-01T00:30:00+05:45", F("at") < datetime(2026, 2, 1, tzinfo=UTC), True),
        ("2026-02-01 00:30", F("at") == datetime(2026, 2, 1, 2, 30, tzinfo=timezone(timedelta(hours=2))), True),
        ("2026-02-01", F("at") == datetime(2026, 2, 1, tzinfo=UTC), True),
        ("2026-02-01T10:00", F("at") == date(2026, 2, 1), True),
        ("2026-02-30", F("at") < date.max, False),
        ("soon", F("at") != date(2026, 2, 1), True),
        ("2026-02-01T10:00", F("at").is_in([date(2026, 2, 1), "soon"]), True),
    ],
)
def test_dates(text: str, condition: Filter, expected: bool) -> None:
    assert condition.matches({"at": text}) is expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: F(3),
        lambda: F("a\0b"),
        lambda: F("\ud800"),
        lambda: F("k" * 10_000),
        lambda: F("a") == "x\0y",
        lambda: F("a") == "half \ud800",
        lambda: F("a") == float("nan"),
        lambda: F("a") == float("inf"),
        lambda: F("a") == Decimal("sNaN"),
        lambda: F("a") == Decimal("1E+9999"),
        lambda: F("a") == 10**10_000,
        lambda: F("a") == b"bytes",
        lambda: F("a") == {"b": 1},
        lambda: F("a") == ["b"],
        lambda: F("a") < True,
        lambda: F("a") >= None,
        lambda: F("a") < datetime(2026, 1, 1),  # noqa: DTZ001
        lambda: F("a") < datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        lambda: F("a").is_in([]),
        lambda: F("a").is_in("text"),
        lambda: F("a").is_in(7),
        lambda: F("a").has(date(2026, 1, 1)),
        lambda: F("a").has_any([]),
        lambda: (F("a") == 1) and (F("b") == 2),
        lambda: not F("a").exists(),
        lambda: 1 < F("a") < 5,
        lambda: F("a") == 1 & F("b"),
        lambda: (F("a") == 1) & F("b"),
        lambda: ~F("a"),
        lambda: And(()),
        lambda: as_filter("team = 'ops'"),
        lambda: as_filter(F("a")),
        lambda: as_filter({3: "x"}),
        lambda: as_filter({"a": ["x"]}),
    ],
)
def test_what_cannot_work_is_told_at_once(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgument, match=r"filter|F\("):
        make()


def test_long_chains_are_flat_and_deep_ones_refused() -> None:
    chain = F("a") == 0
    for number in range(1, 1_000):
        chain = chain | (F("a") == number)
    assert len(children(chain)) == 1_000
    assert chain.matches({"a": 999})
    with pytest.raises(InvalidArgument, match=r"is_in\(\) takes many values"):
        chain | (F("a") == 1_000)
    with pytest.raises(InvalidArgument, match="deeper"):
        reduce(lambda deep, number: ~(deep & (F("a") == number)), range(100), F("a") == 0)


def test_plain_mappings_mean_all_equal() -> None:
    assert as_filter({"team": "ops", "year": 2026}) == (F("team") == "ops") & (F("year") == 2026)
    assert as_filter({"team": "ops"}) == (F("team") == "ops")
    assert as_filter({}) is None
    assert as_filter(None) is None


@pytest.fixture
def ingested(rag: RAG, database: Database) -> tuple[Database, int]:
    rag.ingest(
        [
            Document("a", "# One\n\nThe first text, about trains.", meta={"year": 2025, "team": "ops", "lang": "en"}),
            Document("b", "# Two\n\nThe second text, about hotels.", meta={"year": 2026, "team": "dev"}),
        ]
    )
    corpus = find_corpus(database, tenant="", collection="default")
    assert corpus is not None
    return database, corpus.id


def test_unknown_keys_name_the_near_ones(ingested: tuple[Database, int]) -> None:
    database, corpus = ingested
    with database.transaction(tenant="") as connection:
        with pytest.raises(UnknownFilterKey, match="did you mean 'year'") as caught:
            condition_of(connection, corpus, F("yaer") > 2_000, some_expired=False)
        assert (caught.value.key, caught.value.near) == ("yaer", ("year",))
        with pytest.raises(UnknownFilterKey, match="it has 'lang', 'team', 'year'"):
            condition_of(connection, corpus, {"x'; DROP TABLE ragdiet.chunk; --": 1}, some_expired=False)
        with pytest.raises(FilterTypeMismatch, match="holds numbers in this collection, and never text") as mismatch:
            condition_of(connection, corpus, ~(F("year") == "2026"), some_expired=False)
        assert (mismatch.value.key, mismatch.value.types) == ("year", ("number",))
        assert len(found(connection, corpus, F("year") >= 2025)) == 2


def test_expired_documents_are_not_found(ingested: tuple[Database, int]) -> None:
    database, corpus = ingested
    with database.transaction(tenant="") as connection:
        connection.execute("UPDATE ragdiet.document SET expires_at = now() - interval '1 s' WHERE external_id = 'a'")
        assert condition_of(connection, corpus, None, some_expired=False) is None
        for filter, number in ((None, 1), (F("year") == 2025, 0), (F("year") == 2026, 1)):
            condition = condition_of(connection, corpus, filter, some_expired=True)
            assert condition is not None
            ids = matching(connection, corpus, condition, 10)
            assert ids is not None
            assert len(ids) == number


def test_more_than_the_limit_is_none(ingested: tuple[Database, int]) -> None:
    database, corpus = ingested
    with database.transaction(tenant="") as connection:
        condition = condition_of(connection, corpus, F("year").exists(), some_expired=False)
        assert condition is not None
        assert matching(connection, corpus, condition, 1) is None
        assert len(matching(connection, corpus, condition, 2) or ()) == 2


def test_keys_are_recorded_with_the_documents(ingested: tuple[Database, int], rag: RAG) -> None:
    database, corpus = ingested

    def recorded() -> dict[tuple[str, str, bool], str]:
        with database.transaction(tenant="") as connection:
            rows = connection.execute(
                "SELECT key, type, of_chunks, xmin::text FROM ragdiet.metadata_key WHERE corpus_id = %s", (corpus,)
            )
            return {row[:3]: row[3] for row in rows}

    first = recorded()
    assert set(first) == {("year", "number", False), ("team", "string", False), ("lang", "string", False)}
    rag.ingest([Document("c", "A third text, about nothing much.", meta={"team": "x"})])
    assert recorded() == first
    changed: dict[str, Any] = {"year": "2026", "tags": [], "k" * 2_000: 1, "headings": [[0, 1, "One"]]}
    rag.ingest([Document("a", "# One\n\nThe first text, about trains.", meta=changed)])
    assert set(recorded()) - set(first) == {
        ("year", "string", False),
        ("tags", "array", False),
        ("heading", "string", True),
    }


def test_declared_keys_have_an_index(dsn: str, database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder())
    odd = 'it\'s % {} "odd"'
    for _ in range(2):
        rag.migrate(filter_keys=["year", odd])
    with database.transaction(tenant="") as connection:
        rows = connection.execute(
            "SELECT obj_description(indexrelid) FROM pg_index WHERE indexrelid::regclass::text LIKE '%\\_filter\\_%'"
        ).fetchall()
    assert sorted(rows) == sorted([(f"filter key {key}",) for key in ("year", odd)] * 2)
    long = random.Random(1).randbytes(5_000).hex()  # incompressible, so no index row could hold it
    rag.ingest([Document("a", "A text.", meta={odd: long}), Document("b", "Another text.", meta={odd: "short"})])
    corpus = find_corpus(database, tenant="", collection="default")
    assert corpus is not None
    with database.transaction(tenant="") as connection:
        assert len(found(connection, corpus.id, {odd: long})) == 1
        assert len(found(connection, corpus.id, F(odd) != "short")) == 1
    with pytest.raises(InvalidArgument, match="give a list"):
        rag.migrate(filter_keys="year")
