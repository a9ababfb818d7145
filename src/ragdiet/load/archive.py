"""The zip archive inside office files and e-books: checked as a whole before anything in it is believed.

Nothing is written to disk, no archive within it is opened, and no entry is expanded but by its own declared
size, which is bounded before. A library that wants the file itself is given it rebuilt: the XML alone,
expanded and without entities, so neither bombs nor pictures ever reach that library.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ragdiet.errors import BrokenFile, MissingExtra, UnsupportedFormat
from ragdiet.load.broken import reading

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_ENTRY = b"PK\x01\x02"  # begins each entry of the central directory
_LOCAL_HEADER = 30  # bytes before an entry's name
_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<")
# In UTF-8, and in UTF-16 of either byte order.
_ENTITY = re.compile(rb"<\0?!\0?E\0?N\0?T\0?I\0?T\0?Y")
_CLIMBS = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|\Z)|^[/\\]|^[A-Za-z]:|\0")

_MOST_ENTRIES = 10_000
_MOST_EXPANDED = 32 * 2**20  # bytes of all that is read; a parsed tree takes some thirty times as much
_HIGHEST_RATIO = 250  # XML of real files is packed to a fiftieth at best, zeros to a thousandth
_SMALL = 2**20  # bytes; what expands to no more harms nobody, at whatever ratio

_DAMAGED = "get the file again, or save it anew from the program that made it"


class Archive:
    """A checked archive. ``read`` gives an entry; entries that are encrypted, overlap or climb are refused.

    Raises UnsupportedFormat for content that is no zip archive at all, BrokenFile for a damaged or hostile one.
    """

    def __init__(self, data: bytes, *, suffix: str, most_expanded: int = _MOST_EXPANDED) -> None:
        """``suffix`` is what the file ought to be, such as ``.docx``; ``most_expanded`` bytes are read of it."""
        _refuse_other_content(data, suffix)
        if data.count(_ENTRY) > _MOST_ENTRIES:
            raise BrokenFile(f"an archive of more than {_MOST_ENTRIES:,} entries: {_DAMAGED}")
        with reading("a zip archive", advice=_DAMAGED):
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        entries = self._zip.infolist()
        self._entries = {entry.filename: entry for entry in entries}
        _check(entries, len(self._entries))
        self._left = most_expanded
        self._most_expanded = most_expanded

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes:
        """The bytes of an entry. Raises BrokenFile where it is missing, damaged or too large."""
        entry = self._entries.get(name)
        if entry is None:
            raise BrokenFile(f"its part {name[:200]!r} is missing: {_DAMAGED}")
        self._left -= entry.file_size
        if self._left < 0:
            raise BrokenFile(
                f"more than {self._most_expanded // 2**20} MiB once expanded: split it into smaller files; "
                "if it is not as large as that, it is a zip bomb"
            )
        if entry.file_size > max(_SMALL, _HIGHEST_RATIO * entry.compress_size):
            raise BrokenFile(
                f"a zip bomb: its part {name[:200]!r} expands more than {_HIGHEST_RATIO} times; do not trust the file"
            )
        with reading("a zip archive", advice=_DAMAGED), self._zip.open(entry) as opened:
            # With a size zipfile expands no more than that; it raises where the size or the checksum is wrong.
            return opened.read(entry.file_size + 1)

    def xml(self, name: str) -> bytes:
        """The bytes of an XML part. Raises BrokenFile for one that declares entities."""
        data = self.read(name)
        if _ENTITY.search(data):
            raise BrokenFile(
                f"its part {name[:200]!r} declares entities, which only an attack has use for: do not trust the file"
            )
        return data

    def rebuilt(self) -> io.BytesIO:
        """The archive as an office library may have it: all XML, unpacked; everything else empty."""
        rebuilt = io.BytesIO()
        with zipfile.ZipFile(rebuilt, "w", zipfile.ZIP_STORED) as written:
            for name in self._entries:
                if not name.endswith("/"):
                    written.writestr(zipfile.ZipInfo(name), self.xml(name) if _is_xml(name) else b"")
        rebuilt.seek(0)
        return rebuilt


def tree(data: bytes) -> Any:
    """The root element of an XML part, by lxml; entities are not expanded and nothing is fetched."""
    return etree().fromstring(data, etree().XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def elements(data: bytes, *names: str) -> Iterator[Any]:
    """The elements of these local names as each ends; it is emptied when the next is asked for.

    Of an element within another of these, only the attributes of the outer one are left when that ends.
    """
    tags = tuple(f"{{*}}{name}" for name in names)
    for _, element in etree().iterparse(io.BytesIO(data), tag=tags, resolve_entities=False, no_network=True):
        yield element
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def etree() -> Any:
    """lxml's module of that name. Raises MissingExtra."""
    try:
        from lxml import etree
    except ImportError as error:
        raise MissingExtra("lxml", "files", "reading XML") from error
    return etree


def _is_xml(name: str) -> bool:
    return name.lower().endswith((".xml", ".rels"))


def _refuse_other_content(data: bytes, suffix: str) -> None:
    if data.startswith(_OLE):
        if _ENCRYPTED_PACKAGE in data:
            raise BrokenFile("encrypted with a password: save it without one from the program that made it")
        raise UnsupportedFormat(f"the binary format of Office before 2007: open it and save it as {suffix}")
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return
    if data.startswith(b"%PDF-"):
        raise UnsupportedFormat(f"a PDF that is named {suffix}: rename it .pdf")
    if _MARKUP.match(data):
        raise UnsupportedFormat(f"HTML or XML that is named {suffix}: rename it .html, or save it as a real {suffix}")
    raise UnsupportedFormat(f"its content is not that of a {suffix} file: {_DAMAGED}")


def _check(entries: list[zipfile.ZipInfo], names: int) -> None:
    if names != len(entries):
        raise BrokenFile(f"two entries of its archive have one name: {_DAMAGED}")
    for entry in entries:
        shown = repr(entry.filename[:200])
        if entry.flag_bits & 0x1:
            raise BrokenFile(f"its part {shown} is encrypted: save it without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BrokenFile(f"its part {shown} is packed in a way no office program uses: {_DAMAGED}")
        if _CLIMBS.search(entry.filename):
            raise BrokenFile(f"its part {shown} has a path that leads out of the archive: do not trust the file")
    for entry, following in pairwise(sorted(entries, key=lambda entry: entry.header_offset)):
        if entry.header_offset + _LOCAL_HEADER + entry.compress_size > following.header_offset:
            raise BrokenFile(f"parts of its archive overlap, as those of zip bombs do: {_DAMAGED}")
