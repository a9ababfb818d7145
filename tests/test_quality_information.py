from __future__ import annotations

import base64
import doctest
import inspect
import json
import random
import textwrap
import time

import pytest

import ragdiet.quality.information as module
from ragdiet import RecursiveChunker
from ragdiet.quality.information import why_uninformative
from ragdiet.types import Document

BYTES = random.Random(5).randbytes(900)
UNINFORMATIVE = {
    "no words": ["---", "* * *\n\n* * *", "|---|---|\n|   |   |", "....................", "§ — ¶ …", "____\n____"],
    "table of contents": [
        "1 Scope ........ 3\n2 Terms ........ 5\n2.1 Notice periods .... 17\nAnnex ........ xi",
        "Leaving . . . . . . . 4\nNotice . . . . . . . 5\nGarden leave . . . . . 9",
        "Contents\n\n1 Scope 3\n2 Terms 5\n3 Notice periods 17\n4 Leaving 17",
        "Inhaltsverzeichnis\nEinleitung 1\nKündigung 4\nAnhang 12",
    ],
    "encoded data": [
        base64.b64encode(BYTES).decode(),
        "\n".join(textwrap.wrap(base64.b64encode(BYTES).decode(), 76)),
        BYTES.hex(),
        "\n".join(textwrap.wrap(BYTES.hex(" "), 96)),
        "data:image/png;base64," + base64.b64encode(BYTES).decode(),
        "!function(e,t){" + "e[t]=function(n){return(n=t)&&e(n)};" * 30 + "}(this,0);",
    ],
    "the same words over and over": ["spam " * 200, "yes no " * 100, "0 0 0 0\n" * 50, "'\\ufffe'\n" * 60],
}
INFORMATIVE = [
    "Hi.",
    "One text.",
    "42",
    "好。",
    "4 weeks",
    "year | revenue | margin\n2021 | 12.4 | 3.1\n2022 | 13.0 | 3.3\n2023 | 14.9 | 3.0",
    "12 14 19 22\n13 15 18 21\n11 16 17 20\n" * 12,
    "2024-11-24 12:30:01 INFO started\n2024-11-24 12:30:02 WARN retry 1 of 3\n2024-11-24 12:30:09 INFO done",
    "\n".join(f"https://docs.example.org/handbook/leaving/notice-periods/{n}.html" for n in range(20)),
    "除非您的合同另有规定解约通知期为日历月月底之前的四个星期并且必须以书面形式提出申请" * 12,
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า" * 20,
    "Name: ______\nDate: ______\nPlease fill in the form and return it to us by the end of the month.\nThank you.",
    "He paused .... then went on.\nShe waited .....\nNobody came, and the night was long.\nThe end.",
    "Name: ________\nDate: ________\nPhone: ________",
    "Name ............\nDate ............\nPlace ............",
    "Contents\n1 Foo 2\n2 Bar 2\n3 Baz 2\n4 Foo 2\n5 Bar 3\n6 Baz 3\n7 Foo 3\n8 Bar 4\n9 Baz 4\n\n1 Foo\n\n"
    "Hello, here is some text that stands at the foot of the page with its table of contents.",
    "Contents may be hot.\nServe 2\nUse 3 cups",
    "Contents\n1 Foo 2\n2 Bar 3\n3 Baz 4\n\nHello, here is some text that follows them.\nAnd more.\nAnd still more.",
    "Buffalo buffalo Buffalo buffalo buffalo buffalo Buffalo buffalo.",
    f"The digest is {BYTES[:64].hex()}. Compare it with the one that was printed on the package.",
    f"{BYTES[:150].hex()} is what the sensor sent. "
    + "It has to be read from the left to the right, two digits a byte. " * 4,
    "foo bar|foo|bar\nfoo 'bar'|foo|'bar'\n\"foo\" bar|\"foo\"|bar\nfoo|bar ''|foo\n" * 6,
    "no no no no",
    inspect.getsource(json.dumps),
]


@pytest.mark.parametrize(
    ("reason", "text"), [(reason, text) for reason, texts in UNINFORMATIVE.items() for text in texts]
)
def test_uninformative(reason: str, text: str) -> None:
    assert why_uninformative(text, max(1, len(text) // 4)) == reason


@pytest.mark.parametrize("text", INFORMATIVE)
def test_informative_however_short(text: str) -> None:
    assert why_uninformative(text, max(1, len(text) // 2)) is None


def test_no_chunk_of_the_standard_librarys_prose_or_code_is_dropped() -> None:
    chunker = RecursiveChunker(size=128)
    for source in (argparse_doc(), inspect.getsource(json.decoder), inspect.getsource(textwrap)):
        chunks = chunker.chunk(Document("doc", source))
        assert [why_uninformative(chunk.text, chunk.tokens) for chunk in chunks] == [None] * len(chunks)


def argparse_doc() -> str:
    import argparse
    import pydoc

    return pydoc.plain(pydoc.render_doc(argparse))


@pytest.mark.parametrize("unit", [".", " .", "a", "A ", "_", "…", "0", "\n", " ", "ab\n", "Contents\n", "1 . . . "])
def test_time_is_linear_in_hostile_text(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    began = time.process_time()
    why_uninformative(text, 100_000)
    assert time.process_time() - began < 1


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(module).failed == 0
