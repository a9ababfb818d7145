"""Plain text, Markdown, reStructuredText and source code: verbatim, with their headings; encodings."""

from __future__ import annotations

import ast
import codecs
import heapq
import inspect
import re
import statistics
import warnings
from contextlib import suppress
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet.errors import BadEncoding, BrokenFile, EmptyDocument, SourceError, UnsupportedFormat
from ragdiet.load import PARSERS, Loaded, checked, parse
from ragdiet.types import Document


def parsed(text: str, name: str) -> Loaded:
    return parse(text.encode(), name)


def titles(loaded: Loaded) -> list[tuple[int, str]]:
    return [(level, title) for _, level, title in loaded.meta["headings"]]


def at_headings(loaded: Loaded) -> list[str]:
    """The line at each heading's offset."""
    return [loaded.text[offset:].split("\n", 1)[0] for offset, *_ in loaded.meta["headings"]]


# --- encodings


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
@given(text=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1))
def test_byte_order_marks_are_honoured(mark: bytes, encoding: str, text: str) -> None:
    if text.startswith("\ufeff") and not mark:
        return
    assert parse(mark + text.encode(encoding), "a.txt").text == text
    assert parse(mark + text.encode(encoding), "no-extension").text == text


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.py", "a.sql", "a.html", "unknown.zzz"])
def test_line_ends_become_newlines(name: str) -> None:
    assert parse(b"one\r\ntwo\rthree\n", name).text.split() == ["one", "two", "three"]
    assert "\r" not in parse(b"one\r\ntwo\rthree\n", name).text


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.py", "a.sql", "a.html"])
def test_text_in_an_unknown_encoding_is_refused_with_the_command_that_helps(name: str) -> None:
    with pytest.raises(BadEncoding, match=r"not valid utf-8 at byte 3: .*iconv -f WINDOWS-1252 -t UTF-8"):
        parse("café".encode("cp1252"), name)


@pytest.mark.parametrize(
    "data", [b"\xff\xfea", b"\xff\xfe\x00\xd8a\x00", b"\xff\xfe\x00\x00\x00\xd8\x00\x00", b"\xef\xbb\xbf\xff"]
)
def test_a_byte_order_mark_that_lies_is_bad_encoding(data: bytes) -> None:
    with pytest.raises(BadEncoding):
        parse(data, "a.txt")


@pytest.mark.parametrize(
    "data",
    [
        b"text\0more",
        "text".encode("utf-16-le"),
        codecs.BOM_UTF16_LE + "a\0b".encode("utf-16-le"),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff",
        b"\1\2\3\4\5\6",
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.py", "a.html", "a.zzz", "README"])
def test_binary_content_is_unsupported(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormat):
        parse(data, name)


@pytest.mark.parametrize("data", [b"caf\xe9", b"bell\7", b"escape\x1b[0m", bytes(range(256))])
def test_an_unknown_extension_is_loaded_only_if_it_is_clean_text(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="convert it to"):
        parse(data, "file.zzz")
    assert parse("ключ = значение\n\t- 1\f".encode(), "file.zzz").meta == {"format": "text"}


def test_a_log_may_have_colours_and_a_few_odd_bytes() -> None:
    text = "\x1b[32mok\x1b[0m all 17 checks of the long run have passed\n" * 40 + "\7"
    assert parsed(text, "build.log").text == text


def test_an_empty_file_is_an_empty_document() -> None:
    for suffix in PARSERS:
        with pytest.raises(EmptyDocument):
            parse(b"", f"a{suffix}")


def test_python_sources_may_declare_their_encoding() -> None:
    source = "# -*- coding: latin-1 -*-\ndef f():\n    return 'café'\n"
    for text in (source, f"#!/usr/bin/env python\n{source}"):
        assert parse(text.encode("latin-1"), "a.py").text == text
    with pytest.raises(BadEncoding):
        parse(f"x = 1\ny = 2\n{source}".encode("latin-1"), "a.py")
    with pytest.raises(BadEncoding):
        parse(source.encode("latin-1"), "a.rb")


@pytest.mark.parametrize(
    "name", ["punycode", "unicode_escape", "utf-7", "zlib", "rot13", "idna", "undefined", "no-such", "latin-1\0"]
)
def test_declared_codecs_that_are_no_charsets_are_not_used(name: str) -> None:
    with pytest.raises((BadEncoding, UnsupportedFormat)):
        parse(f"# coding: {name}\n'\\ud800\\x00 é'".encode("latin-1"), "a.py")


# --- Markdown


MARKDOWN = """\
Intro

# First *heading* with `code`, [a link](x.md) &amp; \\*stars\\*

```python
# not a heading
```

Second
heading
=======

    # indented code

> # quoted

- # in a list

### Third ###

<!--
# in a comment
-->

####### seven

#

## ![The logo](x.png) <b>Last</b>
"""


def test_markdown_is_verbatim_and_its_headings_are_those_of_commonmark() -> None:
    loaded = parsed(MARKDOWN, "a.md")
    assert loaded.text == MARKDOWN
    assert loaded.title == "First heading with code, a link & *stars*"
    assert titles(loaded) == [
        (1, "First heading with code, a link & *stars*"),
        (1, "Second heading"),
        (3, "Third"),
        (2, "The logo Last"),
    ]
    assert at_headings(loaded) == [
        "# First *heading* with `code`, [a link](x.md) &amp; \\*stars\\*",
        "Second",
        "### Third ###",
        "## ![The logo](x.png) <b>Last</b>",
    ]


@pytest.mark.parametrize(
    ("front", "title"),
    [
        ("---\ntitle: The guide\ntags:\n  - a\n- b\n# comment\n\nauthor: Me\n---\n", "The guide"),
        ("---\ntitle: 'Quoted: title'\n---\n\n\n", "Quoted: title"),
        ('---\nlayout: post\nTitle:   "x"  \n---\n', "x"),
        ('+++\ntitle = "In TOML"\n[extra]\na = 1\n+++\n', "In TOML"),
        ("---\nlayout: post\n---\n", "Heading"),
        ("---\ntitle:\n---\n", "Heading"),
        ("+++\ntitle = 3\n+++\n", "Heading"),
    ],
)
def test_front_matter_is_removed_and_may_hold_the_title(front: str, title: str) -> None:
    loaded = parsed(f"{front}# Heading\n\ntext\n", "a.md")
    assert loaded.text == "# Heading\n\ntext\n"
    assert loaded.title == title
    assert loaded.meta["headings"] == [[0, 1, "Heading"]]


@pytest.mark.parametrize(
    "text",
    [
        "---\nA paragraph between two rules.\n---\n\ntext\n",
        "---\n---\n\ntext\n",
        "---\ntitle: never closed\n\ntext\n",
        "+++\nnot toml at all\n+++\n\ntext\n",
        "text\n\n---\ntitle: x\n---\n",
    ],
)
def test_what_only_looks_like_front_matter_stays(text: str) -> None:
    assert parsed(text, "a.md").text == text


def test_markdown_without_a_heading_of_level_one_has_no_title() -> None:
    assert parsed("## Only a second level\n", "a.md").title is None


@given(st.text(alphabet="# =-`~>*[]()!<>ab\n\t\\&1.:", max_size=200))
def test_markdown_of_any_kind_stays_verbatim_and_headings_begin_lines(text: str) -> None:
    if not text:
        return
    loaded = parsed(text, "a.md")
    assert text.endswith(loaded.text)
    offsets = [offset for offset, *_ in loaded.meta["headings"]]
    assert offsets == sorted(set(offsets))
    assert all(offset == 0 or loaded.text[offset - 1] == "\n" for offset in offsets)
    assert all(line.strip() for line in at_headings(loaded))


@pytest.mark.parametrize(
    "text",
    [
        "> " * 50_000,
        "- " * 50_000,
        "[" * 100_000,
        "# " + "[" * 100_000,
        "# " + "*a_ " * 30_000,
        "`" * 100_000,
        "|a" * 50_000,
    ],
)
def test_hostile_markdown_is_parsed_in_time(text: str) -> None:
    assert parsed(text, "a.md").text == text


# --- reStructuredText


RST = """\
.. _top:

========
The tool
========

.. toctree::
   :maxdepth: 2

   usage

Usage of :class:`Tool`
----------------------

Call it::

    Not a heading
    -------------

.. automodule:: tool
   :members:

.. include:: /etc/passwd

.. csv-table::
   :file: /etc/passwd

.. raw:: html

   <b>

Inner
~~~~~

See :ref:`top`, |missing| and nothing_.

More
----

- item

.. code-block:: python

   x = 1
"""


def test_rst_is_verbatim_with_its_headings_and_sphinx_does_not_matter(capfd: pytest.CaptureFixture[str]) -> None:
    loaded = parsed(RST, "a.rst")
    assert loaded.text == RST
    assert loaded.title == "The tool"
    assert [(level, title.split()[0]) for level, title in titles(loaded)] == [
        (1, "The"),
        (2, "Usage"),
        (3, "Inner"),
        (2, "More"),
    ]
    assert at_headings(loaded) == ["========", "Usage of :class:`Tool`", "Inner", "More"]
    assert capfd.readouterr() == ("", "")


def test_rst_offsets_hold_among_odd_line_ends() -> None:
    loaded = parsed("One\x0btwo\u2028three\x85four\n\nThe\u2028title\n=========\n\ntext\x0c\n\nNext\n====\n", "a.rst")
    assert at_headings(loaded) == ["The\u2028title", "Next"]
    assert loaded.title == "The title"


def test_rst_without_sections_has_no_title() -> None:
    loaded = parsed("Just text.\n", "a.rst")
    assert (loaded.title, loaded.meta["headings"]) == (None, [])


def test_rst_nested_deeper_than_the_stack_is_a_broken_file() -> None:
    text = "".join(f"{'  ' * depth}x\n\n" for depth in range(600))
    with pytest.raises(BrokenFile, match=r"name it \.txt"):
        parsed(text, "a.rst")


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            ["A title", "b", "=======", "-------", "~~", "", "", "  indented", ".. note::", "* x", "::", "a\tb", "|x|"]
        )
    )
)
def test_rst_of_any_kind_stays_verbatim_and_headings_are_where_they_say(lines: list[str]) -> None:
    text = "\n".join([*lines, "end"])
    loaded = parsed(text, "a.rst")
    assert loaded.text == text
    for offset, _, title in loaded.meta["headings"]:
        assert offset == 0 or text[offset - 1] == "\n"
        assert title.split() in [line.replace("|", "").split() for line in text[offset:].split("\n")[:2]]


# --- source code


SOURCE = '''\
"""Docs: class Fake."""
import functools


@functools.cache
@decorated(
    1
)
def first(): ...

class Outer(Base):
    """def no(): ..."""

    class Inner:
        async def method(self):
            def local(): ...

    @property
    def value(self): return "\\d"

if True:
    def conditional(): ...
else:
    try:
        class Late: ...
    except ImportError:
        def fallback(): ...
match x:
    case 1:
        def matched(): ...
'''


def test_python_is_verbatim_and_its_definitions_are_headings() -> None:
    loaded = parsed(SOURCE, "package/module.py")
    assert loaded.text == SOURCE
    assert loaded.title == "package/module.py"
    assert {key: loaded.meta[key] for key in ("format", "language")} == {"format": "code", "language": "python"}
    assert titles(loaded) == [
        (1, "first"),
        (1, "Outer"),
        (2, "Inner"),
        (3, "method"),
        (2, "value"),
        (1, "conditional"),
        (1, "Late"),
        (1, "fallback"),
        (1, "matched"),
    ]
    assert [line.strip() for line in at_headings(loaded)[:5]] == [
        "@functools.cache",
        "class Outer(Base):",
        "class Inner:",
        "async def method(self):",
        "@property",
    ]


@pytest.mark.parametrize("module", [heapq, statistics, ast])
def test_offsets_of_definitions_hold_in_real_modules(module: ModuleType) -> None:
    source = inspect.getsource(module)
    loaded = parsed(source, "module.py")
    own = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    assert own & set(re.findall(r"^(?:def|class) (\w+)", source, re.MULTILINE)) <= {
        title for _, level, title in loaded.meta["headings"] if level == 1
    }
    for line, (_, _, title) in zip(at_headings(loaded), loaded.meta["headings"], strict=True):
        assert re.match(rf"\s*(@|(class|def|async def) {title}\b)", line)


@pytest.mark.parametrize(
    "source",
    [
        "def broken(:",
        "print 'python 2'",
        "-" * 200_000 + "1",
        "(" * 10_000,
        "a" + ".b" * 100_000,
        "def f(): ...\n" * 100_000,
    ],
)
def test_what_python_cannot_parse_is_text_all_the_same(source: str) -> None:
    loaded = parsed(source, "a.py")
    assert (loaded.text, loaded.meta["headings"]) == (source, [])


def test_odd_escapes_in_other_peoples_code_warn_nobody() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert titles(parsed("def f():\n    return '\\d' is 1\n", "a.py")) == [(1, "f")]
    assert caught == []


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.JS", "javascript"), ("b/a.sql", "sql"), ("a.h", "c"), ("a.yml", "yaml"), ("x.tar.go", "go")],
)
def test_other_code_has_its_language_and_no_headings(name: str, language: str) -> None:
    loaded = parsed("SELECT 1;\n", name)
    assert loaded == Loaded(text="SELECT 1;\n", title=name, meta={"format": "code", "language": language})


# --- all of them


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.binary(min_size=1), st.text(min_size=1).map(str.encode)),
    st.sampled_from([*sorted(PARSERS), ".zzz", ""]),
)
def test_bytes_of_any_kind_load_or_are_refused(data: bytes, suffix: str) -> None:
    try:
        loaded = parse(data, f"a{suffix}")
    except SourceError:
        return
    assert loaded == parse(data, f"a{suffix}")
    assert "\r" not in loaded.text
    with suppress(EmptyDocument):
        checked(Document("a", loaded.text, loaded.title, meta=loaded.meta))
