"""Files of every format, made by the libraries that write them, or by hand where there is none."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage

import docx
import pptx
from openpyxl import Workbook
from pptx.util import Inches

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The Water Birds</dc:title></metadata>
<manifest>
  <item id="cover" href="cover.xhtml" media-type="application/xhtml+xml"/>
  <item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
  <item id="picture" href="duck.png" media-type="image/png"/>
  <item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
  <item id="one" href="text/chapter%201.xhtml" media-type="application/xhtml+xml"/>
</manifest>
<spine><itemref idref="cover"/><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/></spine>
<guide><reference type="cover" href="cover.xhtml"/></guide>
</package>"""
CHAPTERS = {
    "cover.xhtml": "<html><body><p>COVER</p></body></html>",
    "nav.xhtml": "<html><body><ol><li>CONTENTS</li></ol></body></html>",
    "text/chapter 1.xhtml": (
        '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
        "<body><h1>Ducks</h1><p>Ducks swim.</p><h2>Mallards</h2><p>They are common.</p></body></html>"
    ),
    "text/two.xhtml": "<html><body><h1>Geese</h1><p>Geese fly.</p></body></html>",
}


def docx_file() -> docx.document.Document:
    """A document of headings, a paragraph, a list and a table."""
    document = docx.Document()
    document.add_heading("Handbook", 0)
    document.add_heading("Leaving", 1)
    document.add_paragraph("The notice period is three months.")
    document.add_paragraph("badge", style="List Bullet")
    document.add_paragraph("laptop", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, [("Grade", "Weeks"), ("A", "12")], strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    document.add_heading("Returning", 2)
    document.add_paragraph("Call us.")
    return document


def pptx_file() -> pptx.presentation.Presentation:
    """Two slides: a list with speaker's notes, and a table beside a box."""
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Water birds"
    slide.placeholders[1].text = "Ducks\nGeese"
    slide.notes_slide.notes_text_frame.text = "Mention the swans."
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Counts"
    box = slide.shapes.add_textbox(Inches(6), Inches(2), Inches(2), Inches(1))
    box.text_frame.text = "Counted in May."
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(3), Inches(1)).table
    for place, text in {(0, 0): "Bird", (0, 1): "Number", (1, 0): "Duck", (1, 1): "12"}.items():
        table.cell(*place).text = text
    return presentation


def xlsx_file() -> Workbook:
    """One sheet of three records under a header."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Staff"
    for row in (
        ("Name", "Joined", "Salary", "Share"),
        ("Ada", datetime.date(2020, 1, 5), 3100.5, 0.25),
        ("Grace", datetime.date(2021, 2, 28), 2900, 0.5),
        ("Linus", None, 1000.0000000004, None),
    ):
        sheet.append(row)
    return book


def saved(document: object) -> bytes:
    """The bytes of a document, presentation or workbook."""
    file = io.BytesIO()
    document.save(file)  # type: ignore[attr-defined]  # each of the three has it
    return file.getvalue()


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of these entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def replaced(data: bytes, name: str, old: str, new: str) -> bytes:
    """An archive with ``old`` in its entry ``name`` replaced by ``new``."""
    parts: dict[str, str | bytes] = dict(unzipped(data))
    text = unzipped(data)[name].decode()
    assert old in text
    return zipped({**parts, name: text.replace(old, new)})


def epub_file(**changed: str) -> bytes:
    """A book of two chapters; keywords replace its container, package, or add an encryption."""
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": changed.get("container", CONTAINER),
        "OEBPS/book.opf": changed.get("package", PACKAGE),
        **{f"OEBPS/{name}": text for name, text in CHAPTERS.items()},
    }
    if "encryption" in changed:
        parts["META-INF/encryption.xml"] = changed["encryption"]
    return zipped(parts)


def message(subject: str = "Lunch", body: str = "At noon?\n\n> Where?\nAt the pond.\n") -> EmailMessage:
    """A message of plain text."""
    mail = EmailMessage()
    mail["From"] = "Ada <ada@example.org>"
    mail["To"] = "grace@example.org"
    mail["Date"] = "Fri, 05 Jan 2024 14:30:00 +0100"
    mail["Subject"] = subject
    mail.set_content(body)
    return mail


def mailbox(*mails: bytes) -> bytes:
    return b"\n".join(b"From ada@example.org Fri Jan  5 14:30:00 2024\n" + mail for mail in mails)


def sheet(rows: str, strings: str = "") -> bytes:
    """The workbook with other rows and, where they refer to any, shared strings."""
    parts: dict[str, str | bytes] = dict(unzipped(saved(xlsx_file())))
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    parts["xl/worksheets/sheet1.xml"] = f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{space}">{strings}</sst>'
    relation = (
        '<Relationship Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" '
        'Target="sharedStrings.xml" Id="rId9"/></Relationships>'
    )
    return replaced(zipped(parts), "xl/_rels/workbook.xml.rels", "</Relationships>", relation)
