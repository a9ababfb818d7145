"""PDF: the text of the pages by pypdf, its lines joined to paragraphs again."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragdiet.errors import BrokenFile, EmptyDocument, MissingExtra
from ragdiet.load.loaded import Loaded, one_line, printable
from ragdiet.load.reflow import reflow

if TYPE_CHECKING:
    from pypdf import PdfReader

_MOST_PAGES = 20_000
_MOST_CHARACTERS = 100_000_000
# What tools put into the title when the author gave none.
_NO_TITLE = re.compile(
    r"\s*(?:microsoft (?:word|powerpoint|excel)\b.*|untitled.*|(?:document|title|slide|layout|\W)\s*\d*"
    r"|.*\.(?:docx?|pptx?|xlsx?|odt|rtf|tex|dvi|indd|qxd|pdf|html?|txt)|(?:file|https?):.*)\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
# Without a handler Python prints the warnings of pypdf, which has many, to stderr.
logging.getLogger("pypdf").addHandler(logging.NullHandler())


def parse_pdf(data: bytes, name: str) -> Loaded:
    """Pages are set apart by a blank line. The title is the metadata's, where it looks like one.

    Raises BrokenFile for what pypdf cannot read, encrypted or damaged, and EmptyDocument for scans.
    """
    try:
        import pypdf
    except ImportError as error:
        raise MissingExtra("pypdf", "files", "reading PDF") from error

    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise BrokenFile("encrypted with a password: save it without one (qpdf --password=... --decrypt IN OUT)")
        title = _title(reader)
        pages = _pages(reader)
    except BrokenFile:
        raise
    except pypdf.errors.DependencyError as error:
        raise BrokenFile(f"encrypted, and {error}: or save it without encryption (qpdf --decrypt IN OUT)") from error
    except Exception as error:  # a damaged file makes pypdf raise whatever it stumbles over
        raise BrokenFile(
            f"pypdf cannot read it ({type(error).__name__}: {error}): repair it (qpdf IN OUT), or print it to a new PDF"
        ) from error
    text, offsets = _joined(reflow(pages))
    if not text:
        raise EmptyDocument(
            f"no text on its {len(pages):,} pages, so it is probably a scan: recognise it first (ocrmypdf IN OUT)"
        )
    return Loaded(text=text, title=title, meta={"format": "pdf", "pages": offsets})


def _title(reader: PdfReader) -> str | None:
    metadata = reader.metadata
    title = metadata.title if metadata else None
    if not isinstance(title, str) or _NO_TITLE.match(title):
        return None
    return one_line(printable(title)) or None


def _pages(reader: PdfReader) -> list[str]:
    count = len(reader.pages)
    if count > _MOST_PAGES:
        raise BrokenFile(f"{count:,} pages: split it into files of at most {_MOST_PAGES:,}")
    pages: list[str] = []
    characters = 0
    for page in reader.pages:
        pages.append(printable(page.extract_text()))
        characters += len(pages[-1])
        if characters > _MOST_CHARACTERS:
            raise BrokenFile(f"more than {_MOST_CHARACTERS:,} characters of text: split it into smaller files")
    return pages


def _joined(pages: Sequence[str]) -> tuple[str, list[int]]:
    """All pages as one text, and where each begins in it."""
    parts: list[str] = []
    offsets: list[int] = []
    length = 0
    for page in pages:
        if page and parts:
            parts.append("\n\n")
            length += 2
        offsets.append(length)
        parts.append(page)
        length += len(page)
    return "".join(parts), offsets
