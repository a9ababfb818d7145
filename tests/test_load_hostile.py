"""Files that are damaged, or made to harm: each is refused with a reason, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragdiet.errors import BrokenFile, SourceError, UnsupportedFormat
from ragdiet.load import parse
from tests.office import (
    docx_file,
    epub_file,
    mailbox,
    message,
    pptx_file,
    replaced,
    saved,
    sheet,
    unzipped,
    xlsx_file,
    zipped,
)


def mail_file() -> bytes:
    mail = message()
    mail.add_alternative("<p>At <b>noon</b>?</p>", subtype="html")
    mail.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="numbers.csv")
    mail.add_attachment(message("Inner"))
    return mail.as_bytes()


FILES = {
    "a.docx": saved(docx_file()),
    "a.pptx": saved(pptx_file()),
    "a.xlsx": saved(xlsx_file()),
    "a.epub": epub_file(),
    "a.csv": 'name;"note"\nAda;"a\nb"\nGrace;ü\n'.encode(),
    "a.json": b'{"a": [{"b": 1.5e3, "c": "\\u00e9\\ud83d"}], "d": null}',
    "a.jsonl": b'{"a": 1}\n{"a": "\xc3\xbc"}\n',
    "a.eml": mail_file(),
    "a.mbox": mailbox(mail_file(), message().as_bytes()),
}
ARCHIVES = ["a.docx", "a.pptx", "a.xlsx", "a.epub"]
# The part of each that is read first of those an author fills.
PARTS = {
    "a.docx": "word/document.xml",
    "a.pptx": "ppt/slides/slide1.xml",
    "a.xlsx": "xl/worksheets/sheet1.xml",
    "a.epub": "OEBPS/book.opf",
}


@contextmanager
def bounded(*, seconds: float = 20.0, mebibytes: int = 400) -> Iterator[None]:
    tracemalloc.start()
    start = time.monotonic()
    try:
        yield
        assert time.monotonic() - start < seconds
        assert tracemalloc.get_traced_memory()[1] < mebibytes * 2**20
    finally:
        tracemalloc.stop()


def parsed_or_refused(data: bytes, name: str) -> None:
    """Anything but a SourceError fails the test."""
    try:
        loaded = parse(data, name)
    except SourceError:
        return
    for offset, level, title in loaded.meta.get("headings", ()):
        assert 0 <= offset <= len(loaded.text)
        assert level >= 1
        assert title


@pytest.mark.parametrize("name", FILES)
def test_the_files_themselves_are_read(name: str) -> None:
    assert parse(FILES[name], name).text


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_bytes(name: str, data: st.DataObject) -> None:
    file = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(0, 8))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    parsed_or_refused(bytes(file[: data.draw(st.integers(1, len(file)) | st.just(len(file)))]), name)


@pytest.mark.parametrize("name", ARCHIVES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_parts_in_a_sound_archive(name: str, data: st.DataObject) -> None:
    parts: dict[str, str | bytes] = dict(unzipped(FILES[name]))
    part = data.draw(st.sampled_from(sorted(parts)))
    content = bytearray(unzipped(FILES[name])[part])
    choice = data.draw(st.sampled_from(["flip", "cut", "drop", "digits"]))
    if choice == "drop":
        del parts[part]
    elif choice == "cut":
        parts[part] = bytes(content[: data.draw(st.integers(0, len(content)))])
    elif content:
        digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
        places = st.sampled_from(digits) if choice == "digits" and digits else st.integers(0, len(content) - 1)
        for _ in range(data.draw(st.integers(1, 5))):
            content[data.draw(places)] = data.draw(
                st.sampled_from(b"09-x") if choice == "digits" else st.integers(32, 126)
            )
        parts[part] = bytes(content)
    parsed_or_refused(zipped(parts), name)


# --- archives


def bomb(name: str, *, mebibytes: int) -> bytes:
    """The file with its main part grown by blanks, which pack to a thousandth."""
    parts: dict[str, str | bytes] = dict(unzipped(FILES[name]))
    part = unzipped(FILES[name])[PARTS[name]]
    parts[PARTS[name]] = part.rstrip() + b" " * (mebibytes * 2**20)
    return zipped(parts)


def forged(data: bytes, name: str, **fields: int) -> bytes:
    """The archive with fields of an entry of its central directory overwritten."""
    places = {"flags": (8, "<H"), "method": (10, "<H"), "size": (24, "<I"), "offset": (42, "<I")}
    forged = bytearray(data)
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    for field, value in fields.items():
        place, layout = places[field]
        struct.pack_into(layout, forged, entry + place, value)
    return bytes(forged)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_zip_bomb_is_refused_unopened(name: str) -> None:
    data = bomb(name, mebibytes=300)
    assert len(data) < 2**20
    with bounded(seconds=5, mebibytes=64), pytest.raises(BrokenFile, match="zip bomb"):
        parse(data, name)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_bomb_that_understates_its_size_is_refused(name: str) -> None:
    data = forged(bomb(name, mebibytes=100), PARTS[name], size=1_000)
    with bounded(seconds=5, mebibytes=64), pytest.raises(BrokenFile, match="zip archive"):
        parse(data, name)


@pytest.mark.parametrize("name", ARCHIVES)
def test_many_parts_that_are_large_together_are_refused(name: str) -> None:
    parts: dict[str, str | bytes] = dict(unzipped(FILES[name]))
    part = unzipped(FILES[name])[PARTS[name]]
    chapter = "OEBPS/text/two.xhtml"
    for number in range(200):
        parts[f"{number}.xml"] = part + b" " * 900_000
    if name == "a.epub":
        parts[chapter] = unzipped(FILES[name])[chapter] + b"<p>text</p>" * 8_000_000
    if name == "a.xlsx":
        parts[PARTS[name]] = part + b"<!-- a comment -->" * 18_000_000
    with bounded(), pytest.raises(BrokenFile, match=r"MiB once expanded|zip bomb"):
        parse(zipped(parts), name)


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_is_not_read_may_be_large(name: str) -> None:
    """Pictures, films and archives within the archive are never expanded."""
    with bounded(seconds=5, mebibytes=64):
        pictures = {**unzipped(FILES[name]), "word/media/film.mp4": b"\0" * 2**20, "inner.zip": b"PK\x03\x04" * 2**18}
        assert parse(zipped(pictures), name).text == parse(FILES[name], name).text


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flags": 1}, "encrypted"),
        ({"method": 12}, "packed in a way"),
        ({"offset": 0}, "overlap"),
        ({"offset": 2**31}, "zip archive|overlap"),
        ({"size": 2**31}, "zip bomb|MiB once expanded"),
    ],
)
def test_a_forged_entry(name: str, fields: dict[str, int], reason: str) -> None:
    with bounded(seconds=5, mebibytes=64), pytest.raises(BrokenFile, match=reason):
        parse(forged(FILES[name], PARTS[name], **fields), name)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "..\\x", "C:\\x", "a/../../b"])
def test_a_path_that_leads_out(path: str) -> None:
    with pytest.raises(BrokenFile, match="leads out"):
        parse(zipped({**unzipped(FILES["a.docx"]), path: "x"}), "a.docx")


def test_two_entries_of_one_name() -> None:
    file = io.BytesIO(FILES["a.docx"])
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("word/document.xml", "<w/>")
    with pytest.raises(BrokenFile, match="one name"):
        parse(file.getvalue(), "a.docx")


def test_too_many_entries() -> None:
    data = zipped({f"{number}.xml": "" for number in range(10_001)})
    with bounded(seconds=5, mebibytes=64), pytest.raises(BrokenFile, match="more than 10,000 entries"):
        parse(data, "a.docx")


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"<html><body>A page.</body></html>", UnsupportedFormat, "rename it .html"),
        (b"\xef\xbb\xbf\r\n <?xml version='1.0'?><x/>", UnsupportedFormat, "HTML or XML"),
        (b"%PDF-1.7\n", UnsupportedFormat, "rename it .pdf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), UnsupportedFormat, "save it as"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            BrokenFile,
            "encrypted with a password",
        ),
        (b"just words", UnsupportedFormat, "its content is not that of"),
        (b"PK\x05\x06" + bytes(18), BrokenFile, "."),
        (b"PK\x03\x04", BrokenFile, "zip archive"),
    ],
)
def test_another_format_under_the_name(name: str, content: bytes, error: type[SourceError], reason: str) -> None:
    with pytest.raises(error, match=reason) as caught:
        parse(content, name)
    assert type(caught.value) is error


# --- XML

LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(ord(name) + 1)} '{f'&{name};' * 10}'>" for name in "abcdefghij"
)


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize(
    "doctype",
    [f"{LAUGHS}]>", "<!DOCTYPE x [<!ENTITY k SYSTEM 'file:///etc/hostname'>]>", "<!DOCTYPE x [<!ENTITY % k 'x'>]>"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_entities_are_not_expanded(name: str, doctype: str, encoding: str) -> None:
    parts: dict[str, str | bytes] = dict(unzipped(FILES[name]))
    mark = "" if encoding == "utf-8" else "\ufeff"
    parts[PARTS[name]] = f"{mark}<?xml version='1.0'?>{doctype}<x>&k;</x>".encode(encoding)
    with bounded(seconds=5, mebibytes=64), pytest.raises(BrokenFile, match="declares entities"):
        parse(zipped(parts), name)


def test_entities_of_a_chapter_are_not_expanded() -> None:
    chapter = f"{LAUGHS}]><html><body><p>One &k; two &lt; three.</p></body></html>"
    data = zipped({**unzipped(FILES["a.epub"]), "OEBPS/text/two.xhtml": chapter})
    with bounded(seconds=5, mebibytes=64):
        text = parse(data, "a.epub").text
    assert "two < three." in text
    assert "haha" not in text


def test_xml_that_nests_deeply() -> None:
    deep = "<w:p>" * 50_000
    data = replaced(FILES["a.docx"], PARTS["a.docx"], "<w:body>", f"<w:body>{deep}")
    with bounded(seconds=5), pytest.raises(BrokenFile, match="Word document"):
        parse(data, "a.docx")


# --- sheets


def test_a_sheet_that_claims_to_be_huge_is_fast() -> None:
    book = xlsx_file()
    last = book.create_sheet("Far")
    last["A1"], last["C7"], last["XFD1048576"] = "first", "between", "last"
    data = replaced(saved(book), "xl/worksheets/sheet2.xml", "A1:XFD1048576", "A1:XFD1048576")
    with bounded(seconds=1, mebibytes=32):
        assert parse(data, "a.xlsx").text.endswith("Far\n\nfirst\n\nbetween\n\nlast")


def test_far_cells_in_many_rows_are_fast() -> None:
    rows = "".join(f'<row r="{row}"><c r="XFD{row}"><v>1</v></c></row>' for row in range(1, 50_000))
    with bounded(seconds=15, mebibytes=64):
        assert parse(sheet(rows), "a.xlsx").text.count("1") == 49_999


def test_a_long_string_that_many_cells_repeat_is_refused() -> None:
    long = f"<si><t>{'word ' * 100_000}</t></si>"
    row = '<c t="s"><v>0</v></c>' * 1_000
    cells = f"<row>{row}</row>" * 9
    with bounded(), pytest.raises(BrokenFile, match="characters of text"):
        parse(sheet(cells, long), "a.xlsx")


def test_a_row_of_more_cells_than_a_sheet_has_columns_is_refused() -> None:
    cells = "".join(f"<c><v>{number}</v></c>" for number in range(1_000_000))
    with bounded(seconds=10, mebibytes=200), pytest.raises(BrokenFile, match="more than 18,278 columns"):
        parse(sheet(f"<row>{cells}</row>"), "a.xlsx")


def test_merged_ranges_of_every_row_are_bounded() -> None:
    merged = "".join(f'<mergeCell ref="{letter}1:{letter}1048576"/>' for letter in "ABCDEFGH")
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="B1048576"><v>2</v></c></row>'
    data = replaced(sheet(rows), PARTS["a.xlsx"], "</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>")
    with bounded(seconds=1, mebibytes=32):
        assert parse(data, "a.xlsx").text == "Staff\n\n1\n\n2"


# --- text formats


def test_a_quotation_mark_that_is_never_closed() -> None:
    with bounded(seconds=5), pytest.raises(BrokenFile, match=r"line 2\b.*quotation mark|quotation mark"):
        parse(b'a,b\n"' + b"text,\n" * 50_000, "a.csv")


@pytest.mark.parametrize("text", [b",1" * 2**22, b'"\n",' * 2**20])
def test_a_record_of_too_many_fields_is_refused(text: bytes) -> None:
    with bounded(seconds=10, mebibytes=100), pytest.raises(BrokenFile, match="more than 100,000 fields"):
        parse(text, "a.csv")


@pytest.mark.parametrize("depth", [102, 5_000, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_that_nests_deeply(depth: int, opening: str, closing: str) -> None:
    with bounded(seconds=10), pytest.raises(BrokenFile, match="levels deep"):
        parse(f"{opening * depth}1{closing * depth}".encode(), "a.json")


def test_one_json_value_that_is_too_large() -> None:
    with bounded(seconds=10, mebibytes=500), pytest.raises(BrokenFile, match="JSON lines"):
        parse(b"[" + b"1," * 17 * 2**20 + b"1]", "a.json")


def test_paths_that_are_long_and_many_are_bounded() -> None:
    key = "k" * 290
    nested = f'{{"{key}":' * 50 + "[" + ",".join(['{"a":1}'] * 20_000) + "]" + "}" * 50
    with bounded(mebibytes=600), pytest.raises(BrokenFile, match="characters of text"):
        parse(nested.encode(), "a.json")


def test_a_message_of_multiparts_in_multiparts() -> None:
    head = b"From: a@b.org\nContent-Type: multipart/mixed; boundary=b0\n\n"
    for number in range(500):
        head += b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n" % (number, number + 1)
    with bounded(seconds=10), pytest.raises(SourceError, match=r"too many lines and parts|cannot be read as"):
        parse(head + b"x\n" * 100_000, "a.eml")


def test_messages_within_messages_end() -> None:
    mail = message("Innermost").as_bytes()
    for number in range(12):
        mail = b"From: a@b.org\nSubject: %d\nContent-Type: message/rfc822\n\n" % number + mail
    with bounded(seconds=5):
        text = parse(mail, "a.eml").text
    assert "a message within 3 others" in text
    assert "Innermost" not in text


def test_headers_that_take_a_parser_long() -> None:
    head = b"From: " + b"a@b.org, (" * 100_000 + b"\nTo: " + b"<a@[" * 100_000 + b"\nSubject: " + b"=?utf-8?q?" * 50_000
    with bounded(seconds=10):
        parsed_or_refused(head + b"\n\nbody\n", "a.eml")
