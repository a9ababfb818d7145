"""The files of a folder, each once, in an order that does not change."""

from __future__ import annotations

import os
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ragdiet.errors import SourceError, SourceUnreadable
from ragdiet.load.pattern import EVERYTHING, Pattern, Progress
from ragdiet.types import Rejection


@dataclass(frozen=True, slots=True)
class File:
    """A file to load. ``path`` is absolute; ``id`` is its path below the source, with forward slashes."""

    path: str
    id: str

    @property
    def uri(self) -> str:
        return Path(self.path).as_uri()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name met on the way. ``above`` are the folders it lies in, by device and inode."""

    path: str
    relative: str
    is_folder: bool
    progress: Progress
    above: tuple[tuple[int, int], ...]


def absolute(path: str | Path) -> str:
    """The absolute path as it was given, links kept; ".." is resolved, since it means the folder behind a link."""
    given = Path(path)
    return str(given.resolve() if ".." in given.parts else given.absolute())


def document_id(relative: str) -> str:
    """A path as an id: the same on systems that compose accents and on those that do not.

    Bytes of a name that are no UTF-8 are written out, as in ``caf\\xe9.txt``.
    """
    return unicodedata.normalize("NFC", os.fsencode(relative).decode("utf-8", "backslashreplace"))


def rejection(uri: str, error: Exception) -> Rejection:
    """``error`` as it is reported."""
    return Rejection(uri=uri, reason=str(error), error=type(error).__name__)


def unreadable(error: OSError) -> SourceError:
    """What the operating system said, with what to do about it."""
    if isinstance(error, FileNotFoundError):
        return SourceUnreadable("it vanished, or is a link that leads nowhere: restore it, or remove the link")
    if isinstance(error, PermissionError):
        return SourceUnreadable("permission denied: let this user read it, or leave it out")
    return SourceUnreadable(f"it cannot be read ({error.strerror or error}): mend that, then ingest again")


def walk(root: str, rejected: Callable[[Rejection], None], pattern: Pattern = EVERYTHING) -> Iterator[File]:
    """Files below the absolute path ``root`` that match, by name; then what links lead to.

    Real folders and files come before links, so that a link never takes the id of what it points to; each
    folder is entered once. Folders that cannot be read, and links to a folder they lie in, are ``rejected``.
    """
    entered: set[tuple[int, int]] = set()
    links: deque[_Entry] = deque()
    pending = [_Entry(root, "", True, pattern.start, ())]
    while pending or links:
        entry = pending.pop() if pending else links.popleft()
        if not entry.is_folder:
            yield File(entry.path, document_id(entry.relative))
            continue
        try:
            status = Path(entry.path).stat()
            key = (status.st_dev, status.st_ino)
            if key in entry.above:
                raise SourceUnreadable("a link to a folder it lies in: remove the link")
            if key in entered:
                continue
            entered.add(key)
            with os.scandir(entry.path) as scan:
                below = list(_below(entry, key, sorted(scan, key=lambda found: found.name), pattern))
        except SourceError as error:
            rejected(rejection(Path(entry.path).as_uri(), error))
        except OSError as error:
            rejected(rejection(Path(entry.path).as_uri(), unreadable(error)))
        else:
            links.extend(each for each, is_link in below if is_link)
            pending.extend(each for each, is_link in reversed(below) if not is_link)


def _below(
    folder: _Entry, key: tuple[int, int], names: Iterable[os.DirEntry[str]], pattern: Pattern
) -> Iterator[tuple[_Entry, bool]]:
    """What the pattern takes of ``names``, and whether it is a link."""
    for found in names:
        relative = f"{folder.relative}/{found.name}" if folder.relative else found.name
        try:
            is_folder = found.is_dir()
        except OSError:  # such as a link to itself: reading it says so
            is_folder = False
        if is_folder:
            progress = pattern.enter(folder.progress, found.name)
            if progress:
                yield _Entry(found.path, relative, True, progress, (*folder.above, key)), found.is_symlink()
        elif pattern.accepts(folder.progress, found.name):
            yield _Entry(found.path, relative, False, folder.progress, ()), found.is_symlink()
