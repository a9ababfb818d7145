"""Whole documents of other people: manuals, papers, sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ragdiet.load import checked, load
from ragdiet.types import Document
from tests.data import dataset

FORMATS = {"markdown": 48, "rst": 8, "html": 132, "pdf": 7, "code": 11}


@pytest.fixture(scope="module")
def documents() -> dict[str, list[Document]]:
    root = dataset("real_docs")
    return {folder: list(load(root / folder, rejected=pytest.fail)) for folder in FORMATS}


def by_name(documents: dict[str, list[Document]], name: str) -> Document:
    return next(document for group in documents.values() for document in group if document.id.endswith(name))


@pytest.mark.parametrize("folder", FORMATS)
def test_every_file_is_loaded(documents: dict[str, list[Document]], folder: str) -> None:
    group = documents[folder]
    assert len(group) == FORMATS[folder]
    assert len({document.id for document in group}) == len(group)
    assert {document.meta["format"] for document in group} <= {folder, "text"}
    for document in group:
        assert checked(document) is document
        assert document.title
        assert "\r" not in document.text
        assert not re.search("[\ufb00-\ufb06\xad\u200b]", document.text) or folder not in ("html", "pdf")


@pytest.mark.parametrize("folder", ["markdown", "rst", "html", "code"])
def test_loading_again_gives_the_same(documents: dict[str, list[Document]], folder: str) -> None:
    assert list(load(dataset("real_docs") / folder, rejected=pytest.fail)) == documents[folder]


@pytest.mark.parametrize("folder", ["markdown", "rst", "code"])
def test_sources_stay_verbatim(documents: dict[str, list[Document]], folder: str) -> None:
    for document in documents[folder]:
        assert document.text == (dataset("real_docs") / folder / document.id).read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["markdown", "rst", "html", "code"])
def test_headings_are_where_they_say(documents: dict[str, list[Document]], folder: str) -> None:
    count = 0
    for document in documents[folder]:
        offsets = [offset for offset, *_ in document.meta.get("headings", ())]
        assert offsets == sorted(set(offsets))
        for offset, level, title in document.meta.get("headings", ()):
            count += 1
            assert 1 <= level <= 6
            assert offset == 0 or document.text[offset - 1] == "\n"
            lines = "".join(document.text[offset : offset + 2_000].split("\n")[: 20 if folder == "code" else 2])
            assert re.findall(r"\w+", title)[0] in lines
            assert folder != "html" or document.text.startswith(title, offset)
    assert count > 40


def test_markdown(documents: dict[str, list[Document]]) -> None:
    readme = by_name(documents, "pgvector/README.md")
    assert readme.title == "pgvector"
    assert [2, "Installation"] in [heading[1:] for heading in readme.meta["headings"]]


def test_the_manual_reads_like_a_manual(documents: dict[str, list[Document]]) -> None:
    page = by_name(documents, "sql-createindex.html")
    assert page.title == "CREATE INDEX"
    assert page.text.startswith(
        "CREATE INDEX\n\nCREATE INDEX — define a new index\n\nSynopsis\n\nCREATE [ UNIQUE ] INDEX"
    )
    assert "\n\nUNIQUE\nCauses the system to check for duplicate values" in page.text
    assert "\n    [ WHERE predicate ]" in page.text
    assert "Prev" not in page.text

    types = by_name(documents, "datatype.html").text
    assert "\nName | Aliases | Description\nbigint | int8 | signed eight-byte integer\n" in types
    assert "\nbox_ops | && (box, box) | <-> (box, point)\n" in by_name(documents, "gist-builtin-opclasses.html").text
    assert "more than 2^31 identifiers" in by_name(documents, "datatype-numeric.html").text


def test_an_encyclopedia_article_without_its_menus(documents: dict[str, list[Document]]) -> None:
    duck = by_name(documents, "wiki_duck.html")
    assert duck.title == "Duck - Wikipedia"
    assert duck.text.startswith("Duck\n\nThis article is about the bird.")
    assert "\nKingdom: | Animalia\n" in duck.text
    assert [heading[1:] for heading in duck.meta["headings"]][:4] == [
        [1, "Duck"],
        [2, "Etymology"],
        [2, "Taxonomy"],
        [2, "Morphology"],
    ]
    for noise in ("[edit]", "Deutsch\n", "Log in", "Jump to", "[1]", "Edit links"):
        assert noise not in duck.text


def test_a_paper_in_two_columns(documents: dict[str, list[Document]]) -> None:
    paper = by_name(documents, "tacl-2024.pdf")
    assert len(paper.meta["pages"]) == 17
    assert paper.meta["pages"] == sorted(paper.meta["pages"])
    assert all(paper.text[start - 2 : start] == "\n\n" for start in paper.meta["pages"][1:])
    for part in (
        "\n\nAbstract\n\nWhile recent language models have the ability to take long contexts as input, relatively",
        "\n\n1 Introduction\n\nLanguage models have become an important and flexible building block",
        "state-of-the-art open (MPT-30B-Instruct",
    ):
        assert part in paper.text
    assert not re.search(r"[a-z]-\n[a-z]", paper.text)


def test_titles_of_pdfs(documents: dict[str, list[Document]]) -> None:
    assert {Path(document.id).name: document.title for document in documents["pdf"]} == {
        "GeoTopo-komprimiert.pdf": "Geometrie und Topologie",
        "google-doc-document.pdf": "PDF Example Document",
        "lost-in-the-middle-long-contexts-tacl-2024.pdf": "lost-in-the-middle-long-contexts-tacl-2024",
        "mistitled_outlines_example.pdf": "mistitled_outlines_example",
        "multicolumn.pdf": "multicolumn",
        "pdflatex-4-pages.pdf": "pdflatex-4-pages",
        "pdflatex-outline.pdf": "pdflatex-outline",
    }
