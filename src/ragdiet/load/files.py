"""Files, folders, globs and Documents to checked Documents, one at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ragdiet.errors import InvalidArgument, SourceError, SourceNotFound, SourceUnreadable, UnsupportedFormat
from ragdiet.load.check import checked
from ragdiet.load.formats import parse
from ragdiet.load.pattern import split
from ragdiet.load.walk import File, absolute, document_id, rejection, unreadable, walk
from ragdiet.types import Document, Rejection

Source: TypeAlias = str | Path | Document

MAX_BYTES = 256 * 2**20
"""Bytes of the largest file loaded, if nothing else is asked for."""


VERSION = "load-2"
"""Changes when a parser gives another text for the same file, so that known files are read again."""

_LOOKED_UP = 128
"""How many files are looked up in the store at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What was found of a source. ``source_hash`` is that of a file's bytes and uri, None for a Document of
    the caller's; ``document`` is None for a file whose hash is known, so that it need not be parsed."""

    id: str
    uri: str | None
    source_hash: bytes | None
    document: Document | None


def load(
    source: Source | Iterable[Source], *, rejected: Callable[[Rejection], None], max_bytes: int = MAX_BYTES
) -> Iterator[Document]:
    """Documents of a file, a folder, a glob such as ``docs/**/*.md``, a Document, or several of these.

    Lazy: one document is in memory at a time. An id is the path below the folder (or the fixed part of the
    glob) that was given, for a single file its name. In folders hidden files and folders, ``__pycache__``
    and ``node_modules`` are passed over; a file reached in two ways is loaded once, under its own name
    rather than a link's.

    What cannot be loaded is given to ``rejected`` and the rest goes on. Raises SourceNotFound for a path
    that does not exist and a glob without a match (before the first document, unless ``source`` is an
    iterator), InvalidArgument for what is no source, MissingExtra where a format's parser is not installed.
    """
    return _documents(find(source, rejected=rejected, max_bytes=max_bytes))


def find(
    source: Source | Iterable[Source],
    *,
    rejected: Callable[[Rejection], None],
    known: Callable[[Sequence[str]], Mapping[str, bytes | None]] = lambda _: {},
    max_bytes: int = MAX_BYTES,
) -> Iterator[Item]:
    """As `load`, but files that have not changed are not parsed.

    ``known`` is asked for the ``source_hash`` that each of some ids had when it was last ingested.
    """
    if max_bytes < 1:
        raise InvalidArgument(f"max_bytes={max_bytes}: give the largest file to load, in bytes")
    if isinstance(source, str | Path | Document):
        source = (source,)
    if isinstance(source, bytes | bytearray) or not isinstance(source, Iterable):
        raise InvalidArgument(f"cannot load a {type(source).__name__}: give a path, a Document, or several of them")
    found: Iterable[Iterable[File | Document]] = (_find(each, rejected) for each in source)
    if isinstance(source, Sequence):
        found = list(found)
    return _items(found, rejected, known, max_bytes)


def expected(source: Source | Iterable[Source]) -> int | None:
    """How many files and Documents ``source`` names; unknown (None) for an iterator. Raises what `load` does."""
    if isinstance(source, str | Path | Document):
        source = (source,)
    if not isinstance(source, Sequence):
        return None
    return sum(1 for each in source for _ in _find(each, rejected=lambda _: None))


def _find(source: Source, rejected: Callable[[Rejection], None]) -> Iterable[File | Document]:
    if isinstance(source, Document):
        return (source,)
    if not isinstance(source, str | Path) or not str(source):
        raise InvalidArgument(f"cannot load {source!r}: give a path, a glob or a Document")
    path = Path(source)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        if _is_missing(path, error):
            return _matches(path, rejected)
        is_folder = False  # it is there but cannot be reached: reading it says why
    if is_folder:
        return walk(absolute(path), rejected)
    return (File(absolute(path), document_id(path.name)),)


def _is_missing(path: Path, error: OSError | ValueError) -> bool:
    if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:  # a NUL character: no path at all
        return True
    return error.errno in (errno.ENOENT, errno.ENOTDIR) and not path.is_symlink()


def _matches(path: Path, rejected: Callable[[Rejection], None]) -> Sequence[File]:
    """The files a glob matches."""
    shown = _printable(str(path))[:200]
    parts = split(str(path))
    if parts is None:
        advice = "download it first" if ":/" in shown else "check the path; to load a text itself, give a Document"
        raise SourceNotFound(f"{shown!r} does not exist: {advice}", uri=shown)
    root, pattern = parts
    files = list(walk(absolute(root), rejected, pattern)) if Path(root).is_dir() else []
    if not files:
        raise SourceNotFound(f"no file matches {shown!r}: check the pattern", uri=shown)
    return files


def _documents(items: Iterator[Item]) -> Iterator[Document]:
    for item in items:
        assert item.document is not None  # no hash is known
        yield item.document
        del item  # or it would still be held while the next one is read


def _items(
    found: Iterable[Iterable[File | Document]],
    rejected: Callable[[Rejection], None],
    known: Callable[[Sequence[str]], Mapping[str, bytes | None]],
    max_bytes: int,
) -> Iterator[Item]:
    seen: set[str] = set()
    for each, source_hash in chain.from_iterable(_with_hashes(iter(part), known) for part in found):
        if isinstance(each, File):
            if (real := os.path.realpath(each.path)) in seen:
                continue
            seen.add(real)
        try:
            item = _read_item(each, source_hash, max_bytes) if isinstance(each, File) else _given(each)
        except (SourceError, InvalidArgument) as error:
            rejected(rejection(_printable(each.uri or each.id), error))
            continue
        yield item
        del item, each  # or they would still be held while the next one is read


def _with_hashes(
    found: Iterator[File | Document], known: Callable[[Sequence[str]], Mapping[str, bytes | None]]
) -> Iterator[tuple[File | Document, bytes | None]]:
    while group := list(islice(found, _LOOKED_UP)):
        ids = [each.id for each in group if isinstance(each, File)]
        hashes = known(ids) if ids else {}
        group.reverse()
        while group:
            each = group.pop()
            yield each, hashes.get(each.id)
            del each


def _given(document: Document) -> Item:
    document = checked(document)
    return Item(id=document.id, uri=document.uri, source_hash=None, document=document)


def _read_item(file: File, known: bytes | None, max_bytes: int) -> Item:
    data = _read(file.path, max_bytes)
    source_hash = hashlib.blake2b(data, digest_size=16, key=hashlib.sha256(file.uri.encode()).digest()).digest()
    document = None if source_hash == known else checked(_document(file, data))
    return Item(id=file.id, uri=file.uri, source_hash=source_hash, document=document)


def _printable(name: object) -> str:
    """A name fit to be shown and stored, whatever it holds."""
    return str(name).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _document(file: File, data: bytes) -> Document:
    loaded = parse(data, file.id)
    return Document(
        id=file.id,
        text=loaded.text,
        title=loaded.title or PurePosixPath(file.id).stem,
        uri=file.uri,
        meta=loaded.meta,
    )


def _read(path: str, max_bytes: int) -> bytes:
    """The bytes of a regular file that did not change meanwhile."""
    try:
        before = Path(path).stat()
        if not stat.S_ISREG(before.st_mode):
            raise UnsupportedFormat("it is no regular file (a pipe, socket or device): leave it out")
        if before.st_size > max_bytes:
            raise SourceUnreadable(
                f"{before.st_size:,} bytes, more than max_bytes={max_bytes:,}: split it, or raise that"
            )
        # O_NONBLOCK: were it replaced by a pipe just now, opening it would wait for a writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise unreadable(error) from error
    if len(data) != before.st_size or _version(before) != _version(after):
        raise SourceUnreadable("it changed while it was read: ingest again once it is written")
    return data


def _version(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
