"""Which parser reads which file: a new format is a module of its own and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from ragdiet.errors import EmptyDocument
from ragdiet.load.code import LANGUAGES, parse_code
from ragdiet.load.html import parse_html
from ragdiet.load.loaded import Loaded
from ragdiet.load.markdown import parse_markdown
from ragdiet.load.pdf import parse_pdf
from ragdiet.load.plain import parse_text, parse_unknown
from ragdiet.load.rst import parse_rst

Parser: TypeAlias = Callable[[bytes, str], Loaded]

PARSERS: Mapping[str, Parser] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mdx"), parse_markdown),
    **dict.fromkeys((".txt", ".text", ".log"), parse_text),
    **dict.fromkeys((".rst", ".rest"), parse_rst),
    **dict.fromkeys((".html", ".htm", ".xhtml"), parse_html),
    **dict.fromkeys((".pdf",), parse_pdf),
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
