"""A case as an issue for a tracker: Markdown with what happened, what was expected, and how to see it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ragdiet.failures.cause import MEANINGS

if TYPE_CHECKING:
    from ragdiet.failures.case import Case


def as_issue(case: Case, for_record: Callable[[str], str]) -> str:
    """Texts of the ask stand in blocks of code, so that nothing in them is read as Markdown. They are masked already;
    ``for_record`` masks what somebody said was expected."""
    return "\n".join(_lines(case, for_record)) + "\n"


def as_line(case: Case) -> str:
    """The case as a line of labelled questions, for a file that ``ragdiet eval`` reads."""
    row: dict[str, Any] = {"id": case.prompt_id, "question": case.question}
    if case.expected.answers:
        row["answers"] = [*case.expected.answers]
    if case.expected.documents:
        row["documents"] = [*case.expected.documents]
    if case.expected.outcome:
        row["outcome"] = case.expected.outcome
    return json.dumps(row, ensure_ascii=False)


def _lines(case: Case, for_record: Callable[[str], str]) -> Iterator[str]:
    record = case.record
    yield f"# {_titled(case)}"
    yield ""
    yield f"`{case.prompt_id}`, {case.opened_at:%Y-%m-%d %H:%M} UTC, collection `{case.collection}`"
    if case.cause:
        yield f"Cause: **{case.cause}**, {MEANINGS[case.cause]}{f': {case.evidence}' if case.evidence else ''}"
    if case.tags:
        yield f"Tags: {', '.join(f'`{tag}`' for tag in case.tags)}"
    if case.note:
        yield from ("", "## Note", "", *_block(case.note))
    yield from ("", "## Question", "", *_block(case.question))
    yield from ("", "## What happened", "")
    yield f"Outcome: {case.outcome}{f' ({case.reason})' if case.reason else ''}"
    if record.get("answer"):
        yield from ("", *_block(record["answer"]))
    if attempts := record.get("attempts"):
        yield from ("", "| step | model | accepted | confidence | why |", "|---|---|---|---|---|")
        for attempt in attempts:
            confidence = "" if attempt["confidence"] is None else f"{attempt['confidence']:.2f}"
            cells = (attempt["step"], attempt["model"] or "", "yes" if attempt["accepted"] else "no", confidence)
            yield f"| {' | '.join(map(_cell, (*cells, attempt['reason'])))} |"
    if hits := record.get("hits"):
        yield from ("", "## Hits", "", "| # | document | chunk | characters | score |", "|---|---|---|---|---|")
        for number, hit in enumerate(hits, 1):
            place = f"{hit['start']}-{hit['end']}"
            yield f"| {number} | {_cell(hit['document_id'])} | {hit['chunk_id']} | {place} | {hit['score']} |"
    if record.get("context"):
        yield from ("", "## Context", "", *_block(record["context"]))
    yield from ("", "## What was expected", "")
    yield from _expectation(case, for_record)
    yield from ("", "## See it again", "", "```sh", _command(case), "```")
    if versions := record.get("versions"):
        yield from ("", "## Versions", "", *_block(json.dumps(versions, indent=2, ensure_ascii=False)))


def _titled(case: Case) -> str:
    words = " ".join(case.question.split())
    return f"{case.kind}: {_cell(words[:80])}{'...' if len(words) > 80 else ''}"


def _expectation(case: Case, for_record: Callable[[str], str]) -> Iterator[str]:
    expected = case.expected
    if not expected:
        yield "Nothing was said yet: `ragdiet failures tag` takes an answer, documents or an outcome."
    if expected.answers:
        yield f"- an answer that says {' or '.join(f'`{_cell(for_record(answer))}`' for answer in expected.answers)}"
    if expected.documents:
        yield f"- a citation of {' or '.join(f'`{_cell(document)}`' for document in expected.documents)}"
    if expected.outcome:
        yield f"- the outcome `{expected.outcome}`"


def _command(case: Case) -> str:
    words = ["ragdiet", "--collection", case.collection]
    if case.tenant:
        words += ["--tenant", case.tenant]
    return shlex.join([*words, "failures", "replay", case.prompt_id])


def _block(text: str) -> Iterator[str]:
    """A block of code whose fence is longer than any within it."""
    fence = "```"
    while fence in text:
        fence += "`"
    yield from (f"{fence}text", text, fence)


def _cell(text: str) -> str:
    """A text within a line or a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("`", "'").replace("<", "&lt;").replace("[", "\\[")
