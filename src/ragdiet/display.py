"""Results as HTML, for notebooks: small tables and bars, everything escaped, no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import inf
from typing import TYPE_CHECKING

from ragdiet.amounts import dollars

if TYPE_CHECKING:
    from ragdiet.account import PriceRow
    from ragdiet.confidence import Bin, Calibrated
    from ragdiet.report import CostRow
    from ragdiet.types import Answer, Citation, Context, Hit, IngestReport, Rejection, Sentence, Source

# Text takes the notebook's own colour, and greys are see-through, so that light and dark themes both can be read.
_BLOCK = "font-family: sans-serif; font-size: 13px; max-width: 60em"
_MUTED = "color: #808080"
_TRACK = "rgba(128, 128, 128, 0.25)"
_CELL = "text-align: left; vertical-align: top; padding: 2px 10px 2px 0; background: none"
_GREEN, _BLUE, _AMBER, _RED = "#2f9145", "#3b82d0", "#c07a10", "#d9503f"
_COLOURS = {"answered": _GREEN, "clarify": _BLUE, "abstained": _AMBER, "failed": _RED}
_STATUS_COLOURS = {"ok": _GREEN, "warn": _AMBER, "fail": _RED}
_PROMPTS = 1_000
_MOST_DROPPED = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """HTML that a notebook shows."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


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


def context_html(context: Context, prices: Sequence[PriceRow] = ()) -> str:
    """What the diet kept, by source in the prompt's order, what it dropped and why, and the money saved.

    Savings are told for 1,000 such prompts, since one saves fractions of a cent.
    """
    left = f"{context.tokens:,} of {context.tokens_before:,} tokens ({context.ratio:.0%})"
    saved = context.tokens_before - context.tokens
    best = max((sentence.score for sentence in (*context.kept, *context.dropped)), default=0.0)
    return (
        f'<div style="{_BLOCK}">{_bar(context.ratio, left)}'
        f"<div style='{_MUTED}'>{saved:,} tokens saved, {len(context.kept)} sentences kept</div>"
        f"{_money(context, prices)}"
        f"{''.join(_kept(source, context, best) for source in context.sources)}"
        f"{_dropped(context, best)}{_withheld(context)}</div>"
    )


def why_dropped(context: Context) -> tuple[str, ...]:
    """The reason for each of ``context.dropped``, in its order.

    "duplicate": a sentence that is kept, or dropped with a better score, has the same words. "did not fit":
    sentences with lower scores are kept, since this one was longer than what the budget had left, or since they are the
    best of their passages, which go before. Of the rest, "not needed" where the diet had enough, else "below budget":
    the budget went to better ones.
    """
    lowest = min((sentence.score for sentence in context.kept), default=inf)
    seen = {_words(sentence.text) for sentence in context.kept}
    reasons: dict[int, str] = {}
    for place, sentence in sorted(enumerate(context.dropped), key=lambda pair: -pair[1].score):
        words = _words(sentence.text)
        if words in seen:
            reasons[place] = "duplicate"
        elif sentence.score > lowest and not context.is_enough:
            reasons[place] = "did not fit"
        else:
            reasons[place] = "not needed" if context.is_enough else "below budget"
        seen.add(words)
    return tuple(reasons[place] for place in range(len(context.dropped)))


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


def calibrated_html(calibrated: Calibrated) -> str:
    """The certificate, or why there is none, and the reliability diagram."""
    colour = _GREEN if calibrated.certified else _AMBER
    verdict = f"certified: accept at {calibrated.confidence.accept:.2f}" if calibrated.certified else "not certified"
    risk = (
        f"{calibrated.wrong:,} wrong ({calibrated.risk:.1%}); at most {calibrated.bound:.1%} "
        f"with probability {1 - calibrated.delta:.0%}"
    )
    return (
        f'<div style="{_BLOCK}; border-left: 3px solid {colour}; padding-left: 10px">'
        f"<p><b style='color: {colour}'>{verdict}</b> {escape(calibrated.reason)}</p>"
        f"{_bar(calibrated.coverage, f'{calibrated.answered:,} of {calibrated.questions:,} questions answered')}"
        f"{_bar(calibrated.risk, risk, _RED)}{_reliability(calibrated.bins)}</div>"
    )


def _reliability(bins: Sequence[Bin]) -> str:
    """What was said against what came true, a dot for each tenth; on the line both are the same."""
    side = 160
    most = max((each.replies for each in bins), default=1)
    dots = "".join(
        f"<circle cx='{each.score * side:.1f}' cy='{side - each.right * side:.1f}' "
        f"r='{3 + 5 * each.replies / most:.1f}' fill='{_BLUE}'>"
        f"<title>{each.replies:,} replies: confidence {each.score:.2f}, right {each.right:.2f}</title></circle>"
        for each in bins
    )
    return (
        f"<svg viewBox='-10 -10 {side + 20} {side + 34}' width='{side + 20}' role='img' "
        f"aria-label='share of right replies by confidence'>"
        f"<rect width='{side}' height='{side}' fill='none' stroke='{_TRACK}'/>"
        f"<line x1='0' y1='{side}' x2='{side}' y2='0' stroke='{_TRACK}'/>{dots}"
        f"<text y='{side + 18}' font-size='11' fill='#808080'>confidence, and how many were right</text></svg>"
    )


def plan_html(question: str, rows: Sequence[Sequence[str]], note: str) -> str:
    """The plan of an ask: a table whose first row is its head."""
    head, *steps = [tuple(map(escape, row)) for row in rows]
    return (
        f'<div style="{_BLOCK}"><p><b>{escape(question)}</b></p>{_table(head, steps)}'
        f"<p style='{_MUTED}'>{escape(note)}</p></div>"
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


def costs_html(by: Sequence[str], rows: Sequence[CostRow]) -> str:
    """A row for each key: its share of the money as a bar, and what it was spent on."""
    if not rows:
        return f'<div style="{_BLOCK}">nothing was spent</div>'
    dearest = max(row.cost for row in rows)
    cells = (
        (
            *map(escape, row.keys),
            _bar(float(row.cost / dearest) if dearest else 0.0, dollars(row.cost)),
            dollars(row.unsettled) if row.unsettled_calls else "",
            f"{row.calls:,}",
            f"{row.asks:,}",
            dollars(row.cost_per_ask),
            f"{row.input_tokens:,}",
            f"{row.cache_read_tokens:,}",
            f"{row.output_tokens:,}",
        )
        for row in rows
    )
    header = (*by, "cost", "of it not settled", "calls", "asks", "per ask", "tokens in", "from cache", "tokens out")
    return _table(header, cells)


def _place(rejection: Rejection) -> str:
    return rejection.uri if rejection.start is None else f"{rejection.uri} ({rejection.start}-{rejection.end})"


def _source(citation: Citation) -> str:
    where = escape(citation.uri or citation.document_id)
    return f"<li>[{citation.n}] {where} ({citation.start}&ndash;{citation.end})</li>"


def _money(context: Context, prices: Sequence[PriceRow]) -> str:
    """A row for each price: the model, what 1,000 such prompts save, and the day the price was checked."""
    if not prices:
        return ""
    rows = (
        (
            escape(f"{price.model} {price.region}".rstrip()),
            f"<b>${_PROMPTS * context.saved(price):,.2f}</b>",
            f"{price.checked}",
        )
        for price in prices
    )
    return _table(("model", f"saved in {_PROMPTS:,} such prompts", "price of"), rows)


def _kept(source: Source, context: Context, best: float) -> str:
    """One numbered block of the prompt: its source, and its sentences with their scores."""
    name = f"<b>[{source.n}] {escape(source.title or source.document_id)}</b>"
    uri = f" <span style='{_MUTED}'>{escape(source.uri)}</span>" if source.uri else ""
    rows = ((_score(sentence, best), escape(sentence.text)) for sentence in context.kept if sentence.source == source.n)
    return f"<div style='margin-top: 6px'>{name}{uri}</div>{_rows(rows)}"


def _dropped(context: Context, best: float) -> str:
    """The best of what was dropped, folded away, under the number of sentences that each reason took."""
    if not context.dropped:
        return ""
    reasons = why_dropped(context)
    counts = ", ".join(f"{number:,} {reason}" for reason, number in Counter(reasons).most_common())
    first = sorted(zip(context.dropped, reasons, strict=True), key=lambda pair: -pair[0].score)[:_MOST_DROPPED]
    rows = (
        (
            _score(sentence, best),
            f"<span style='white-space: nowrap'>{reason}</span>",
            f"<span style='{_MUTED}'>{escape(_short(sentence.text, 200))}</span>",
        )
        for sentence, reason in first
    )
    more = len(context.dropped) - len(first)
    rest = f"<div style='{_MUTED}'>and {more:,} more</div>" if more else ""
    return (
        f"<details style='margin-top: 6px'><summary>{len(context.dropped):,} sentences dropped: {counts}</summary>"
        f"{_table(('score', 'why', 'sentence'), rows)}"
        f"{rest}</details>"
    )


def _withheld(context: Context) -> str:
    """What a guard kept from the diet, with its score, which is in [0, 1]."""
    if not context.withheld:
        return ""
    rows = (
        (_score(sentence, 1.0), escape(sentence.document_id), escape(_short(sentence.text, 200)))
        for sentence in context.withheld[:_MOST_DROPPED]
    )
    return (
        f"<details style='margin-top: 6px'><summary>{len(context.withheld):,} left out by a guard</summary>"
        f"{_table(('score', 'document', 'sentence'), rows)}</details>"
    )


def _score(sentence: Sentence, best: float) -> str:
    return _bar(sentence.score / best if best > 0 else 0.0, f"{sentence.score:.2f}", width=50)


def _words(text: str) -> str:
    return " ".join(text.split())


def _diet(answer: Answer) -> str:
    context = answer.context
    return f"{context.tokens_before:,} &rarr; {context.tokens:,} tokens &middot; " if context else ""


def _rank(rank: int | None, score: float) -> str:
    place = "&ndash;" if rank is None else f"#{rank}"
    return f"<span style='white-space: nowrap'>{place} <span style='{_MUTED}'>{score:.2f}</span></span>"


def _bar(share: float, label: str, colour: str = _BLUE, *, width: int = 100) -> str:
    filled = round(width * min(1.0, max(0.0, share)))
    return (
        f"<div style='display: flex; align-items: center; gap: 8px; white-space: nowrap'>"
        f"<div style='width: {width}px; height: 8px; background: {_TRACK}'>"
        f"<div style='width: {filled}px; height: 8px; background: {colour}'></div></div>{escape(label)}</div>"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th style='{_CELL}; {_MUTED}'>{name}</th>" for name in header)
    return _rows(rows, f"<tr>{head}</tr>")


def _rows(rows: Iterable[Sequence[str]], head: str = "") -> str:
    body = "".join("<tr>" + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table style='{_BLOCK}; border-collapse: collapse'>{head}{body}</table>"


def _short(text: str, most: int) -> str:
    line = _words(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
