"""Markdown: the source itself without its front matter; headings as CommonMark sees them."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ragdiet.errors import MissingExtra
from ragdiet.load.encoding import decode
from ragdiet.load.loaded import Loaded, line_starts, one_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?\n)?\1[ \t]*(?:\n+|\Z)", re.DOTALL)
_YAML_KEY = re.compile(r"""["']?\w[\w .-]*["']?[ \t]*:(?:[ \t]|\Z)""")
_YAML_REST = re.compile(r"[ \t#\-}\]]|\Z")  # a value that goes on, a comment, a list entry, a blank line
_YAML_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)
_LONGEST_HEADING = 1_000  # characters; inline parsing may take quadratic time


def parse_markdown(data: bytes, name: str) -> Loaded:
    """Markdown of the CommonMark kind. The title is the front matter's, else the first heading of level 1."""
    text, title = _without_front_matter(decode(data))
    headings = _headings(text)
    if title is None:
        title = next((heading for _, level, heading in headings if level == 1), None)
    return Loaded(text=text, title=title, meta={"format": "markdown", "headings": headings})


def _without_front_matter(text: str) -> tuple[str, str | None]:
    """The text after YAML (``---``) or TOML (``+++``) front matter, and the title in that."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return text, None
    fence, fields = match[1], match[2] or ""
    if fence == "+++":
        try:
            title = tomllib.loads(fields).get("title")
        except tomllib.TOMLDecodeError:
            return text, None  # a paragraph of plus signs is text
        return text[match.end() :], one_line(title) or None if isinstance(title, str) else None
    lines = [line for line in fields.split("\n") if not _YAML_REST.match(line)]
    if not lines or not all(_YAML_KEY.match(line) for line in lines):
        return text, None  # two thematic breaks with text between them
    found = _YAML_TITLE.search(fields)
    title = one_line(found[1].strip().strip("\"'")) if found else ""
    return text[match.end() :], title or None


def _headings(text: str) -> list[list[Any]]:
    """Headings that are not inside quotations or lists, where they structure nothing."""
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise MissingExtra("markdown-it-py", "files", "reading Markdown") from error

    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    environment: dict[str, Any] = {}
    tokens = parser.parse(text, environment)
    starts = line_starts(text)
    headings: list[list[Any]] = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            title = one_line(_words(parser, inline.content[:_LONGEST_HEADING], environment))
            if title:
                headings.append([starts[opening.map[0]], int(opening.tag[1]), title])
    return headings


def _words(parser: MarkdownIt, source: str, environment: dict[str, Any]) -> str:
    """The words of a heading without its markup."""
    return "".join(
        " " if token.type in ("softbreak", "hardbreak") else "" if token.type == "html_inline" else token.content
        for token in parser.inline.parse(source, parser, environment, [])
    )
