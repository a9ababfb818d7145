"""PDF, made here with pypdf and by hand, and lines joined to paragraphs."""

from __future__ import annotations

import io
import logging
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from ragdiet.errors import BrokenFile, EmptyDocument
from ragdiet.load import Loaded, parse
from ragdiet.load.reflow import reflow


def pdf(*pages: str, title: str | None = None) -> PdfWriter:
    """A PDF of these pages, a line of text to a line."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
            NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(width=600, height=800)
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        shown = b"".join(b"(" + line.encode("cp1252") + b") Tj T*\n" for line in text.split("\n") if line)
        stream.set_data(b"BT /F1 12 Tf 14 TL 50 750 Td\n" + shown + b"ET")
        page[NameObject("/Contents")] = writer._add_object(stream)
    if title is not None:
        writer.add_metadata({"/Title": title})
    return writer


def written(writer: PdfWriter) -> bytes:
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def loaded(*pages: str, title: str | None = None) -> Loaded:
    return parse(written(pdf(*pages, title=title)), "file.pdf")


def test_pages_are_joined_and_their_offsets_known() -> None:
    result = loaded("First page.", "", "Third page.\nIts café.")
    assert result == Loaded(
        text="First page.\n\nThird page.\nIts café.", title=None, meta={"format": "pdf", "pages": [0, 11, 13]}
    )


@pytest.mark.parametrize("title", ["Annual report 2023", "Geometrie und Topologie", "The .tex format"])
def test_a_title_from_the_metadata(title: str) -> None:
    assert loaded("text", title=title).title == title


@pytest.mark.parametrize(
    "title",
    [
        "",
        "  ",
        "untitled",
        "Untitled-1",
        "Microsoft Word - report.doc",
        "paper.tex",
        "C:\\x\\REPORT.DOCX",
        "Document1",
        "Slide 1",
        "-",
        "file:///x/y",
    ],
)
def test_a_title_that_a_tool_put_in_is_none(title: str) -> None:
    assert loaded("text", title=title).title is None


def test_a_scan_needs_its_text_recognised() -> None:
    with pytest.raises(EmptyDocument, match=r"no text on its 2 pages.*ocrmypdf"):
        loaded("", "")


def test_encryption() -> None:
    secret = pdf("Secret text.")
    secret.encrypt("password", algorithm="RC4-128")
    with pytest.raises(BrokenFile, match=r"encrypted with a password.*qpdf"):
        parse(written(secret), "a.pdf")
    readable = pdf("Printing is not allowed.")
    readable.encrypt("", "owner", algorithm="RC4-128")
    assert parse(written(readable), "a.pdf").text == "Printing is not allowed."


def test_aes_encryption_is_read_or_refused_with_a_reason() -> None:
    whole = written(pdf("Text."))
    aes = whole.replace(
        b"trailer\n<<",
        b"trailer\n<<\n/Encrypt <</Filter /Standard /V 5 /R 6 /Length 256 /P -4 /O (%s) /U (%s)"
        b" /OE (%s) /UE (%s) /Perms (%s) /CF <</StdCF <</CFM /AESV3 /AuthEvent /DocOpen /Length 32>>>> /StmF /StdCF"
        b" /StrF /StdCF>> /ID [(a) (a)]" % (b"o" * 48, b"u" * 48, b"e" * 32, b"e" * 32, b"p" * 16),
    )
    assert aes != whole
    with pytest.raises(BrokenFile, match="encrypted"):
        parse(aes, "a.pdf")


@pytest.mark.parametrize(
    "data",
    [
        b"not a pdf at all",
        b"%PDF-1.7",
        b"%PDF-1.7\n" + bytes(range(256)) * 8 + b"%%EOF",
        b"\0",
        written(pdf("A page."))[:300],
        written(pdf("A page.")).replace(b"/Kids", b"/Kidz"),
        written(pdf("A page.")).replace(b"/Contents 5 0 R", b"/Contents 1 0 R"),
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 1/Kids[2 0 R]>>endobj\n"
        b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF",
    ],
)
def test_broken_files_are_refused_in_silence(
    data: bytes, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises((BrokenFile, EmptyDocument)):
        parse(data, "a.pdf")
    assert capfd.readouterr() == ("", "")
    assert list(recwarn) == []


def test_warnings_of_the_parser_reach_only_those_who_ask(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = b"junk\n" + written(pdf("A page."))
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []  # as in a program that configured no logging
    try:
        assert parse(data, "a.pdf").text == "A page."
    finally:
        root.handlers = handlers
    assert capfd.readouterr() == ("", "")
    parse(data, "a.pdf")
    assert "pypdf" in caplog.text


def test_a_bomb_is_refused() -> None:
    writer = pdf("A page.")
    stream = DecodedStreamObject()
    stream.set_data(b"")
    bomb = zlib.compress(b"(x) Tj " * 60_000_000, 9)
    page = writer.pages[0]
    data = written(writer)
    content = page["/Contents"].get_data()
    old = b"/Length %d" % len(content)
    assert old in data
    data = data.replace(old, b"/Filter /FlateDecode /Length %d" % len(bomb)).replace(content, bomb)
    with pytest.raises(BrokenFile):
        parse(data, "a.pdf")


def test_hostile_page_counts_are_refused() -> None:
    reader = PdfReader(io.BytesIO(written(pdf("A page."))))
    assert len(reader.pages) == 1
    data = written(pdf("A page."))
    kids = data[data.index(b"/Kids [") : data.index(b"]", data.index(b"/Kids [")) + 1]
    reference = kids[len(b"/Kids [") : -1].strip()
    with pytest.raises(BrokenFile):
        parse(data.replace(kids, b"/Kids [" + b" ".join([reference] * 20_001) + b"]"), "a.pdf")


# --- lines to paragraphs


LINES = """\
The wrapped lines of a paragraph are joined to one line again, whether they
were justified or not, and a word that was hyphen-
ated at the end of a line is one word again. A second sentence follows here.
This is still the same paragraph."""


def test_the_lines_of_a_paragraph_are_joined() -> None:
    assert reflow([LINES]) == [
        "The wrapped lines of a paragraph are joined to one line again, whether they were justified or not, and a word "
        "that was hyphenated at the end of a line is one word again. A second sentence follows here. This is still the "
        "same paragraph."
    ]


def test_headings_items_and_rows_keep_their_lines() -> None:
    page = f"Chapter\n1 Introduction\n{LINES}\n1.1 The next heading\n{LINES}\n• an item\n• another item\nA heading\n"
    page += LINES
    blocks = reflow([page])[0].split("\n\n")
    assert [block[:14] for block in blocks] == [
        "Chapter\n1 Intr",
        "The wrapped li",
        "1.1 The next h",
        "The wrapped li",
        "• an item\n• an",
        "The wrapped li",
    ]


def test_a_short_line_after_the_end_of_a_full_one_is_a_heading() -> None:
    paragraph = "\n".join(LINES.split("\n")[:3])
    assert reflow([f"{paragraph}\nThe next part\n{paragraph}"])[0].split("\n\n")[1] == "The next part"
    assert reflow([f"{paragraph}\nThe last line."])[0].endswith("follows here. The last line.")


def test_narrow_pages_are_left_alone() -> None:
    assert reflow(["Name\nmass\nteal\n0.3"]) == ["Name\nmass\nteal\n0.3"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("a long line of text that is about re-\nsearch into the ways of water birds", "research into"),
        ("a long line of text that is about Anglo-\nSaxon ways of looking at the water", "Anglo-Saxon ways"),
        ("a long line of text about MPT-30B-\ninstruct and the others of its kind", "MPT-30B-instruct and"),
        ("a long line of text that is state-of-\nthe-art in the ways of water birds", "state-of-the-art in"),
        ("a long line about best-\nand worst-case ways of looking at it, by all", "best- and worst-case"),
        ("a long line about long-\ncontext ways, since long-context ways help", "long-context ways, since"),
        ("a long line about the re-\nsearch, since the research of birds helps", "the research, since"),
        (
            "a long line of the ofﬁce, of the ﬂeet and of oﬀ-\nshore efforts of ﬁnches",
            "office, of the fleet and of offshore",
        ),
        ("a long line of text about the isl-\nand, since the island of water birds helps", "the island, since"),
        ("a long line of text that ends in a dash -\nand so goes on to say what it has to", "a dash - and so"),
    ],
)
def test_hyphens_at_the_end_of_a_line(lines: str, expected: str) -> None:
    assert expected in reflow([lines])[0]


def test_page_numbers_that_count_the_pages_are_removed() -> None:
    pages = [f"{LINES}\n{number}" for number in (7, 8, 9)]
    assert [page.split()[-1] for page in reflow(pages)] == ["paragraph."] * 3
    assert [page.split()[-1] for page in reflow([f"{LINES}\n{number}" for number in (7, 17, 3)])] == ["7", "17", "3"]
    assert reflow(["1", "2", "3"]) == ["", "", ""]


@given(st.lists(st.text(alphabet="abcdeXYZ .,:•-\n\t(", max_size=300), max_size=3))
def test_no_letter_is_lost_or_added(pages: list[str]) -> None:
    result = reflow(pages)
    for page, text in zip(pages, result, strict=True):
        letters = str.maketrans("", "", " \n\t-")
        assert text.translate(letters) == page.translate(letters)
        assert text == text.strip()
    assert reflow(pages) == result
