"""How the parts of an office file refer to one another (Open Packaging Conventions, ECMA-376 part 2)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from ragdiet.load.archive import Archive, tree
from ragdiet.load.loaded import one_line, printable


@dataclass(frozen=True, slots=True)
class Relation:
    """``kind`` is the last word of the relationship's type, such as ``worksheet``; ``path`` that of its part."""

    id: str
    kind: str
    path: str


def relations(archive: Archive, part: str) -> list[Relation]:
    """What a part refers to within the archive; the package itself is the part of the empty name."""
    folder, _, name = part.rpartition("/")
    path = posixpath.join(folder, "_rels", f"{name}.rels")
    if path not in archive:
        return []
    return [
        Relation(
            id=each.get("Id", ""),
            kind=each.get("Type", "").rpartition("/")[2],
            path=posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/"),
        )
        for each in tree(archive.xml(path)).iterfind("{*}Relationship")
        if each.get("TargetMode") != "External"
    ]


def core_title(archive: Archive) -> str | None:
    """The title in the document's properties, if its author gave one."""
    for relation in relations(archive, ""):
        if relation.kind == "core-properties" and relation.path in archive:
            title = tree(archive.xml(relation.path)).findtext("{*}title")
            return one_line(printable(title or "")) or None
    return None
