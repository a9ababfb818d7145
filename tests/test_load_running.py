"""Running headers, footers and page numbers of PDFs."""

from __future__ import annotations

import pypdf
import pytest

from ragdiet.load.running import drop_running_lines
from tests.data import dataset

TEXTS = [f"{word} begins a page." for word in "Ducks Geese Swans Herons Storks Cranes".split()]


def dropped(*pages: list[str]) -> list[list[str]]:
    left = [list(page) for page in pages]
    drop_running_lines(left)
    return left


def test_a_header_is_kept_where_it_stands_first_and_a_numbered_footer_nowhere() -> None:
    pages = [["Water Birds", text, f"Page {number} of 6"] for number, text in enumerate(TEXTS, 1)]
    assert dropped(*pages) == [["Water Birds", TEXTS[0]], *([text] for text in TEXTS[1:])]


def test_headers_of_left_and_right_pages() -> None:
    pages = [["Water Birds" if number % 2 else "A. Author", text] for number, text in enumerate(TEXTS * 2)]
    assert [page[-1] for page in dropped(*pages)] == TEXTS * 2
    assert sum(map(len, dropped(*pages))) == len(pages) + 2


def test_a_header_of_several_lines_with_the_page_number_between() -> None:
    pages = [["Institute of Birds", str(number), "Report 7", text] for number, text in enumerate(TEXTS, 5)]
    assert dropped(*pages)[1:] == [[text] for text in TEXTS[1:]]


@pytest.mark.parametrize("layout", ["{page} {section}", "{section} {page}"])
def test_names_of_sections_beside_the_page_number(layout: str) -> None:
    sections = ["1.1. DUCKS", "1.1. DUCKS", "1.2. GEESE", "1.2. GEESE", "2.1. HERONS", "3.1. CRANES"]
    pages = [[layout.format(page=page, section=name), TEXTS[page - 7]] for page, name in enumerate(sections, 7)]
    left = dropped(*pages)
    assert left[:4] == [[text] for text in TEXTS[:4]]
    assert left[4:] == pages[4:]  # these stand once and may be headings


def test_text_is_never_taken_for_a_header() -> None:
    long = "A sentence that is repeated on each page yet is far too long to be a running header of any book, " * 2
    for pages in (
        [[text] for text in TEXTS],
        [[long, text] for text in TEXTS],
        [["Summary", text] for text in TEXTS[:3]],  # too few pages
        [["Example" if number < 3 else text, text.upper()] for number, text in enumerate(TEXTS)],  # half of the pages
        [["12 kg", "x", "3.5"], ["7 kg", "y", "4.1"], ["9 km", "z", "1"]],
    ):
        assert dropped(*pages) == pages
    assert dropped([], [], [], []) == [[], [], [], []]


def test_the_running_heads_of_a_script() -> None:
    (path,) = dataset("real_docs").rglob("GeoTopo*.pdf")
    pages = [
        [line.strip() for line in page.extract_text().split("\n") if line.strip()]
        for page in pypdf.PdfReader(path).pages
    ]
    left = dropped(*pages)
    assert sum(map(len, pages)) - sum(map(len, left)) == 100
    gone = [line for page, kept in zip(pages, left, strict=True) for line in page[: len(page) - len(kept)]]
    assert all(line.split()[0].isdigit() for line in gone)
