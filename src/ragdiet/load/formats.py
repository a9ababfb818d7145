"""Which parser reads which file: a new format is a module of its own and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import TypeAlias

from ragdiet.errors import EmptyDocument, UnsupportedFormat
from ragdiet.load.code import LANGUAGES, parse_code
from ragdiet.load.delimited import parse_delimited
from ragdiet.load.docx import parse_docx
from ragdiet.load.epub import parse_epub
from ragdiet.load.html import parse_html
from ragdiet.load.json import parse_json, parse_json_lines
from ragdiet.load.loaded import Loaded
from ragdiet.load.mail import parse_mail, parse_mailbox
from ragdiet.load.markdown import parse_markdown
from ragdiet.load.pdf import parse_pdf
from ragdiet.load.plain import parse_text, parse_unknown
from ragdiet.load.pptx import parse_pptx
from ragdiet.load.rst import parse_rst
from ragdiet.load.xlsx import parse_xlsx

Parser: TypeAlias = Callable[[bytes, str], Loaded]


def _attached(data: bytes, name: str) -> Loaded:
    """Parse what is attached to a message, but for messages: those it reads itself, to a depth it bounds."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in PARSERS or suffix in _MAIL:
        raise UnsupportedFormat(f"no loader for {suffix or 'a file without extension'}")
    return parse(data, name)


_MAIL: Mapping[str, Parser] = {
    ".eml": partial(parse_mail, attached=_attached),
    ".mbox": partial(parse_mailbox, attached=_attached),
}

PARSERS: Mapping[str, Parser] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mdx"), parse_markdown),
    **dict.fromkeys((".txt", ".text", ".log"), parse_text),
    **dict.fromkeys((".rst", ".rest"), parse_rst),
    **dict.fromkeys((".html", ".htm", ".xhtml"), parse_html),
    **dict.fromkeys((".pdf",), parse_pdf),
    **dict.fromkeys((".docx",), parse_docx),
    **dict.fromkeys((".pptx",), parse_pptx),
    **dict.fromkeys((".xlsx", ".xlsm"), parse_xlsx),
    **dict.fromkeys((".csv", ".tsv", ".tab"), parse_delimited),
    **dict.fromkeys((".json",), parse_json),
    **dict.fromkeys((".jsonl", ".ndjson"), parse_json_lines),
    **dict.fromkeys((".epub",), parse_epub),
    **_MAIL,
    **dict.fromkeys(LANGUAGES, parse_code),
}
"""Parser by lower-case extension. A parser takes a file's bytes and its name, and does no I/O."""


def parse(data: bytes, name: str) -> Loaded:
    """Parse a file by its name's extension; without a known one it is plain text if its content is.

    Raises a SourceError that says why it cannot be loaded, MissingExtra where the parser is not installed.
    """
    if not data:
        raise EmptyDocument("the file is empty: leave it out, or fill it")
    return PARSERS.get(PurePosixPath(name).suffix.lower(), parse_unknown)(data, name)
