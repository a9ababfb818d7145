"""JSON and JSON lines: each value with the path that leads to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.errors import BadEncoding, BrokenFile, EmptyDocument
from ragdiet.load import Loaded, parse


def text(source: str, name: str = "a.json") -> str:
    return parse(source.encode(), name).text


def test_settings_are_lines_with_paths() -> None:
    source = '{"server": {"port": 8080, "tls": true, "proxy": null, "hosts": ["a", "b"]}, "name": "x", "empty": {}}'
    assert parse(source.encode(), "a.json") == Loaded(
        text="server.port: 8080\nserver.tls: true\nserver.hosts: a, b\nname: x", title=None, meta={"format": "json"}
    )


def test_records_are_blocks() -> None:
    records = [{"name": "Ada", "born": {"year": 1815}}, {"name": "Grace", "tags": ["navy", 1]}]
    expected = "name: Ada\nborn.year: 1815\n\nname: Grace\ntags: navy, 1"
    assert text(json.dumps(records)) == expected
    assert text("\n\n".join(map(json.dumps, records)), "a.jsonl") == expected
    assert text("\n".join(map(json.dumps, records)), "a.ndjson") == expected
    assert text("\r\n".join(map(json.dumps, records))) == expected  # JSON lines under the name of JSON


def test_records_below_a_key() -> None:
    source = '{"total": 2, "staff": [{"name": "Ada"}, {"name": "Grace", "jobs": [{"at": "x"}, {"at": "y"}]}]}'
    assert text(source) == (
        "total: 2\n\nstaff.name: Ada\n\nstaff.name: Grace\nstaff.jobs[0].at: x\nstaff.jobs[1].at: y"
    )


def test_a_text_stays_in_its_record() -> None:
    assert text('[{"note": "first\\n\\n  second\\u0000\\ud800", "n": 1}]') == "note: first\nsecond\nn: 1"


def test_numbers_are_as_they_are_written() -> None:
    long = "9" * 6_000
    assert text(f"[1.10, 1e400, -0.0, NaN, -Infinity, {long}]") == f"1.10, 1e400, -0.0, NaN, -Infinity, {long}"


def test_members_of_one_key_are_all_kept() -> None:
    assert text('{"a": 1, "a": 2}') == "a: 1\na: 2"


def test_comments_and_trailing_commas() -> None:
    source = '{\n  // where\n  "url": "https://x/*y*/", /* how\n */ "list": [1, 2,],\n  "s": ",]",\n}'
    assert text(source) == "url: https://x/*y*/\nlist: 1, 2\ns: ,]"


@pytest.mark.parametrize(
    ("source", "name", "reason"),
    [
        ('{"a": 1}\n{"a": 2\n{"a": 3}\n', "a.jsonl", "line 2 is no valid JSON"),
        ('{"a": 1}\n{"a": 2\n', "a.json", "line 2 is no valid JSON"),
        ("word\n", "a.jsonl", "line 1 is no valid JSON"),
        ('{"a": [1, 2\n', "a.json", "no valid JSON.*line 2 column 1"),
        ("word", "a.json", "no valid JSON.*line 1 column 1"),
        ("[1] [2]", "a.json", "no valid JSON.*Extra data"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(source: str, name: str, reason: str) -> None:
    with pytest.raises(BrokenFile, match=reason):
        text(source, name)


@pytest.mark.parametrize("source", ["{}", "[]", "null", '""', '[{"a": null}, [""]]'])
def test_json_without_a_value(source: str) -> None:
    with pytest.raises(EmptyDocument, match="no value"):
        text(source)


def test_mixed_encodings_are_refused() -> None:
    with pytest.raises(BadEncoding, match="not valid utf-8"):
        parse('{"a": "Köln"}\n'.encode() + '{"a": "Köln"}'.encode("cp1252"), "a.jsonl")


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text("ab \n", max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("kK.", min_size=1), inner, max_size=4),
    max_leaves=20,
)


def numbers(value: object) -> list[str]:
    """The numbers and truth values in a value, as JSON writes them, in their order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [json.dumps(value)] if isinstance(value, int | float) else []


@given(VALUES)
def test_no_number_is_lost(value: object) -> None:
    try:
        written = text(json.dumps(value))
    except EmptyDocument:
        assert numbers(value) == []
        return
    assert "\n\n\n" not in written
    at = 0
    for number in numbers(value):
        at = written.index(number, at) + len(number)
