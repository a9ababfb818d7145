"""Quotes: the chain walked with chances, what history and priors say of them, and the plan that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet.account import MemoryLedger, PastAsk, PastReply, Ratio
from ragdiet.ask.forecast import Prospect, Reader, drawn, quote_of
from ragdiet.ask.foreseen import reader_of
from ragdiet.fallback import Chain, Research, Step, cited, confident
from ragdiet.generate import answer_length
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.types import GuardVerdict, Prompt, Quote
from tests.embedders import WordEmbedder
from tests.test_ask import DOCUMENTS, Scripted, Sure

QUESTION = "How long is the notice period?"
CHAIN = Chain([Research(), Step("small"), Step("large")])
SMALL = Reader(accepted=0.7, prompt=Decimal("0.001"), token=Decimal("0.00001"), cap=200, longest=1000)
LARGE = replace(SMALL, accepted=0.9, prompt=Decimal("0.01"), token=Decimal("0.0001"))
READERS = {"small": SMALL, "large": LARGE}


def quoted(**known: object) -> Quote:
    return quote_of(drawn(CHAIN, Prospect(**({"passes": True, "readers": READERS} | known))))  # type: ignore[arg-type]


def test_where_a_reply_was_always_accepted_no_other_model_is_paid_for() -> None:
    sure = replace(SMALL, accepted=1.0, lengths=[0.1] * 10_000)
    quote = quoted(readers={"small": sure, "large": LARGE})
    for amount in (quote.least, quote.expected, quote.most):
        assert amount == pytest.approx(Decimal("0.0012"), rel=Decimal("0.001"))
    never = quoted(readers={"small": replace(SMALL, accepted=0.0), "large": LARGE})
    assert never.least > Decimal("0.011")


def test_what_stops_before_a_model_costs_its_searches_alone() -> None:
    search, research = (Decimal("0.0001"), Decimal("0.0002")), Decimal("0.0005")
    stopped = quoted(passes=False, search=search, research=research)
    assert (stopped.least, stopped.most) == (Decimal("0.0006"), Decimal("0.0007"))
    unclear = quoted(unclear=True, search=search, research=research)
    assert (unclear.least, unclear.most) == search
    found = quoted(passes=False, found_again=0.5, research=research)
    assert found.least == research
    assert found.most > Decimal("0.01")
    assert quoted(known=1.0).most == 0
    assert quoted(known=0.5).least == 0


class Pricey:
    """A guard elsewhere at a microdollar a character that stops every reply."""

    name = "pricey"

    def most(self, *characters: int) -> Decimal:
        return Decimal(sum(characters)) / 1_000_000

    def check_input(self, text: str) -> GuardVerdict:
        return GuardVerdict(cost=self.most(len(text)))

    def check_output(self, text: str) -> GuardVerdict:
        return GuardVerdict()

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        return GuardVerdict(action="block", cost=self.most(len(text), len(question), len(sources)))


def test_the_worst_has_a_long_reply_of_each_model_judged(database: Database) -> None:
    long = f"The notice period is {'three ' * 600}months [1]."
    models = [Scripted(name, long, "0") for name in ("small", "middle", "large")]
    rag = RAG(database, embedder=WordEmbedder(), models=models, confidence=Sure(), guards=[Pricey()])
    rag.ingest(DOCUMENTS)
    worst = rag.quote(QUESTION).worst
    answer = rag.ask(QUESTION)
    assert [attempt.model for attempt in answer.attempts if attempt.model] == ["small", "middle", "large"]
    assert answer.cost > 3 * Pricey().most(len(long))
    assert worst is not None
    assert answer.cost <= worst


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.floats(0, 0.5), st.floats(0, 0.3))
def test_quotes_are_ordered_whatever_is_known(
    accepted: float, found_again: float, passes: bool, known: float, spread: float
) -> None:
    readers = {"small": replace(SMALL, accepted=accepted, spread=spread), "large": LARGE}
    known_of = {"readers": readers, "found_again": found_again, "passes": passes, "known": known}
    quote = quoted(**known_of)
    assert 0 <= quote.least <= quote.expected <= quote.most
    assert quote == quoted(**known_of)


def flat(least: str, expected: str, most: str) -> Quote:
    return Quote(least=Decimal(least), expected=Decimal(expected), most=Decimal(most))


def foreseen(past: Sequence[PastAsk] = (), quote: Quote | None = None, longest: Quote | None = None) -> Reader:
    return reader_of(
        "small",
        quote or flat("0.0008", "0.00166", "0.01"),  # a reply of 66 tokens
        longest or flat("0.0008", "0.00433", "0.05"),  # one of 333
        cap=200,
        ratio=Ratio(logs=()),
        past=past,
        confidence=0.6,
    )


def ask(*tokens: int, model: str = "small", accepted: bool = True, **of: object) -> PastAsk:
    return PastAsk(
        question=QUESTION,
        model=model if accepted else "",
        reused=False,
        searches=1,
        replies=tuple(PastReply(model=model, attempt=2, tokens=each, **of) for each in tokens),  # type: ignore[arg-type]
    )


def test_the_price_of_a_token_is_told_by_two_quotes() -> None:
    reader = foreseen()
    assert (reader.prompt, reader.token, reader.ends) == (Decimal("0.001"), Decimal("0.00001"), None)
    own = foreseen(quote=flat("0.1", "0.2", "0.9"), longest=flat("0.1", "0.2", "0.9"))
    assert (own.prompt, own.ends) == (Decimal("0.2"), (Decimal("0.1"), Decimal("0.9")))


def test_history_takes_the_place_of_the_priors() -> None:
    assert answer_length(QUESTION).max_tokens == 200
    nothing = foreseen()
    assert (nothing.accepted, nothing.lengths) == (pytest.approx(0.36), [])
    much = foreseen([ask(20)] * 90 + [ask(40, accepted=False)] * 10 + [ask(70, model="large")] * 50)
    assert much.accepted == pytest.approx((90 + 8 * 0.36) / 108)
    assert sorted(set(much.lengths)) == [0.1, 0.2]
    assert much.again < 0.01
    cut = foreseen([ask(200, 400)] * 20)
    assert not cut.lengths
    assert cut.again == pytest.approx(20.4 / 40)


def test_a_cached_prefix_makes_a_prompt_cheaper() -> None:
    cheaper = flat("0.0002", "0.00166", "0.01")
    reader = foreseen([ask(20, cache_read=True)] * 96, quote=cheaper)
    assert reader.saved == pytest.approx(Decimal("0.000752"), abs=Decimal("0.00001"))
    assert reader.read == pytest.approx(0.98)
    assert reader.written == pytest.approx(0.02)
    assert foreseen([ask(20, cache_read=True)] * 96).saved == 0


class Counting(Scripted):
    """Says what a token costs, as the models of Bedrock do."""

    def quote(self, prompt: Prompt) -> Quote:
        return flat("0.001", str(Decimal("0.001") + Decimal("0.00001") * (prompt.max_tokens // 3)), "0.1")


def made(database: Database, ledger: MemoryLedger | None) -> RAG:
    chain = Chain([Step(Counting("small", "Three months [1]."), accept=confident(0.8) & cited())])
    rag = RAG(database, embedder=WordEmbedder(), chain=chain, confidence=Sure(retrieval=0.8), ledger=ledger)
    rag.ingest(list(DOCUMENTS))
    return rag


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_asks_of_a_collection_narrow_its_quotes(database: Database, in_memory: bool) -> None:
    rag = made(database, MemoryLedger() if in_memory else None)
    before = rag.chain.explain(QUESTION)
    for place in range(12):
        rag.ask(f"How long is the notice period at place {place}?")
        rag.ask(QUESTION, collection="empty")
    after = rag.chain.explain(QUESTION)
    assert (before.asks, after.asks) == (0, 12)
    assert after.quote.most - after.quote.least < before.quote.most - before.quote.least
    read = [plan.steps[1] for plan in (before, after)]
    assert [step.reached for step in read] == [1.0, 1.0]
    assert read[1].most < read[0].most
    assert after.steps[2].reached < before.steps[2].reached
    assert rag.quote(QUESTION) == after.quote
    assert rag.quote(QUESTION, collection="empty").most == 0


def test_a_plan_shows_itself(database: Database) -> None:
    plan = made(database, MemoryLedger()).chain.explain("How long is the <b>notice</b> period?")
    lines = str(plan).splitlines()
    assert [line.split("  ")[0] for line in lines[2:5]] == ["retrieve", "read small", "safe reply"]
    assert "confidence at or over 0.80 and every sentence cited" in lines[3]
    assert "No ask of the collection was seen yet" in lines[-1]
    page = plan._repr_html_()
    assert "&lt;b&gt;notice" in page
    assert "every sentence cited" in page
