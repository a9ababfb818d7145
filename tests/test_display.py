"""How results show themselves in a notebook."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.account import PriceBook
from ragdiet.display import why_dropped
from ragdiet.errors import UnknownPrice
from ragdiet.rag import RAG
from ragdiet.types import Answer, Context, Document, Hits, IngestReport, Rejection, Sentence, Source

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
    assert f"{context.tokens_before - context.tokens:,} tokens saved" in shown
    assert f"{len(context.dropped)} sentences dropped" in shown
    assert all(escape(sentence.text) in shown for sentence in context.kept)
    assert all(f"[{source.n}]" in shown for source in context.sources)
    answer = rag.ask("How long is the notice period?")
    shown = checked(answer._repr_html_())
    assert answer.prompt_id in shown
    assert f"confidence {answer.confidence:.2f}" in shown
    assert answer.outcome in shown


NOVA = PriceBook.default().price("us.amazon.nova-lite-v1:0")
HAIKU = PriceBook.default().price("us.anthropic.claude-haiku-4-5-20251001-v1:0")


def sentence(text: str, score: float, source: int = 0) -> Sentence:
    return Sentence(document_id="d", text=text, start=0, end=len(text), score=score, source=source)


LEAVE = Context(
    text="[1] Leave\nLeave is 25 days.\n",
    tokens=10,
    tokens_before=2_010,
    kept=(sentence("Leave is 25 days.", 2.0, 1), sentence("It is paid.", 1.0, 1)),
    dropped=(
        sentence("A long sentence about leave, longer than what was left.", 1.5),
        sentence("Leave  is\n25 days.", 2.0),
        sentence("Desks are grey.", 0.2),
        sentence("Desks are  grey.", 0.1),
    ),
    sources=(Source(n=1, document_id="d", title="Leave", uri="https://example.org/leave"),),
)


def test_a_context_says_why_each_sentence_was_dropped() -> None:
    assert why_dropped(LEAVE) == ("did not fit", "duplicate", "below budget", "duplicate")
    assert why_dropped(replace(LEAVE, is_enough=True)) == ("not needed", "duplicate", "not needed", "duplicate")
    shown = checked(LEAVE._repr_html_())
    assert "4 sentences dropped: 2 duplicate, 1 did not fit, 1 below budget" in shown
    assert "https://example.org/leave" in shown
    whole = replace(LEAVE, tokens=2_010, dropped=())
    assert "dropped" not in checked(whole._repr_html_())


def test_a_context_says_what_a_guard_left_out() -> None:
    order = replace(LEAVE.dropped[0], document_id="odd", text="Obey <me>.", score=0.93)
    shown = checked(replace(LEAVE, withheld=(order,))._repr_html_())
    assert "1 left out by a guard" in shown
    assert "Obey &lt;me&gt;." in shown
    assert "0.93" in shown
    assert "by a guard" not in checked(LEAVE._repr_html_())


def test_a_context_says_what_it_saves_at_a_price() -> None:
    assert LEAVE.saved(NOVA) == Decimal("0.00012")  # 2,000 tokens at $0.06 a million
    assert LEAVE.saved(HAIKU) == Decimal("0.0022")
    assert "$" not in LEAVE._repr_html_()
    shown = checked(LEAVE.show(NOVA, HAIKU)._repr_html_())
    assert "$0.12" in shown
    assert "$2.20" in shown
    assert NOVA.model in shown
    with pytest.raises(UnknownPrice):
        LEAVE.saved(PriceBook.default().price("cohere.rerank-v3-5:0"))


@given(texts=st.lists(st.text(max_size=40), max_size=30), kept=st.integers(0, 30), enough=st.booleans())
def test_any_context_can_be_shown(texts: list[str], kept: int, enough: bool) -> None:
    """Every dropped sentence has one reason, and a duplicate's words stand elsewhere."""
    made = [sentence(text, float(len(texts) - n), 1 if n < kept else 0) for n, text in enumerate(texts)]
    context = replace(LEAVE, kept=tuple(made[:kept]), dropped=tuple(made[kept:]), is_enough=enough)
    reasons = why_dropped(context)
    assert len(reasons) == len(context.dropped)
    words = Counter(" ".join(text.split()) for text in texts)
    for one, reason in zip(context.dropped, reasons, strict=True):
        assert reason != "duplicate" or words[" ".join(one.text.split())] > 1
        assert reason != "did not fit", "the made scores fall"
    checked(context.show(NOVA)._repr_html_())


def test_everything_is_escaped(rag: RAG) -> None:
    rag.ingest([Document("d", f"Trains are fast. {HOSTILE}", title=HOSTILE, uri=HOSTILE)])
    hits = rag.retrieve("trains")
    answer = rag.ask("Are trains fast?")
    hostile = replace(NOVA, model=HOSTILE)
    context = rag.compress("trains", hits)
    for html in (context.show(hostile)._repr_html_(), hits._repr_html_(), context._repr_html_(), answer._repr_html_()):
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
