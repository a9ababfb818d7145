"""The gates in their order: what an ingest asks of each document, and of its chunks.

``screen`` needs the document alone. ``check_duplicates`` and ``strip_boilerplate`` need to be told what else
the collection holds, ``screen_chunks`` comes after the chunker. All are pure; a document that is kept out
raises the error that names why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from ragdiet.errors import (
    BadEncoding,
    Boilerplate,
    DuplicateDocument,
    LowInformation,
    NearDuplicate,
    SensitiveContent,
)
from ragdiet.quality.boilerplate import Edge, edge_lines, repeated_chunks, without_boilerplate
from ragdiet.quality.encoding import check_encoding, repair_document
from ragdiet.quality.fingerprint import Fingerprint, are_near, fingerprint
from ragdiet.quality.information import why_uninformative
from ragdiet.quality.language import language
from ragdiet.quality.policy import Quality
from ragdiet.sensitive import PERSONAL, SECRETS, Finding, Kind, find, masked
from ragdiet.types import Chunk, Document


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Part of a document that is not indexed, ``text[start:end]``, and why. ``error`` as in ``ragdiet.errors``."""

    start: int
    end: int
    error: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """A document that may go on. ``document`` is repaired and masked, with ``meta["lang"]`` and
    ``meta["sensitive"]`` (sorted kinds, those of its title too) where there is something to say; ``flagged``
    are the findings in its text, by its offsets. ``fingerprint`` is of the text before masking, None where the policy
    keeps duplicates. ``edges`` are empty for source code and where the policy keeps boilerplate. ``left_out``
    is what was masked or made blank.
    """

    document: Document
    fingerprint: Fingerprint | None
    edges: tuple[Edge, ...]
    flagged: tuple[Finding, ...]
    left_out: tuple[LeftOut, ...]


def screen(document: Document, policy: Quality) -> Screened:
    """``document`` as the policy wants it.

    Raises BadEncoding for a text that is too broken, or mis-decoded under ``encoding="reject"``;
    SensitiveContent for secrets or personal data that the policy rejects.
    """
    document = _decoded_well(document, policy)
    compared = "reject" in (policy.duplicates, policy.near_duplicates)
    own = fingerprint(document.text) if compared else None
    document, flagged, flagged_kinds, hidden = _without_sensitive(document, policy)
    is_code = document.meta.get("format") == "code"
    additions: dict[str, Any] = {}
    if policy.language and not is_code and "lang" not in document.meta and (tag := language(document.text)):
        additions["lang"] = tag
    if flagged_kinds:
        additions["sensitive"] = sorted(flagged_kinds)
    if additions:
        document = replace(document, meta={**document.meta, **additions})
    edges = edge_lines(document.text) if policy.boilerplate == "drop" and not is_code else ()
    left_out = tuple(
        LeftOut(start=each.start, end=each.end, error=SensitiveContent.__name__, reason=f"{each.kind} masked")
        for each in hidden
    )
    return Screened(document=document, fingerprint=own, edges=edges, flagged=flagged, left_out=left_out)


def check_duplicates(own: Fingerprint, others: Iterable[tuple[str, Fingerprint]], policy: Quality) -> None:
    """Compare a document with ``others``: pairs of id and fingerprint that have its ``text_hash`` or one of its
    bands, the document itself left out.

    Raises DuplicateDocument or NearDuplicate, as far as the policy rejects them.
    """
    near: str | None = None
    for other_id, other in others:
        if own.text_hash == other.text_hash:
            if policy.duplicates == "reject":
                raise DuplicateDocument(
                    f"the same text as {other_id!r}: delete one of them, or ingest with "
                    "quality=Quality(duplicates='keep')"
                )
        elif near is None and policy.near_duplicates == "reject" and are_near(own, other):
            near = other_id
    if near is not None:
        raise NearDuplicate(
            f"nearly the same text as {near!r}, with the same numbers and negations: delete one of them, or ingest "
            "with quality=Quality(near_duplicates='keep')"
        )


def strip_boilerplate(screened: Screened, repeated: Set[int]) -> Screened:
    """The document with the first and last lines made blank whose hashes are in ``repeated``: those of its
    ``edges`` that stand at the edge of at least ``boilerplate.REPEATED_IN`` documents, this one counted.

    Raises Boilerplate where it has no other line, and no number that would make a line its own.
    """
    if repeated.isdisjoint(edge.hash for edge in screened.edges):
        return screened
    document = screened.document
    if all(edge.hash in repeated for edge in screened.edges):
        lines = [line for line in document.text.split("\n") if line.strip()]
        if len(lines) == len(screened.edges) and not any(map(str.isdigit, "".join(lines))):
            raise Boilerplate(
                "it holds only lines that other documents of the collection begin or end with: leave it out, or "
                "ingest with quality=Quality(boilerplate='keep')"
            )
    text, blanked = without_boilerplate(
        document.text, screened.edges, repeated, headings=_heading_offsets(document.meta)
    )
    if not blanked:
        return screened
    left = tuple(f for f in screened.flagged if not any(a <= f.start and f.end <= b for a, b in blanked))
    meta = dict(document.meta)
    if lost := _kinds(screened.flagged) - _kinds(left) - _kinds(find(document.title or "")):
        meta["sensitive"] = [kind for kind in meta["sensitive"] if kind not in lost]
        if not meta["sensitive"]:
            del meta["sensitive"]
    reason = "a line that other documents begin or end with"
    lost_lines = (LeftOut(start=start, end=end, error=Boilerplate.__name__, reason=reason) for start, end in blanked)
    return replace(
        screened,
        document=replace(document, text=text, meta=meta),
        flagged=left,
        left_out=(*screened.left_out, *lost_lines),
    )


def screen_chunks(
    chunks: Sequence[Chunk], screened: Screened, policy: Quality
) -> tuple[tuple[Chunk, ...], tuple[LeftOut, ...]]:
    """The chunks worth indexing, numbered anew, with ``meta["sensitive"]`` for what is flagged in them; and
    those left out.

    Raises LowInformation where none is left.
    """
    repeats = frozenset(repeated_chunks(chunks)) if policy.boilerplate == "drop" else frozenset[int]()
    kept: list[Chunk] = []
    left_out: list[LeftOut] = []
    for place, chunk in enumerate(chunks):
        reason = why_uninformative(chunk.text, chunk.tokens) if policy.low_information == "drop" else None
        if reason is None and place in repeats:
            reason = "repeats an earlier chunk of its document"
        if reason is not None:
            left_out.append(LeftOut(start=chunk.start, end=chunk.end, error=LowInformation.__name__, reason=reason))
            continue
        kinds = sorted({f.kind for f in screened.flagged if f.start < chunk.end and f.end > chunk.start})
        meta = {**chunk.meta, "sensitive": kinds} if kinds else chunk.meta
        kept.append(replace(chunk, ordinal=len(kept), meta=meta))
    if left_out and not kept:
        reasons = ", ".join(sorted({one.reason for one in left_out}))
        raise LowInformation(
            f"nothing in it could answer a question ({reasons}): leave it out, or ingest with "
            "quality=Quality(low_information='keep')"
        )
    return tuple(kept), tuple(left_out)


def _decoded_well(document: Document, policy: Quality) -> Document:
    if policy.encoding == "keep":
        return document
    mended = repair_document(document)
    if mended is not document and policy.encoding == "reject":
        raise BadEncoding(
            'it was decoded with the wrong charset ("CafÃ©" for "Café"): decode its source as UTF-8, or ingest '
            "with quality=Quality(encoding='repair')"
        )
    check_encoding(mended.text)
    return mended


def _without_sensitive(
    document: Document, policy: Quality
) -> tuple[Document, tuple[Finding, ...], frozenset[Kind], list[Finding]]:
    """The document masked where the policy masks, what is flagged in its text, the kinds flagged in text or
    title, and what is masked in its text."""
    ways: dict[Kind, str] = {
        kind: policy.secrets if kind in SECRETS else policy.personal for kind in SECRETS | PERSONAL
    }
    if {*ways.values()} == {"keep"}:
        return document, (), frozenset(), []
    of_title, of_text = find(document.title or ""), find(document.text)
    for findings, is_title in ((of_title, True), (of_text, False)):
        for finding in findings:
            if ways[finding.kind] == "reject":
                line = document.text.count("\n", 0, finding.start) + 1
                option = "secrets" if finding.kind in SECRETS else "personal"
                raise SensitiveContent(
                    f"{'its title' if is_title else f'line {line:,}'} holds sensitive data ({finding.kind}): remove "
                    f"it, or ingest with quality=Quality({option}='mask')"
                )
    hidden_kinds = frozenset(kind for kind, way in ways.items() if way == "mask")
    hidden = [finding for finding in of_text if finding.kind in hidden_kinds]
    if hidden or not hidden_kinds.isdisjoint(_kinds(of_title)):
        meta = dict(document.meta)
        if isinstance(meta.get("headings"), list | tuple):  # titles out of the text; chunks repeat them
            meta["headings"] = [_masked_heading(entry, hidden_kinds) for entry in meta["headings"]]
        title = document.title if document.title is None else _masked(document.title, hidden_kinds)
        document = replace(document, text=masked(document.text, hidden), title=title, meta=meta)
    flagged = tuple(finding for finding in of_text if ways[finding.kind] == "flag")
    flagged_kinds = frozenset(kind for kind in _kinds((*of_title, *of_text)) if ways[kind] == "flag")
    return document, flagged, flagged_kinds, hidden


def _kinds(findings: Iterable[Finding]) -> frozenset[Kind]:
    return frozenset(finding.kind for finding in findings)


def _masked(text: str, kinds: Set[Kind]) -> str:
    return masked(text, (finding for finding in find(text) if finding.kind in kinds))


def _masked_heading(entry: object, kinds: Set[Kind]) -> object:
    match entry:
        case [int(offset), int(level), str(title)]:
            return [offset, level, _masked(title, kinds)]
        case _:
            return entry


def _heading_offsets(meta: Mapping[str, Any]) -> list[int]:
    headings = meta.get("headings")
    if not isinstance(headings, list | tuple):
        return []
    return [entry[0] for entry in headings if isinstance(entry, list | tuple) and entry and isinstance(entry[0], int)]
