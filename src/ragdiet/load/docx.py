"""DOCX: the body's paragraphs and tables in their order, as python-docx knows their styles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ragdiet.errors import EmptyDocument, MissingExtra
from ragdiet.load.archive import Archive, tree
from ragdiet.load.broken import reading
from ragdiet.load.flow import Flow
from ragdiet.load.loaded import Loaded, one_line, printable
from ragdiet.load.table import Table

if TYPE_CHECKING:
    from docx.document import Document

_ADVICE = "open it and save it as .docx anew, or print it to a PDF"
_CONTENTS_NAME = re.compile(r"toc [1-9]|table of figures", re.IGNORECASE)
_HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)
_BODY_LEVEL = 9  # the outline level of what is no heading
_DEEPEST_LIST = 10  # levels that are indented
_LONGEST_REPEATED = 80  # characters of a cell that is repeated in each row it reaches down to
# Deleted and moved away under tracked changes; the same drawing again for old programs; field codes; and
# what headers, numbering and layout are made of.
_DROPPED = frozenset("del moveFrom Fallback instrText delText pPr rPr tblPr trPr rt sectPr sdtPr".split())
_WRITTEN = {"br": "\n", "cr": "\n", "tab": " ", "ptab": " ", "noBreakHyphen": "-"}
_REFERENCES = ("footnoteReference", "endnoteReference")


def parse_docx(data: bytes, name: str) -> Loaded:
    """Headings are paragraphs of an outline level, in whatever language their style has its name.

    Lists become lines that begin with "- ", tables rows like "a | b | c"; footnotes follow the paragraph that
    refers to them; page headers and footers, and deletions that are tracked, are left out. The title is that
    of the properties, else the first paragraph of style Title. Raises BrokenFile for what is damaged,
    encrypted or hostile, UnsupportedFormat for another format under this name.
    """
    try:
        import docx
    except ImportError as error:
        raise MissingExtra("python-docx", "files", "reading DOCX") from error

    archive = Archive(data, suffix=".docx")
    with reading("a Word document", advice=_ADVICE):
        document = docx.Document(archive.rebuilt())
        body = _Body(_Styles(document), _notes(document))
        body.render(document.element.body)
        title = one_line(printable(document.core_properties.title or "")) or body.title
    if not body.flow.text:
        raise EmptyDocument("it holds no text: leave it out, or recognise the text of its pictures first")
    return Loaded(text=body.flow.text, title=title or None, meta={"format": "docx", "headings": body.headings})


class _Styles:
    """What the style of a paragraph, and those it is based on, make of it."""

    def __init__(self, document: Document) -> None:
        self._styles = {_value(style, "styleId"): style for style in document.styles.element.iterfind("{*}style")}

    def level(self, paragraph: Any) -> int | None:
        """The level of a heading, from 1; None for other paragraphs."""
        for properties, name in self._chain(paragraph):
            found = _HEADING_NAME.fullmatch(name)
            outline = properties.find("{*}outlineLvl") if properties is not None else None
            if outline is not None:
                level = int(_value(outline, "val"))
                return level + 1 if 0 <= level < _BODY_LEVEL else None
            if found:
                return int(found[1])
        return None

    def list_level(self, paragraph: Any) -> int | None:
        """How deep a list item lies, from 0; None for other paragraphs."""
        for properties, _ in self._chain(paragraph):
            numbering = properties.find("{*}numPr") if properties is not None else None
            if numbering is not None:
                number, depth = numbering.find("{*}numId"), numbering.find("{*}ilvl")
                if number is not None and _value(number, "val") == "0":
                    return None  # a style's list, switched off
                return int(_value(depth, "val")) if depth is not None else 0
        return None

    def is_title(self, paragraph: Any) -> bool:
        return any(name.lower() == "title" for _, name in self._chain(paragraph))

    def is_contents(self, paragraph: Any) -> bool:
        """Whether it is a line of a table of contents: headings, which stand in the text, and page numbers."""
        return any(_CONTENTS_NAME.fullmatch(name) for _, name in self._chain(paragraph))

    def _chain(self, paragraph: Any) -> Iterator[tuple[Any, str]]:
        """Properties and style name: the paragraph's own, without a name, then style after style."""
        properties = paragraph.find("{*}pPr")
        yield properties, ""
        key = _child_value(properties, "pStyle")
        seen: set[str] = set()
        while key in self._styles and key not in seen:
            seen.add(key)
            style = self._styles[key]
            yield style.find("{*}pPr"), _child_value(style, "name")
            key = _child_value(style, "basedOn")


class _Body:
    """The text in the making. ``headings`` are as in ``Loaded``."""

    def __init__(self, styles: _Styles, notes: Mapping[tuple[str, str], str]) -> None:
        self.flow = Flow()
        self.headings: list[list[Any]] = []
        self.title = ""
        self._styles = styles
        self._notes = notes
        self._page_flow = self.flow
        self._due: list[str] = []  # notes that what was written last refers to
        self._in_list = False

    def render(self, container: Any) -> None:
        """The paragraphs and tables of a body, a cell or a text box, those in content controls too."""
        for element in container:
            name = _name(element)
            if name == "p":
                self._paragraph(element)
            elif name == "tbl":
                self._table(element)
            elif name not in _DROPPED:
                self.render(element)

    def _paragraph(self, paragraph: Any) -> None:
        if self._styles.is_contents(paragraph):
            return
        words: list[str] = []
        boxes: list[Any] = []
        self._inline(paragraph, words, boxes)
        text = "".join(words)
        if text.strip():
            self._write(text, paragraph)
        if self.flow is self._page_flow:
            self._write_notes()
        for box in boxes:
            self.render(box)

    def _write(self, text: str, paragraph: Any) -> None:
        level = self._styles.level(paragraph)
        depth = None if level else self._styles.list_level(paragraph)
        self.flow.block(1 if depth is not None and self._in_list else 2)
        self._in_list = depth is not None
        if depth is not None:
            self.flow.item("  " * max(0, min(depth, _DEEPEST_LIST)) + "- ")
        if self.flow is self._page_flow:
            if not self.title and self._styles.is_title(paragraph):
                self.title = one_line(printable(text))
            if level and (heading := one_line(printable(text))):
                offset, _ = self.flow.begin()
                self.headings.append([offset, level, heading])
                text = text.replace("\n", " ")
        for number, line in enumerate(text.split("\n")):
            if number:
                self.flow.line()
            self.flow.words(line)
        self.flow.end_item()
        self.flow.block(1 if self._in_list else 2)

    def _write_notes(self) -> None:
        for note in self._due:
            self.flow.block(2)
            self.flow.words(note)
            self.flow.block(2)
            self._in_list = False
        self._due = []

    def _inline(self, element: Any, words: list[str], boxes: list[Any]) -> None:
        """Collect the words of a paragraph, and the text boxes that are anchored in it."""
        for child in element:
            name = _name(child)
            if name == "t":
                words.append(child.text or "")
            elif name in _WRITTEN:
                words.append(_WRITTEN[name])
            elif name == "txbxContent":
                boxes.append(child)
            elif name in _REFERENCES:
                self._due.append(self._notes.get((name, _value(child, "id")), ""))
            elif name not in _DROPPED and child.find("{*}rPr/{*}vanish") is None:
                self._inline(child, words, boxes)

    def _table(self, table: Any) -> None:
        has_columns = any(len(list(islice(_within(row, "tc"), 2))) > 1 for row in _rows(table))
        if not has_columns or self.flow is not self._page_flow:
            for row in _rows(table):  # a frame round paragraphs, or a table in the cell of another
                for cell in _within(row, "tc"):
                    self.render(cell)
            return
        self.flow.block(2)
        self._in_list = False
        written = Table("data")
        above: dict[int, str] = {}
        for row in _rows(table):
            column = 0
            for cell in _within(row, "tc"):
                properties = cell.find("{*}tcPr")
                span = max(1, int(_child_value(properties, "gridSpan") or 1))
                merged = properties.find("{*}vMerge") if properties is not None else None
                if merged is not None and _value(merged, "val") != "restart":
                    text = above.get(column, "")
                else:
                    text = self._cell(cell)
                    above[column] = text if len(text) <= _LONGEST_REPEATED else ""
                written.cell(text, columns=span, rows=1)
                column += span
            self.flow.words(written.end_row())
            self.flow.block(1)
        self._write_notes()
        self.flow.block(2)

    def _cell(self, cell: Any) -> str:
        self.flow = Flow(inline=True)
        self.render(cell)
        text = self.flow.text
        self.flow = self._page_flow
        self._in_list = False
        return text


def _notes(document: Document) -> dict[tuple[str, str], str]:
    """The text of foot- and endnotes, by the name of the element that refers to them and their id."""
    notes: dict[tuple[str, str], str] = {}
    for relation in document.part.rels.values():
        kind = relation.reltype.rpartition("/")[2]
        if kind in ("footnotes", "endnotes") and not relation.is_external:
            for note in tree(relation.target_part.blob):
                words = (each.text or "" for each in note.iterfind(".//{*}t"))
                notes[f"{kind[:-1]}Reference", _value(note, "id")] = "".join(words)
    return notes


def _rows(table: Any) -> Iterator[Any]:
    """The rows of a table but for those whose deletion is tracked."""
    return (row for row in _within(table, "tr") if row.find("{*}trPr/{*}del") is None)


def _within(element: Any, name: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, those in content controls too."""
    for child in element:
        found = _name(child)
        if found == name:
            yield child
        elif found in ("sdt", "sdtContent", "customXml", "ins", "moveTo"):
            yield from _within(child, name)


def _name(element: Any) -> str:
    """An element's name without its namespace; none for a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _value(element: Any, attribute: str) -> str:
    return next((value for name, value in element.items() if name.rpartition("}")[2] == attribute), "")


def _child_value(element: Any, child: str) -> str:
    found = element.find(f"{{*}}{child}") if element is not None else None
    return _value(found, "val") if found is not None else ""
