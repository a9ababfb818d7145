"""Files of every format, from the folder to the hit: its words, its page and its heading."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ragdiet.rag import RAG
from ragdiet.retrieve import HybridRetriever
from ragdiet.store import Database
from tests import office
from tests.embedders import WordEmbedder
from tests.test_load_pdf import pdf

PAGES = (
    "The first page tells of herons. " * 30,
    "The second page tells of pelicans. " * 30,
)


@pytest.fixture
def rag(database: Database) -> RAG:
    space = WordEmbedder().space
    return RAG(database, embedder=WordEmbedder(), retriever=HybridRetriever(database, space, dense=False))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    written = io.BytesIO()
    pdf(*PAGES).write(written)
    files = {
        "birds.pdf": written.getvalue(),
        "handbook.docx": office.saved(office.docx_file()),
        "slides.pptx": office.saved(office.pptx_file()),
        "sheet.xlsx": office.saved(office.xlsx_file()),
        "staff.csv": b"Name,City\nAnn,Utrecht\nBob,Delft\n",
        "records.jsonl": b'{"name": "Zed", "trade": "cooper"}\n{"name": "Yan", "trade": "wheelwright"}\n',
        "book.epub": office.epub_file(),
        "mail.eml": office.message().as_bytes(),
        "page.html": b"<html><body><h1>Parking</h1><p>Cyclists park in the barn.</p></body></html>",
        "notes.rst": b"Windows\n=======\n\nWindows are cleaned in spring.\n",
        "tool.py": b"def sharpen(blade):\n    '''Whet the blade on a stone.'''\n    return blade\n",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("question", "document", "meta"),
    [
        ("pelicans", "birds.pdf", {"page": 2, "format": "pdf"}),
        ("notice period", "handbook.docx", {"format": "docx"}),
        ("Bob Delft", "staff.csv", {"format": "csv"}),
        ("wheelwright", "records.jsonl", {}),
        ("mallards", "book.epub", {"format": "epub"}),
        ("pond noon", "mail.eml", {}),
        ("cyclists", "page.html", {"heading": "Parking"}),
        ("spring", "notes.rst", {"heading": "Windows"}),
        ("whet blade", "tool.py", {"heading": "sharpen", "language": "python"}),
    ],
)
def test_every_format_is_found(rag: RAG, folder: Path, question: str, document: str, meta: dict[str, object]) -> None:
    report = rag.ingest(folder)
    assert (report.added, report.rejected) == (11, ())
    hit = rag.retrieve(question)[0]
    assert hit.document_id == document
    assert {key: hit.meta.get(key) for key in meta} == meta


def test_a_row_of_a_table_names_its_columns(rag: RAG, folder: Path) -> None:
    rag.ingest(folder)
    assert "Name: Bob | City: Delft" in rag.retrieve("Bob")[0].text
