"""Results as HTML, for notebooks: small tables and bars, everything escaped, no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.types import Answer, Citation, Context, Hit, IngestReport, Rejection

_BLOCK = "font-family: sans-serif; font-size: 13px; max-width: 60em"
_MUTED = "color: #6b6b6b"
_CELL = "text-align: left; vertical-align: top; padding: 2px 10px 2px 0"
_COLOURS = {"answered": "#2e7d32", "clarify": "#1565c0", "abstained": "#b26a00", "failed": "#b3261e"}

_STATUS_COLOURS = {"ok": "#2e7d32", "warn": "#b26a00", "fail": "#b3261e"}


def hits_html(hits: Sequence[Hit]) -> str:
    """A row for each hit: its score, where each leg ranked it, its source and the start of its text."""
    if not hits:
        return f'<div style="{_BLOCK}">no hits</div>'
    best = max(hit.score for hit in hits)
    worst = min(hit.score for hit in hits)
    rows = (
        (
            _bar((hit.score - worst) / (best - worst) if best > worst else 1.0, f"{hit.score:.2f}"),
            _rank(hit.keyword_rank, hit.keyword_score),
            _rank(hit.dense_rank, hit.dense_score),
            escape(hit.title or hit.document_id),
            escape(_short(hit.text, 160)),
        )
        for hit in hits
    )
    return _table(("score", "keyword", "dense", "source", "text"), rows)


def context_html(context: Context) -> str:
    """What the diet kept, in the prompt's order, and what it dropped, best first."""
    saved = f"{context.tokens:,} of {context.tokens_before:,} tokens ({context.ratio:.0%})"
    kept = "".join(
        f"<li>[{sentence.source}] {escape(sentence.text)} <span style='{_MUTED}'>{sentence.score:.2f}</span></li>"
        for sentence in context.kept
    )
    dropped = "".join(
        f"<li><s>{escape(_short(sentence.text, 200))}</s> {sentence.score:.2f}</li>"
        for sentence in sorted(context.dropped, key=lambda sentence: -sentence.score)[:20]
    )
    more = len(context.dropped) - 20
    return (
        f'<div style="{_BLOCK}">{_bar(context.ratio, saved)}'
        f"<ul>{kept}</ul>"
        f'<details style="{_MUTED}"><summary>{len(context.dropped)} sentences dropped</summary><ul>{dropped}</ul>'
        f"{f'and {more} more' if more > 0 else ''}</details></div>"
    )


def answer_html(answer: Answer) -> str:
    """The answer, its sources, its confidence as a bar, its price, and the steps that led to it."""
    colour = _COLOURS[answer.outcome]
    steps = (
        (
            escape(attempt.step),
            escape(attempt.model or ""),
            "accepted" if attempt.accepted else "not accepted",
            escape(attempt.reason),
            f"${attempt.cost:f}",
            f"{attempt.seconds * 1000:.0f} ms",
        )
        for attempt in answer.attempts
    )
    return (
        f'<div style="{_BLOCK}; border-left: 3px solid {colour}; padding-left: 10px">'
        f"<p style='white-space: pre-line'>{escape(answer.text)}</p>"
        f"<ol style='{_MUTED}; list-style: none; padding: 0'>{''.join(map(_source, answer.citations))}</ol>"
        f"{_bar(answer.confidence, f'confidence {answer.confidence:.2f}', colour)}"
        f"<p><b style='color: {colour}'>{answer.outcome}</b> &middot; ${answer.cost:f} &middot; {_diet(answer)}"
        f"<span style='{_MUTED}'>{escape(answer.prompt_id)}</span></p>"
        f"<details><summary>{len(answer.attempts)} steps</summary>"
        f"{_table(('step', 'model', '', 'why', 'price', 'time'), steps)}</details></div>"
    )


def report_html(report: IngestReport) -> str:
    """The counts of an ingest, and what was rejected."""
    counts = _table(
        ("added", "updated", "unchanged", "deleted", "rejected", "chunks", "tokens", "seconds", "price"),
        [
            (
                f"{report.added:,}",
                f"{report.updated:,}",
                f"{report.unchanged:,}",
                f"{report.deleted:,}",
                f"{sum(one.start is None for one in report.rejected):,}",
                f"{report.chunks:,}",
                f"{report.tokens:,}",
                f"{report.seconds:.1f}",
                f"${report.cost:f}",
            )
        ],
    )
    if report.dry_run:
        counts = f"<div style='{_BLOCK}'>dry run: nothing was written or spent</div>{counts}"
    if not report.rejected:
        return counts
    rows = ((escape(_place(one)), escape(one.error), escape(one.reason)) for one in report.rejected)
    return counts + _table(("rejected", "error", "reason"), rows)


def diagnosis_html(findings: Sequence[tuple[str, str, str, Sequence[str]]]) -> str:
    """A row for each finding: its status, its check, what was found, and the commands that mend it."""
    rows = (
        (
            f"<b style='color: {_STATUS_COLOURS[status]}'>{status}</b>",
            escape(check),
            escape(what) + "".join(f"<br><code>{escape(command)}</code>" for command in mend),
        )
        for status, check, what, mend in findings
    )
    return _table(("", "check", "found"), rows)


def _place(rejection: Rejection) -> str:
    return rejection.uri if rejection.start is None else f"{rejection.uri} ({rejection.start}-{rejection.end})"


def _source(citation: Citation) -> str:
    where = escape(citation.uri or citation.document_id)
    return f"<li>[{citation.n}] {where} ({citation.start}&ndash;{citation.end})</li>"


def _diet(answer: Answer) -> str:
    context = answer.context
    return f"{context.tokens_before:,} &rarr; {context.tokens:,} tokens &middot; " if context else ""


def _rank(rank: int | None, score: float) -> str:
    place = "&ndash;" if rank is None else f"#{rank}"
    return f"<span style='white-space: nowrap'>{place} <span style='{_MUTED}'>{score:.2f}</span></span>"


def _bar(share: float, label: str, colour: str = "#5b7db1") -> str:
    width = round(100 * min(1.0, max(0.0, share)))
    return (
        f"<div style='display: flex; align-items: center; gap: 8px; white-space: nowrap'>"
        f"<div style='width: 100px; height: 8px; background: #e4e4e4'>"
        f"<div style='width: {width}px; height: 8px; background: {colour}'></div></div>{escape(label)}</div>"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th style='{_CELL}; {_MUTED}'>{name}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table style='{_BLOCK}; border-collapse: collapse'><tr>{head}</tr>{body}</table>"


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
