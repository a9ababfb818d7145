"""Results as text for a terminal, and the progress of an ingest."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ragdiet.amounts import dollars

if TYPE_CHECKING:
    from ragdiet.confidence import Calibrated
    from ragdiet.doctor import Diagnosis
    from ragdiet.ingest import Progress, Reembedded
    from ragdiet.rag import RAG
    from ragdiet.report import CostRow, Costs
    from ragdiet.types import Answer, IngestReport, ReembedReport

T = TypeVar("T")
_BAR = 40

_MOST_ROWS = 50


def ingest_with_progress(
    rag: RAG, source: Any, *, sync: bool = False, dry_run: bool = False, expires_at: timedelta | None = None
) -> IngestReport:
    """Ingest with a live line on a terminal, and a plain line every few seconds elsewhere."""
    is_live = sys.stderr.isatty() and not dry_run
    show = _live_line(_progress_text) if is_live else _plain_lines(_progress_text)
    try:
        return rag.ingest(source, sync=sync, dry_run=dry_run, expires_at=expires_at, progress=show)
    finally:
        if is_live:
            click.echo(err=True)


def reembed_with_progress(rag: RAG, embedder: str, **arguments: Any) -> ReembedReport:
    """Build a space with a live line on a terminal, and a plain line every few seconds elsewhere."""
    is_live = sys.stderr.isatty() and not arguments["dry_run"]
    show = _live_line(_reembed_text) if is_live else _plain_lines(_reembed_text)
    try:
        return rag.reembed(embedder, progress=show, **arguments)
    finally:
        if is_live:
            click.echo(err=True)


def reembed_line(report: ReembedReport) -> str:
    """What became of a space, in one line; scores below it."""
    will = "to embed" if report.dry_run else "embedded"
    lines = [
        f"{'dry run, nothing was written: ' if report.dry_run else ''}"
        f"{report.space} is {report.state}{f', since {report.reason}' if report.reason else ''}; "
        f"{report.chunks:,} chunks, {report.tokens:,} tokens {will}, {report.missing:,} chunks missing, "
        f"{report.seconds:.1f} s, ${report.cost:f}"
    ]
    if report.before and report.after:
        lines += [
            f"  {name:6}  recall@10 {each.recall:.3f}  nDCG@10 {each.ndcg:.3f}"
            for name, each in (("before", report.before), ("after", report.after))
        ]
    return "\n".join(lines)


def report_line(report: IngestReport) -> str:
    """An ingest in one line."""
    documents = sum(rejection.start is None for rejection in report.rejected)
    parts = len(report.rejected) - documents
    left_out = f", {parts:,} part{'s' * (parts > 1)} left out" if parts else ""
    return (
        f"{'dry run, nothing was written: ' if report.dry_run else ''}"
        f"{report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
        f"{report.deleted:,} deleted, {documents:,} rejected{left_out}; "
        f"{report.chunks:,} chunks, {report.tokens:,} tokens {'to embed' if report.dry_run else 'embedded'}, "
        f"{report.seconds:.1f} s, ${report.cost:f}"
    )


def rejection_lines(report: IngestReport) -> list[str]:
    """A line for each rejected document, and one for the parts left out of a document for the same reason."""
    parts = Counter((one.uri, one.error, one.reason) for one in report.rejected if one.start is not None)
    return [
        *(f"rejected {one.uri}: {one.error}: {one.reason}" for one in report.rejected if one.start is None),
        *(
            f"left out {count:,} part{'s' * (count > 1)} of {uri}: {error}: {reason}"
            for (uri, error, reason), count in parts.items()
        ),
    ]


def answer_lines(answer: Answer) -> str:
    """An answer with its numbered sources, confidence, tokens before and after the diet, and price."""
    lines = [answer.text if answer.choices else textwrap.fill(answer.text, 100), ""]
    for citation in answer.citations:
        lines.append(f"  [{citation.n}] {citation.uri or citation.document_id} ({citation.start}-{citation.end})")
    lines.append(f"  {answer.outcome}, confidence {answer.confidence:.2f}")
    if answer.outcome != "answered":
        lines += [f"  {tried.model or tried.step}: {tried.reason}" for tried in answer.attempts[:-1]]
    if answer.context:
        lines.append(
            f"  tokens: {answer.context.tokens_before:,} retrieved, {answer.context.tokens:,} after the diet "
            f"({answer.context.ratio:.0%})"
        )
    lines.append(f"  price ${answer.cost:f}   prompt_id {answer.prompt_id}")
    return "\n".join(lines)


def diagnosis_lines(diagnosis: Diagnosis, commands: Sequence[str]) -> str:
    """A line for each finding, those that are not ok in bold, then the ``commands`` that mend them."""
    width = max(len(finding.check) for finding in diagnosis.findings)
    lines = [
        click.style(line, bold=True) if finding.status != "ok" else line
        for finding in diagnosis.findings
        if (line := f"{finding.status:4}  {finding.check:{width}}  {finding.what}")
    ]
    if commands:
        lines += ["", "To mend it, in this order:", *commands]
    return "\n".join(lines)


def _live_line(text: Callable[[T], str]) -> Callable[[T], None]:
    def show(progress: T) -> None:
        click.echo(f"\r\033[K{text(progress)}", nl=False, err=True)

    return show


def _plain_lines(text: Callable[[T], str]) -> Callable[[T], None]:
    last = datetime.min.replace(tzinfo=UTC)

    def show(progress: T) -> None:
        nonlocal last
        if datetime.now(UTC) - last >= timedelta(seconds=5):
            last = datetime.now(UTC)
            click.echo(text(progress), err=True)

    return show


def _reembed_text(done: Reembedded) -> str:
    return f"{_bar(done.chunks, done.total)}{done.chunks:,} of {done.total:,} chunks, {done.tokens:,} tokens"


def _progress_text(progress: Progress) -> str:
    done = progress.added + progress.updated + progress.unchanged + progress.rejected
    return (
        f"{_bar(done, progress.total)}{done:,}{f' of {progress.total:,}' if progress.total else ''} documents, "
        f"{progress.unchanged:,} unchanged, {progress.rejected:,} rejected, {progress.chunks:,} chunks written"
    )


def _bar(done: int, total: int | None, width: int = 20) -> str:
    if not total:
        return ""
    filled = min(width, width * done // total)
    return f"[{'#' * filled}{'.' * (width - filled)}] "


def calibrated_lines(calibrated: Calibrated) -> str:
    """The certificate, or why there is none, and the reliability diagram as bars: "#" is the share that was right, "|"
    the mean confidence."""
    verdict = (
        f"certified: of the answers with a confidence of {calibrated.confidence.accept:.2f} or more at most "
        f"{calibrated.bound:.1%} are wrong, with probability {1 - calibrated.delta:.0%}"
        if calibrated.certified
        else f"not certified: {calibrated.reason}. The model stays as it was"
    )
    lines = [
        verdict,
        f"{calibrated.answered:,} of {calibrated.questions:,} questions answered ({calibrated.coverage:.1%}), "
        f"{calibrated.wrong:,} wrong ({calibrated.risk:.1%}); fitted on {calibrated.fitted_on:,} others; "
        f"${calibrated.cost:f}",
    ]
    if calibrated.without_verdict:
        lines.append(f"{calibrated.without_verdict:,} answered in other words than were judged: left out")
    for each in calibrated.bins:
        bar = ["#" if place < round(each.right * _BAR) else "." for place in range(_BAR + 1)]
        bar[round(each.score * _BAR)] = "|"
        lines.append(f"  {each.low:.1f}-{each.high:.1f}  {''.join(bar)}  {each.right:4.0%} of {each.replies:,} right")
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Rows as aligned columns, the first ``left`` of them to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def costs_lines(costs: Costs) -> str:
    """A line for each key, the dearest 50, and one for all."""
    if not costs:
        return "nothing was spent"
    header = (*costs.by, "calls", "asks", "tokens in", "from cache", "tokens out", "USD", "per ask", "not settled")
    lines = [header, *(_cost_cells(row) for row in costs[:_MOST_ROWS])]
    names = len(costs.by)
    if "tag" not in costs.by:  # a call counts under each of its tags
        sums = (
            f"{sum(getattr(row, name) for row in costs):,}"
            for name in ("calls", "input_tokens", "cache_read_tokens", "output_tokens")
        )
        calls, sent, cached, got = sums
        unsettled = dollars(costs.unsettled) if costs.unsettled else ""
        blank = ("",) * (names - 1)
        lines.append(("all", *blank, calls, "", sent, cached, got, dollars(costs.cost), "", unsettled))
    more = len(costs) - _MOST_ROWS
    return columns(lines, left=names) + (f"\nand {more:,} more keys: --csv has all" if more > 0 else "")


def _cost_cells(row: CostRow) -> tuple[str, ...]:
    return (
        *map(_printable, row.keys),
        f"{row.calls:,}",
        f"{row.asks:,}",
        f"{row.input_tokens:,}",
        f"{row.cache_read_tokens:,}",
        f"{row.output_tokens:,}",
        dollars(row.cost),
        dollars(row.cost_per_ask),
        dollars(row.unsettled) if row.unsettled_calls else "",
    )


def _printable(name: str) -> str:
    """A name that gives the terminal no orders."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name) or "(none)"
