"""Rows built by hand come back as they went in, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgvector.psycopg import register_vector

from ragdiet import bm25
from ragdiet.analysis import TERM_SPACE
from ragdiet.store import binary
from ragdiet.store.postings import postings

REUSES_THE_DATABASE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as opened:
        register_vector(opened)
        yield opened


def roundtrip(connection: psycopg.Connection, kind: str, fields: list[bytes]) -> list[object]:
    """Each field through a table of one column, in order."""
    connection.execute(f"CREATE TEMP TABLE sent (id int, value {kind})")
    try:
        with connection.cursor().copy("COPY sent FROM STDIN (FORMAT BINARY)") as copy:
            rows = (b"\x00\x02" + binary.int4(number) + value for number, value in enumerate(fields))
            for block in binary.blocks(rows):
                copy.write(block)
        return [row[0] for row in connection.cursor(binary=True).execute("SELECT value FROM sent ORDER BY id")]
    finally:
        connection.execute("DROP TABLE sent")


@REUSES_THE_DATABASE
@given(st.lists(st.none() | text))
def test_texts(connection: psycopg.Connection, values: list[str | None]) -> None:
    assert roundtrip(connection, "text", [binary.text(value) for value in values]) == values


@REUSES_THE_DATABASE
@given(st.lists(st.dictionaries(text, json, max_size=4)))
def test_json(connection: psycopg.Connection, values: list[dict[str, object]]) -> None:
    assert roundtrip(connection, "jsonb", [binary.jsonb(value) for value in values]) == values


@REUSES_THE_DATABASE
@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1))))
def test_arrays_of_int4(connection: psycopg.Connection, values: list[list[int]]) -> None:
    assert roundtrip(connection, "int4[]", [binary.int4_array(value) for value in values]) == values


@REUSES_THE_DATABASE
@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1))))
def test_arrays_of_int8(connection: psycopg.Connection, values: list[list[int]]) -> None:
    assert roundtrip(connection, "int8[]", [binary.int8_array(value) for value in values]) == values


@REUSES_THE_DATABASE
@given(st.lists(st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))))  # noqa: DTZ001 - bounds are naive
def test_moments(connection: psycopg.Connection, values: list[datetime | None]) -> None:
    assert roundtrip(connection, "timestamptz", [binary.timestamp(value) for value in values]) == values


@pytest.mark.parametrize("count", [0, 1, 7, 3_000])
def test_halfvecs(connection: psycopg.Connection, count: int) -> None:
    vectors = np.random.default_rng(count).standard_normal((count, 33)).astype(np.float32)
    fields = binary.halfvecs(vectors)
    found = roundtrip(connection, "halfvec(33)", fields)
    assert np.array_equal([each.to_numpy() for each in found] or np.zeros((0, 33)), vectors.astype(np.float16))  # type: ignore[attr-defined]


def test_an_array_of_halfvecs(connection: psycopg.Connection) -> None:
    vectors = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    info = connection.adapters.types.get("halfvec")
    assert info is not None
    (found,) = roundtrip(connection, "halfvec[]", [binary.halfvec_array(vectors, info.oid)])
    assert np.array_equal([each.to_numpy() for each in found], vectors.astype(np.float16))  # type: ignore[attr-defined]


@REUSES_THE_DATABASE
@given(st.lists(st.lists(st.integers(1, TERM_SPACE), max_size=30), min_size=1, max_size=6))
def test_terms_and_weights(connection: psycopg.Connection, texts: list[list[int]]) -> None:
    counted = postings([np.array(terms, np.int32) for terms in texts])
    rows = list(binary.term_rows(counted.terms, counted.weights(10.0), counted.ends, TERM_SPACE))
    assert roundtrip(connection, "int4[]", [array for array, _ in rows]) == [sorted(set(terms)) for terms in texts]
    found = roundtrip(connection, f"sparsevec({TERM_SPACE})", [sparse for _, sparse in rows])
    for terms, sparse in zip(texts, found, strict=True):
        weights = {index + 1: value for index, value in zip(sparse.indices(), sparse.values(), strict=True)}  # type: ignore[attr-defined]
        expected = {term: bm25.weight(terms.count(term), len(terms), 10.0) for term in terms}
        assert weights == pytest.approx(expected, rel=1e-6)


def test_frequencies_count_texts() -> None:
    counted = postings([np.array(terms, np.int32) for terms in ([5, 5, 2], [], [2, 9])])
    terms, frequencies = counted.frequencies()
    assert dict(zip(terms.tolist(), frequencies.tolist(), strict=True)) == {2: 2, 5: 1, 9: 1}
    assert counted.lengths.tolist() == [3, 0, 2]
