"""EPUB: the chapters in the order of the book, each read as the HTML it is."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote

from ragdiet.errors import BrokenFile, EmptyDocument
from ragdiet.load.archive import Archive, tree
from ragdiet.load.broken import reading
from ragdiet.load.html import parse_html
from ragdiet.load.loaded import Loaded, one_line, printable

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
# These only scramble fonts.
_HARMLESS = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
_CHAPTER_TYPES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document"})
_NOT_READ = frozenset({"cover", "toc"})  # in the book's guide
_ADVICE = "get it again, or convert it to HTML or PDF"


def parse_epub(data: bytes, name: str) -> Loaded:
    """Cover and table of contents are left out. The title is that of the metadata.

    Raises BrokenFile for what is damaged, hostile or under digital rights management, UnsupportedFormat for
    another format under this name, EmptyDocument for a book of pictures.
    """
    archive = Archive(data, suffix=".epub")
    texts: list[str] = []
    headings: list[list[Any]] = []
    length = 0
    with reading("an EPUB", advice=_ADVICE):
        _refuse_encrypted(archive)
        title, chapters = _book(archive)
        for path in chapters:
            try:
                chapter = parse_html(archive.read(path), path)
            except EmptyDocument:  # a picture on a page of its own
                continue
            headings += [[length + offset, level, heading] for offset, level, heading in chapter.meta["headings"]]
            texts.append(chapter.text)
            length += len(chapter.text) + 2
    if not texts:
        raise EmptyDocument("no chapter of it holds text: recognise that of its pictures first, as a PDF (ocrmypdf)")
    return Loaded(text="\n\n".join(texts), title=title, meta={"format": "epub", "headings": headings})


def _refuse_encrypted(archive: Archive) -> None:
    if _ENCRYPTION not in archive:
        return
    for method in tree(archive.xml(_ENCRYPTION)).iterfind("{*}EncryptedData/{*}EncryptionMethod"):
        if method.get("Algorithm") not in _HARMLESS:
            raise BrokenFile("encrypted under digital rights management: get a copy without it from its publisher")


def _book(archive: Archive) -> tuple[str | None, list[str]]:
    """Title, and the paths of the chapters in their order."""
    root = tree(archive.xml(_CONTAINER)).find("{*}rootfiles/{*}rootfile")
    if root is None:
        raise BrokenFile(f"its container names no book: {_ADVICE}")
    path = root.get("full-path", "")
    package = tree(archive.xml(path))
    title = one_line(printable(package.findtext("{*}metadata//{*}title") or "")) or None
    folder = posixpath.dirname(path)
    left_out = {
        _place(folder, reference)
        for reference in package.iterfind("{*}guide/{*}reference")
        if reference.get("type", "").lower() in _NOT_READ
    }
    items = {
        item.get("id"): _place(folder, item)
        for item in package.iterfind("{*}manifest/{*}item")
        if item.get("media-type") in _CHAPTER_TYPES and "nav" not in item.get("properties", "").split()
    }
    chapters = [
        items[reference.get("idref")]
        for reference in package.iterfind("{*}spine/{*}itemref")
        if reference.get("idref") in items and reference.get("linear") != "no"
    ]
    return title, [chapter for chapter in chapters if chapter not in left_out]


def _place(folder: str, element: Any) -> str:
    """The path of what an element's ``href`` points to, without the place within it."""
    return posixpath.normpath(posixpath.join(folder, unquote(element.get("href", "").partition("#")[0])))
