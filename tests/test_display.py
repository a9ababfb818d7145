"""How results show themselves in a notebook."""

from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

from ragdiet.rag import RAG
from ragdiet.types import Answer, Document, Hits, IngestReport, Rejection

HOSTILE = "<script>alert('x')</script> & \"quotes\""


class Checker(HTMLParser):
    """Fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(html: str) -> str:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert "script" not in checker.tags
    return html


def test_results_show_themselves(rag: RAG, handbook: Path) -> None:
    report = rag.ingest(handbook)
    assert "<td" in checked(report._repr_html_())
    hits = rag.retrieve("How long is the notice period?")
    shown = checked(hits._repr_html_())
    assert all(f"{hit.score:.2f}" in shown for hit in hits)
    assert checked(hits[0]._repr_html_())
    context = rag.compress("How long is the notice period?", hits, 40)
    shown = checked(context._repr_html_())
    assert f"{context.tokens:,} of {context.tokens_before:,} tokens" in shown
    assert f"{len(context.dropped)} sentences dropped" in shown
    answer = rag.ask("How long is the notice period?")
    shown = checked(answer._repr_html_())
    assert answer.prompt_id in shown
    assert f"confidence {answer.confidence:.2f}" in shown
    assert answer.outcome in shown


def test_everything_is_escaped(rag: RAG) -> None:
    rag.ingest([Document("d", f"Trains are fast. {HOSTILE}", title=HOSTILE, uri=HOSTILE)])
    hits = rag.retrieve("trains")
    answer = rag.ask("Are trains fast?")
    for html in (hits._repr_html_(), rag.compress("trains", hits)._repr_html_(), answer._repr_html_()):
        checked(html)


def test_nothing_to_show() -> None:
    assert "no hits" in checked(Hits()._repr_html_())
    empty = Answer(
        text="",
        citations=(),
        confidence=0.0,
        outcome="abstained",
        cost=Decimal(0),
        attempts=(),
        prompt_id="p",
        context=None,
    )
    assert "abstained" in checked(empty._repr_html_())


def test_rejections_are_listed() -> None:
    report = IngestReport(
        added=0,
        updated=0,
        unchanged=0,
        deleted=0,
        rejected=(Rejection(uri=HOSTILE, reason=HOSTILE, error="BadEncoding"),),
        chunks=0,
        tokens=0,
        seconds=0.0,
        cost=Decimal(0),
    )
    assert "BadEncoding" in checked(report._repr_html_())
