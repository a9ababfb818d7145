"""PPTX: slide after slide, its title first, then what stands on it from top to bottom, then the notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ragdiet.errors import EmptyDocument, MissingExtra
from ragdiet.load.archive import Archive
from ragdiet.load.broken import reading
from ragdiet.load.flow import Flow
from ragdiet.load.loaded import Loaded, one_line, printable
from ragdiet.load.table import Table

if TYPE_CHECKING:
    from pptx.slide import Slide

_ADVICE = "open it and save it as .pptx anew, or print it to a PDF"
_BAND = 914_400 // 4  # a quarter of an inch: what begins within one stands side by side
_DEEPEST_LIST = 10  # levels that are indented
_TRUE = ("1", "true")
_DEEPEST_GROUP = 20  # groups within groups


def parse_pptx(data: bytes, name: str) -> Loaded:
    """A slide is a page, its title a heading; a hidden slide is an empty page. The title is the properties'.

    Raises BrokenFile for what is damaged, encrypted or hostile, UnsupportedFormat for another format under
    this name, EmptyDocument for slides of pictures alone.
    """
    try:
        import pptx
    except ImportError as error:
        raise MissingExtra("python-pptx", "files", "reading PPTX") from error

    archive = Archive(data, suffix=".pptx")
    flow = Flow()
    headings: list[list[Any]] = []
    pages: list[int] = []
    with reading("a presentation", advice=_ADVICE):
        presentation = pptx.Presentation(archive.rebuilt())
        for slide in presentation.slides:
            flow.block(2)
            offset, _ = flow.begin()
            pages.append(offset)
            if slide.element.get("show") in ("0", "false"):
                continue
            title = _title(slide)
            if title:
                headings.append([offset, 1, title])
                flow.words(title)
            for shape in _in_order(slide.shapes):
                if shape != slide.shapes.title:
                    _write(shape, flow)
            if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
                flow.block(2)
                _write_paragraphs(slide.notes_slide.notes_text_frame, flow)
        title = one_line(printable(presentation.core_properties.title or ""))
    if not flow.text:
        raise EmptyDocument("its slides hold no text: recognise that of their pictures first, as a PDF (ocrmypdf)")
    meta = {"format": "pptx", "headings": headings, "pages": [min(page, len(flow.text)) for page in pages]}
    return Loaded(text=flow.text, title=_given(title) or (headings[0][2] if headings else None), meta=meta)


def _title(slide: Slide) -> str:
    shape = slide.shapes.title
    return one_line(printable(shape.text_frame.text)) if shape is not None else ""


def _given(title: str) -> str:
    """The title that an author gave; the program itself writes "PowerPoint Presentation"."""
    return "" if title.lower().startswith("powerpoint") else title


def _in_order(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """Shapes from top to bottom, side by side from left to right; those of a group where the group stands."""
    for shape in sorted(shapes, key=lambda shape: ((shape.top or 0) // _BAND, shape.left or 0)):
        if hasattr(shape, "shapes"):
            if depth < _DEEPEST_GROUP:
                yield from _in_order(shape.shapes, depth + 1)
        else:
            yield shape


def _write(shape: Any, flow: Flow) -> None:
    flow.block(2)
    if shape.has_text_frame:
        _write_paragraphs(shape.text_frame, flow)
    elif shape.has_table:
        _write_table(shape.table._tbl, flow)


def _write_table(element: Any, flow: Flow) -> None:
    """The rows, read from their XML: python-pptx looks for each cell among all of them anew."""
    table = Table("data")
    for row in element.iterfind("{*}tr"):
        for cell in row.iterfind("{*}tc"):
            if cell.get("hMerge") not in _TRUE and cell.get("vMerge") not in _TRUE:
                paragraphs = ("".join(each.itertext("{*}t")) for each in cell.iterfind("{*}txBody/{*}p"))
                text = " ".join(printable(" ".join(paragraphs)).split())
                columns, rows = int(cell.get("gridSpan", "1")), int(cell.get("rowSpan", "1"))
                table.cell(text, columns=columns, rows=rows)
        flow.words(table.end_row())
        flow.block(1)


def _write_paragraphs(frame: Any, flow: Flow) -> None:
    """Paragraphs of one box: several of them are a list, as its bullets or the layout's show it."""
    paragraphs = [paragraph for paragraph in frame.paragraphs if paragraph.text.strip()]
    for paragraph in paragraphs:
        flow.block(1)
        if len(paragraphs) > 1:
            flow.item("  " * min(paragraph.level, _DEEPEST_LIST) + "- ")
        flow.words(paragraph.text)
