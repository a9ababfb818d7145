"""EPUB: chapters in the order of the book."""

from __future__ import annotations

import pytest

from ragdiet.errors import BrokenFile, EmptyDocument
from ragdiet.load import Loaded, parse
from tests.office import PACKAGE, epub_file, unzipped, zipped

ENCRYPTION = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:enc="http://www.w3.org/2001/04/xmlenc#">'
    '<enc:EncryptedData><enc:EncryptionMethod Algorithm="{}"/></enc:EncryptedData></encryption>'
)


def test_chapters_in_the_order_of_the_spine_without_cover_and_contents() -> None:
    text = "Ducks\n\nDucks swim.\n\nMallards\n\nThey are common.\n\nGeese\n\nGeese fly."
    headings = [[0, 1, "Ducks"], [text.index("Mallards"), 2, "Mallards"], [text.index("Geese"), 1, "Geese"]]
    assert parse(epub_file(), "book.epub") == Loaded(
        text=text, title="The Water Birds", meta={"format": "epub", "headings": headings}
    )


def test_what_is_aside_from_the_book_is_left_out() -> None:
    package = PACKAGE.replace('idref="two"', 'idref="two" linear="no"')
    assert "Geese" not in parse(epub_file(package=package), "book.epub").text


def test_a_chapter_of_a_picture_is_passed_over() -> None:
    data = zipped({**unzipped(epub_file()), "OEBPS/text/two.xhtml": "<html><body><img src='x'/></body></html>"})
    assert parse(data, "book.epub").text.endswith("They are common.")


def test_a_book_without_a_title() -> None:
    assert parse(epub_file(package=PACKAGE.replace("The Water Birds", " ")), "book.epub").title is None


def test_digital_rights_management_is_told_from_scrambled_fonts() -> None:
    aes = ENCRYPTION.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    with pytest.raises(BrokenFile, match="digital rights management"):
        parse(epub_file(encryption=aes), "book.epub")
    for fonts in ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"):
        assert parse(epub_file(encryption=ENCRYPTION.format(fonts)), "book.epub").text


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"container": "<container/>"}, "names no book"),
        ({"container": "no XML"}, "cannot be read as an EPUB"),
        ({"package": PACKAGE.replace("text/two.xhtml", "text/three.xhtml")}, "three.xhtml' is missing"),
        ({"package": "<package"}, "cannot be read as an EPUB"),
    ],
)
def test_a_book_whose_parts_do_not_fit(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(BrokenFile, match=reason):
        parse(epub_file(**changed), "book.epub")


def test_a_book_without_chapters() -> None:
    with pytest.raises(EmptyDocument, match="no chapter"):
        parse(epub_file(package=PACKAGE.replace("itemref idref", "itemref no")), "book.epub")
