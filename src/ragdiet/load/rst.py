"""reStructuredText: the source itself; headings as docutils finds them, among Sphinx's directives too."""

from __future__ import annotations

import re
from typing import Any

from ragdiet.errors import BrokenFile, MissingExtra
from ragdiet.load.encoding import decode
from ragdiet.load.loaded import Loaded, line_starts, one_line

# docutils ends a line at each of these as well; offsets here are counted in newlines only.
_OTHER_LINE_ENDS = str.maketrans(dict.fromkeys("\v\f\x1c\x1d\x1e\x85\u2028\u2029", " "))
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*\Z")


def parse_rst(data: bytes, name: str) -> Loaded:
    """The title is that of the first section. Raises BrokenFile where docutils gives up."""
    text = decode(data)
    headings = _headings(text)
    title = headings[0][2] if headings else None
    return Loaded(text=text, title=title, meta={"format": "rst", "headings": headings})


def _headings(text: str) -> list[list[Any]]:
    lines = text.translate(_OTHER_LINE_ENDS).split("\n")
    starts = line_starts(text)
    headings: list[list[Any]] = []
    line = 0
    for level, source, title in _sections("\n".join(lines)):
        # Not every release of docutils tells at which line a section begins.
        words = source.split()
        underlined = (i for i in range(line, len(lines) - 1) if _ADORNMENT.match(lines[i + 1]))
        found = next((i for i in underlined if lines[i].split() == words), None)
        if found is None:
            continue
        overlined = found > 0 and lines[found - 1].rstrip() == lines[found + 1].rstrip()
        headings.append([starts[found - overlined], level, title])
        line = found + 2
    return headings


def _sections(text: str) -> list[tuple[int, str, str]]:
    """Level, source and words of each section title, in order."""
    try:
        from docutils import nodes
        from docutils.frontend import get_default_settings
        from docutils.parsers.rst import Parser
        from docutils.utils import new_document
    except ImportError as error:
        raise MissingExtra("docutils", "files", "reading reStructuredText") from error

    settings = get_default_settings(Parser)
    settings.report_level = settings.halt_level = 5  # an unknown directive or role is no error here
    settings.warning_stream = False
    settings.file_insertion_enabled = settings.raw_enabled = False
    settings.syntax_highlight = "none"
    document = new_document("", settings)
    try:
        Parser().parse(text, document)
    except Exception as error:  # a bug of docutils, or nesting deeper than Python's stack
        raise BrokenFile(
            f"docutils cannot parse it ({type(error).__name__}: {error}): mend it, or name it .txt to load it as it is"
        ) from error
    sections: list[tuple[int, str, str]] = []
    for section in document.findall(nodes.section):
        level, parent = 1, section.parent
        while parent is not document:
            level += isinstance(parent, nodes.section)
            parent = parent.parent
        if words := one_line(section[0].astext()):
            sections.append((level, section[0].rawsource, words))
    return sections
