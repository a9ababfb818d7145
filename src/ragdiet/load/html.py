"""HTML as a reader sees it: no scripts, menus or hidden parts, each block on lines of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ragdiet.errors import BrokenFile, EmptyDocument, MissingExtra
from ragdiet.load.encoding import browser_charset, decode
from ragdiet.load.flow import Flow
from ragdiet.load.loaded import Loaded, one_line, printable
from ragdiet.load.table import Table, kind

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from bs4.element import Tag

_MOST_BYTES = 32 * 2**20  # the tree takes some 60 bytes of memory for each
_DECLARED = re.compile(
    rb"""<meta[^>]+?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+?encoding\s*=\s*["']([\w.:-]+)""", re.IGNORECASE
)
_XML_DECLARATION = re.compile(r"<\?xml\b[^>]*>", re.IGNORECASE)
_EXPONENT = re.compile(r"\s*[-+\u2212]?\d{1,4}\s*")
_SMALL_NUMBER = re.compile(r"[0-9]{1,4}")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)

_DEEPEST_LIST = 10  # levels that are indented

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_SECTIONS = frozenset({"article", "main", "section"})
_PARAGRAPHS = frozenset(
    "article blockquote body caption center details dialog div dl fieldset figcaption figure footer form header "
    "hgroup hr html main ol p pre section table ul".split()
)
_CELLS = ("td", "th")
_LINES = frozenset("address dd dt legend summary td th tr".split())
_DROPPED = frozenset(
    "annotation annotation-xml aside audio button canvas datalist embed head iframe input map nav noscript object "
    "optgroup option script select style svg template textarea title video".split()
)
_DROPPED_ROLES = frozenset({"menu", "menubar", "navigation", "search", "toolbar"})
# What MediaWiki, DocBook and Sphinx put around and between the text.
_DROPPED_CLASSES = frozenset(
    "catlinks headerlink mw-editsection mw-jump-link mw-portlet mw-redirectedfrom navfooter navheader noprint "
    "printfooter sphinxsidebar toc".split()
)
# Boxes whose heading ("Note") is no section's.
_ADMONITIONS = frozenset({"admonition", "caution", "important", "note", "tip", "warning"})


def parse_html(data: bytes, name: str) -> Loaded:
    """The title is that of ``<title>``, else the first ``<h1>``.

    Lists become lines that begin with "- " or a number, tables rows like "a | b | c". Raises BrokenFile for
    more than 32 MiB, EmptyDocument for a page that shows no text.
    """
    if len(data) > _MOST_BYTES:
        raise BrokenFile(f"{len(data) / 2**20:,.0f} MiB of HTML: split it into pages of at most 32 MiB")
    soup = _parsed(_XML_DECLARATION.sub("", decode(data, declared=_declared(data))))
    page = _Page()
    page.render(soup.body or soup)
    if not page.flow.text:
        raise EmptyDocument("the page shows no text without its scripts: save it from a browser once it is drawn")
    title = one_line(printable(soup.title.get_text())) if soup.title else ""
    if not title:
        title = next((heading for _, level, heading in page.headings if level == 1), "")
    return Loaded(text=page.flow.text, title=title or None, meta={"format": "html", "headings": page.headings})


def _declared(data: bytes) -> str | None:
    match = _DECLARED.search(data[:4096])
    if match is None:
        return None
    return browser_charset((match[1] or match[2]).decode("ascii", "replace"))


def _parsed(markup: str) -> BeautifulSoup:
    try:
        from bs4 import BeautifulSoup, FeatureNotFound, ParserRejectedMarkup
    except ImportError as error:
        raise MissingExtra("beautifulsoup4", "files", "reading HTML") from error

    try:
        return BeautifulSoup(f"\n{markup}", "lxml")  # one line without tags makes it warn of a file name
    except FeatureNotFound as error:
        raise MissingExtra("lxml", "files", "reading HTML") from error
    except ParserRejectedMarkup as error:
        raise BrokenFile(f"the HTML parser gives up ({error}): save the page again from a browser") from error


class _Page:
    """The rendered page: ``flow`` is its text, ``headings`` are as in ``Loaded``."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.headings: list[list[Any]] = []
        self._page_flow = self.flow
        self._tables: list[Table] = []
        self._lists: list[int | None] = []  # the next number, for those that count
        self._heading: tuple[int, int] | None = None
        self._preformatted = 0
        self._sections = 0
        self._cells = 0  # open ones of tables with one column
        self._after_term = False

    def render(self, root: Tag) -> None:
        """Walk the tree with a stack of its own: pages nest deeper than Python's."""
        from bs4.element import PreformattedString, Tag

        path = [(root, iter(root.contents))]
        while path:
            element, children = path[-1]
            child = next(children, None)
            if child is None:
                path.pop()
                if path:
                    self._close(element)
            elif isinstance(child, Tag):
                if not self._is_dropped(child):
                    self._open(child)
                    path.append((child, iter(child.contents)))
            elif not isinstance(child, PreformattedString):  # comments, declarations
                self._text(str(child))

    def _is_dropped(self, tag: Tag) -> bool:
        name, attributes = tag.name, tag.attrs
        if name in _DROPPED or (name in ("header", "footer") and not self._sections):
            return True
        if not attributes:
            return name == "dialog"  # closed
        classes = attributes.get("class", ())
        return (
            "hidden" in attributes
            or attributes.get("aria-hidden") == "true"
            or attributes.get("role") in _DROPPED_ROLES
            or not _DROPPED_CLASSES.isdisjoint(classes)
            or (name == "sup" and "reference" in classes)
            or (name == "dialog" and "open" not in attributes)
            or _HIDING.search(str(attributes.get("style", ""))) is not None
        )

    def _text(self, string: str) -> None:
        if self._after_term and string.strip():
            self._after_term = False
        if self._preformatted:
            self.flow.verbatim(string)
        else:
            self.flow.words(string)

    def _open(self, tag: Tag) -> None:
        name = tag.name
        table = self._tables[-1] if self._tables else None
        if name in _HEADINGS:
            self._break(2)
            self._heading = self.flow.begin()
        elif name in _PARAGRAPHS:
            self._break(2)
        elif name in _LINES:
            self._break(1)

        if name == "br":
            self.flow.verbatim("\n") if self._preformatted else self.flow.line()
        elif name == "pre":
            self._preformatted += 1
        elif name in _SECTIONS:
            self._sections += 1
        elif name in ("ul", "ol"):
            self._lists.append(_number(tag, "start") if name == "ol" else None)
        elif name == "li":
            self.flow.item(self._bullet())
        elif name == "table":
            self._tables.append(Table(kind(tag)))
        elif name in _CELLS and table and table.kind == "data":
            self.flow = Flow(inline=True)
        elif name in _CELLS and table and table.kind == "column":
            self._break(2)
            self._cells += 1
        elif name == "sup" and self.flow.last.isalnum() and _is_exponent(tag):
            self.flow.words("^")  # 10 to the 6th is not 106

    def _close(self, tag: Tag) -> None:
        name = tag.name
        table = self._tables[-1] if self._tables else None
        if name in _HEADINGS and self._heading:
            offset, mark = self._heading
            title = one_line(self.flow.since(mark))
            if title and not (tag.parent and _ADMONITIONS.intersection(tag.parent.get("class") or ())):
                self.headings.append([offset, _HEADINGS[name], title])
            self._heading = None
        elif name == "dt":
            self._after_term = True
        elif name == "pre":
            self._preformatted -= 1
        elif name in _SECTIONS:
            self._sections -= 1
        elif name in ("ul", "ol"):
            self._lists.pop()
        elif name in _CELLS and table and self.flow is not self._page_flow:
            table.cell(self.flow.text, columns=_number(tag, "colspan"), rows=_number(tag, "rowspan"))
            self.flow = self._page_flow
        elif name in _CELLS and table and table.kind == "column":
            self._cells -= 1
        elif name in ("tr", "table") and table and table.kind == "data":
            self.flow.words(table.end_row())
        elif name == "li":
            self.flow.end_item()

        if name == "table":
            self._tables.pop()

        if name in _HEADINGS or name in _PARAGRAPHS:
            self._break(2)
        elif name in _LINES or name == "li":
            self._break(1)

    def _break(self, newlines: int) -> None:
        # Lists, terms with what defines them, and the cells of a column stay together.
        self.flow.block(1 if self._lists or self._cells or self._after_term else newlines)

    def _bullet(self) -> str:
        indent = "  " * min(len(self._lists) - 1, _DEEPEST_LIST)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "


def _is_exponent(tag: Tag) -> bool:
    content = tag.contents[0] if len(tag.contents) == 1 else None
    return isinstance(content, str) and _EXPONENT.fullmatch(content) is not None


def _number(tag: Tag, attribute: str) -> int:
    """A small whole number among the attributes; 1 where there is none."""
    value = str(tag.get(attribute, ""))
    return max(1, int(value)) if _SMALL_NUMBER.fullmatch(value) else 1
