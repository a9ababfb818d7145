"""A chain of one's own, over real rows: what is accepted, what a failing or a slow model does, and who stops it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal, NoReturn

import psycopg
import pytest

from ragdiet import Chain, Research, SafeReply, Search, Step, cited, confident
from ragdiet.account import MemoryLedger
from ragdiet.aio import AsyncRAG
from ragdiet.ask.watched import watched
from ragdiet.bedrock import Breaker, BreakerPolicy
from ragdiet.errors import CircuitOpen, InvalidArgument, ModelTimeout, ModelUnavailable, NotAllowed, Throttled
from ragdiet.fallback import Check, Facts, Relevance, unlikely
from ragdiet.observe import seconds_left
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.types import Embedding, EmbedKind, Generation, GuardVerdict, Hit, Prompt
from tests.embedders import WordEmbedder
from tests.test_ask import DOCUMENTS, Scripted, Sure, steps

QUESTION = "How long is the notice period?"
GOOD = "Three months [1]."


def made(database: Database, chain: Chain, confidence: Sure | None = None, **pieces: object) -> RAG:
    rag = RAG(database, embedder=WordEmbedder(), chain=chain, confidence=confidence or Sure(), **pieces)  # type: ignore[arg-type]
    rag.ingest(DOCUMENTS)
    return rag


def test_a_condition_hands_on_to_the_next_model(database: Database) -> None:
    small = Scripted("small", "Here is what I found. Three months [1].")
    chain = Chain([Step(small, accept=confident(0.4) & cited()), Step(Scripted("large", GOOD))])
    answer = made(database, chain).ask(QUESTION)
    assert (answer.text, steps(answer)) == (GOOD, ["retrieve", "small", "large"])
    assert answer.attempts[1].reason == "50% of the sentences cited"


def test_a_function_sees_the_facts_of_an_attempt(database: Database) -> None:
    seen: list[Facts] = []

    def look(facts: Facts) -> bool:
        seen.append(facts)
        return True

    chain = Chain([Search(accept=look), Step(Scripted("small", GOOD), accept=look)])
    answer = made(database, chain).ask(QUESTION, max_cost="1", deadline=60)
    assert [attempt.reason for attempt in answer.attempts] == ["3 hits, look said yes", "look said yes"]
    searched, read = seen
    assert (searched.generation, searched.text, len(searched.hits)) == (None, "", 3)
    assert (read.text, read.cited, read.context) == (GOOD, 1.0, answer.context)
    assert all(facts.unspent == 1 and 0 < (facts.seconds_left or 0) < 60 for facts in seen)


def test_a_step_that_always_refuses_ends_in_the_safe_reply(database: Database) -> None:
    chain = Chain([Step(Scripted("small", GOOD), accept=lambda facts: False), SafeReply(language="german")])
    answer = made(database, chain).ask(QUESTION)
    assert (answer.outcome, steps(answer)) == ("abstained", ["retrieve", "small", "safe reply"])
    assert answer.text.startswith(
        "Ich habe keine Antwort gefunden, die durch die Dokumente klar belegt ist.\nAm nächsten"
    )


@pytest.mark.parametrize(
    ("found", "taken", "said"),
    [
        (0.55, ["retrieve", "small", "safe reply"], "and that settles it: chance of an answer 0.55 under 0.60"),
        (0.6, ["retrieve", "small", "large"], "which settles nothing: chance of an answer 0.60 at or over 0.60"),
    ],
)
def test_a_refusal_settles_an_ask_where_an_answer_is_unlikely(
    database: Database, found: float, taken: list[str], said: str
) -> None:
    chain = Chain([Step(Scripted("small", "NOT FOUND"), declines=unlikely(0.6)), Step(Scripted("large", GOOD))])
    answer = made(database, chain, Sure(retrieval=found), clarify=False).ask(QUESTION)
    assert steps(answer) == taken
    assert answer.attempts[1].reason == f"the model did not find the answer in the sources, {said}"
    assert answer.attempts[1].settles == (taken[-1] == "safe reply")
    if taken[-1] == "safe reply":
        assert (answer.outcome, answer.confidence, answer.attempts[-1].reason) == ("abstained", 0.0, "not supported")


def test_by_default_a_refusal_is_believed_where_no_reply_could_be_accepted(database: Database) -> None:
    confidence = Sure(retrieval=0.6, answer=0.6)
    rag = made(database, Chain.of([Scripted("small", "NOT FOUND"), Scripted("large", GOOD)]), confidence, clarify=False)
    assert steps(rag.ask(QUESTION)) == ["retrieve", "small", "large"]
    confidence.accept = 0.7
    assert steps(rag.ask(QUESTION, fresh=True)) == ["retrieve", "small", "safe reply"]


@pytest.mark.parametrize("reply", ["Three months.", "", GOOD])
def test_only_a_refusal_is_believed(database: Database, reply: str) -> None:
    small = Step(Scripted("small", reply), accept=confident(0.5), declines=unlikely(1))
    chain = Chain([small, Step(Scripted("large", GOOD), accept=lambda facts: True)])
    answer = made(database, chain, Sure(retrieval=0.7, answer=0.1), clarify=False).ask(QUESTION)
    assert steps(answer) == ["retrieve", "small", "large"]


def test_a_plan_knows_that_a_refusal_may_end_it(database: Database) -> None:
    plans = []
    for declines in (None, unlikely(0.6)):
        steps = [Step(Scripted("small", "NOT FOUND"), declines=declines), Step(Scripted("large", GOOD))]
        plans.append(made(database, Chain(steps)).chain.explain(QUESTION))
    always, believed = ({step.model: step for step in plan.steps} for plan in plans)
    assert believed["large"].reached < always["large"].reached
    assert "believed to have found nothing where chance of an answer under 0.60" in believed["small"].condition


def test_a_plan_learns_how_often_a_refusal_ended_an_ask(database: Database) -> None:
    chain = Chain([Step(Scripted("small", "NOT FOUND"), declines=unlikely(1)), Step(Scripted("large", GOOD))])
    rag = made(database, chain, Sure(retrieval=0.9), ledger=MemoryLedger(), clarify=False)

    def reached() -> float:
        return {step.model: step.reached for step in rag.chain.explain(QUESTION).steps}["large"]

    before = reached()
    for _ in range(10):
        assert rag.ask(QUESTION, fresh=True).outcome == "abstained"
    assert reached() < before


def test_a_plan_awaited(database: Database) -> None:
    rag = made(database, Chain([Step(Scripted("small", GOOD))]))

    async def run() -> None:
        door = AsyncRAG(rag)
        assert await door.chain.explain(QUESTION) == rag.chain.explain(QUESTION)

    asyncio.run(run())


def test_a_search_that_always_refuses_asks_no_model(database: Database) -> None:
    model = Scripted("small", GOOD)
    chain = Chain([Search(accept=confident(1)), Research(accept=confident(1)), Step(model)])
    answer = made(database, chain, Sure(retrieval=0.9), clarify=False).ask(QUESTION)
    assert (answer.outcome, steps(answer)) == ("abstained", ["retrieve", "re-search", "safe reply"])
    assert model.prompts == []


def test_a_wider_search(database: Database) -> None:
    chain = Chain([Search(accept=lambda facts: False), Research(wider=2), Step(Scripted("small", GOOD))])
    answer = made(database, chain).ask(QUESTION, k=1)
    assert [attempt.reason.split(" hits")[0] for attempt in answer.attempts[:2]] == ["1", "2"]
    assert answer.outcome == "answered"


def test_the_safe_reply_is_in_the_language_of_the_rag(database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder(), confidence=Sure(answer=0.0), language="german", clarify=False)
    rag.ingest(DOCUMENTS)
    assert "Am nächsten kommen: " in rag.ask(QUESTION).text


def test_chains_that_a_rag_cannot_use(database: Database, dsn: str) -> None:
    chain = Chain([Step(Scripted("small", GOOD))])
    for pieces in ({"models": [Scripted("large", GOOD)]}, {"research": False}):
        with pytest.raises(InvalidArgument, match="give it alone"):
            made(database, chain, **pieces)
        with pytest.raises(InvalidArgument, match="give it alone"):
            RAG.connect(dsn, chain=chain, **pieces)
    with pytest.raises(InvalidArgument, match="names are for"):
        made(database, Chain([Step("local:extractive")]))
    with pytest.raises(NotAllowed):
        made(database, chain, allowed_models=["large"])


def test_models_of_a_chain_by_name(database: Database, dsn: str) -> None:
    with RAG.connect(dsn, chain=Chain([Step("local:extractive", accept=cited())])) as rag:
        rag.ingest(DOCUMENTS)
        assert rag.ask(QUESTION).attempts[-1].model == "local:extractive"


class Grounds:
    """A guard elsewhere that allows, or does not, what is asked of it in doubt."""

    name = "grounds"

    def __init__(self, action: Literal["allow", "block"] = "allow") -> None:
        self.action = action
        self.asked: list[str] = []

    def check_input(self, text: str) -> GuardVerdict:
        raise AssertionError("a check is asked about replies alone")

    def check_output(self, text: str) -> GuardVerdict:
        return GuardVerdict()

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        self.asked.append(text)
        return GuardVerdict(action=self.action, cost=Decimal("0.0001"))


@pytest.mark.parametrize(
    ("confidence", "guard", "price", "asked", "by"),
    [
        (0.7, Grounds(), "0.0001", True, "small"),
        (0.7, Grounds("block"), "0.0001", True, "large"),
        (0.9, Grounds(), "0.0001", False, "small"),  # no doubt: accepted as it is
        (0.5, Grounds(), "0.0001", False, "large"),  # no doubt: it could not be lifted so far
        (0.7, Grounds(), "0.004", False, "large"),  # 0.72 of the next model's $0.005 is less
    ],
)
def test_a_paid_check_is_asked_in_doubt_and_where_it_saves(
    database: Database, confidence: float, guard: Grounds, price: str, asked: bool, by: str
) -> None:
    check = Check(guard, price=Decimal(price))
    small = Step(Scripted("small", GOOD), accept=confident(0.8), check=check)
    rag = made(database, Chain([small, Step(Scripted("large", GOOD, "0.01"))]), Sure(answer=confidence))
    answer = rag.ask(QUESTION)
    assert guard.asked == [GOOD] * asked
    assert [attempt.model for attempt in answer.attempts if attempt.step == "read" and attempt.accepted] == [by]
    assert answer.cost == Decimal("0.0001") * asked


@pytest.mark.parametrize("wrong", [{"right": 0}, {"wrong": 1.5}, {}])
def test_checks_that_cannot_work(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match=r"Check|give its price"):
        Check(Grounds(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "name"), [(ConnectionError("reset"), "ModelUnavailable"), (TimeoutError("slow"), "ModelTimeout")]
)
def test_a_model_of_ones_own_that_cannot_be_reached(database: Database, error: Exception, name: str) -> None:
    chain = Chain([Step(Scripted("small", error)), Step(Scripted("large", GOOD))])
    answer = made(database, chain).ask(QUESTION)
    assert (answer.text, steps(answer)) == (GOOD, ["retrieve", "small", "large"])
    assert answer.attempts[1].reason.startswith(f"{name}: small ")


def test_a_model_of_ones_own_that_keeps_failing_is_left_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = BreakerPolicy(in_a_row=2, lasting=0)
    monkeypatch.setattr("ragdiet.rag.rag.Breaker", partial(Breaker, policy=policy))
    small = Scripted("small", ModelUnavailable("gone", retryable=True))
    rag = made(database, Chain([Step(small), Step(Scripted("large", GOOD))]), answer_cache=None)
    reasons = [rag.ask(QUESTION).attempts[1].reason for _ in range(3)]
    assert [reason.split(":")[0] for reason in reasons] == ["ModelUnavailable", "ModelUnavailable", "CircuitOpen"]
    assert len(small.prompts) == 2


def test_what_a_breaker_is_told() -> None:
    breaker = Breaker("m", BreakerPolicy(in_a_row=1, lasting=0))
    with pytest.raises(KeyError), watched(breaker, "m"):
        raise KeyError("a fault of the program")
    with pytest.raises(GeneratorExit), watched(breaker, "m"):
        raise GeneratorExit
    with watched(breaker, "m"):
        pass
    assert breaker.state == "closed"
    with pytest.raises(ModelTimeout), watched(breaker, "m"):
        raise TimeoutError("slow")
    with pytest.raises(CircuitOpen), watched(breaker, "m"):
        pass


class Clocked(Scripted):
    """Notes the time that it is given."""

    def generate(self, prompt: Prompt) -> Generation:
        left = seconds_left()
        assert left is not None
        self.left = left
        return super().generate(prompt)


def test_a_model_leaves_time_for_the_next(database: Database) -> None:
    models = [Clocked("a", "NOT FOUND"), Clocked("b", "NOT FOUND"), Clocked("c", GOOD)]
    chain = Chain([Step(models[0]), Step(models[1], share=0.01), Step(models[2])])
    answer = made(database, chain).ask(QUESTION, deadline=600)
    assert steps(answer) == ["retrieve", "a", "b", "c"]
    a, b, c = (model.left for model in models)
    assert 250 < a <= 300
    assert 5 < b <= 6
    assert 500 < c <= 600


@pytest.mark.parametrize("deadline", [-1, float("nan"), float("inf"), "soon"])
def test_deadlines_that_cannot_work(database: Database, deadline: float) -> None:
    with pytest.raises(InvalidArgument, match="deadline is"):
        made(database, Chain([Step(Scripted("small", GOOD))])).ask(QUESTION, deadline=deadline)


class Streaming(Scripted):
    """Writes word by word."""

    def stream(self, prompt: Prompt) -> Said:
        return Said(self, prompt)


class Said:
    def __init__(self, model: Scripted, prompt: Prompt) -> None:
        self._model, self._prompt = model, prompt

    def __iter__(self) -> Iterator[str]:
        self.generation = self._model.generate(self._prompt)
        yield from self.generation.text.split(" ")

    def close(self) -> None:
        pass


def outcomes(dsn: str) -> list[tuple[str, str]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT outcome, reason FROM ragdiet.ask ORDER BY finished_at").fetchall()


def test_a_stream_that_is_left_is_noted_as_such(database: Database, dsn: str) -> None:
    rag = made(database, Chain([Step(Streaming("small", GOOD))]))
    with rag.ask(QUESTION, stream=True) as stream:
        next(iter(stream))
    assert outcomes(dsn) == [("failed", "cancelled")]
    with rag.ask(QUESTION, stream=True) as stream:
        assert stream.answer.outcome == "answered"
    assert outcomes(dsn)[1:] == [("answered", "")]


class Held(Scripted):
    """Answers when it is let go."""

    def __init__(self, model: str, reply: str) -> None:
        super().__init__(model, reply)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def generate(self, prompt: Prompt) -> Generation:
        self.asked.set()
        assert self.let_go.wait(30)
        return super().generate(prompt)


def test_an_ask_whose_task_is_cancelled_ends_at_its_next_step(database: Database) -> None:
    small, large, ledger = Held("small", "NOT FOUND"), Scripted("large", GOOD), MemoryLedger()
    rag = made(database, Chain([Step(small), Step(large)]), ledger=ledger)

    async def run() -> None:
        door = AsyncRAG(rag)
        task = asyncio.create_task(door.ask(QUESTION))
        await asyncio.to_thread(small.asked.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        small.let_go.set()
        while not ledger.asks:
            await asyncio.sleep(0.01)
        assert (await door.ask(QUESTION)).text == GOOD

    asyncio.run(run())
    cancelled, answered = ledger.asks
    assert (cancelled.outcome, cancelled.reason) == ("failed", "cancelled")
    assert answered.outcome == "answered"
    assert len(large.prompts) == 1
    assert {call.status for call in ledger.calls if call.stage == "generate"} == {"done"}


def interrupted(error: BaseException) -> Callable[[Facts], bool]:
    def accept(facts: Facts) -> bool:
        raise error

    return accept


@pytest.mark.parametrize(
    ("error", "reason"), [(KeyboardInterrupt(), "cancelled"), (KeyError("answer"), "raised KeyError")]
)
@pytest.mark.parametrize("streams", [False, True])
def test_an_ask_that_an_error_ends_has_its_row(
    database: Database, dsn: str, error: BaseException, reason: str, streams: bool
) -> None:
    rag = made(database, Chain([Step(Streaming("small", GOOD), accept=interrupted(error))]))
    with pytest.raises(type(error)):
        _ = rag.ask(QUESTION, stream=True).answer if streams else rag.ask(QUESTION)
    assert outcomes(dsn) == [("failed", reason)]
    cases = rag.failures.list()  # none where its caller left it
    assert [case.reason for case in cases] == [reason] * (reason != "cancelled")
    for case in cases:
        assert [attempt["step"] for attempt in rag.failures.show(case.prompt_id).record["attempts"]] == ["retrieve"]


def test_an_ask_that_an_argument_lets_not_begin_has_none(database: Database, dsn: str) -> None:
    with pytest.raises(InvalidArgument):
        made(database, Chain([Step(Scripted("small", GOOD))])).ask(QUESTION, budget=0)
    assert outcomes(dsn) == []


class Away:
    """A piece of one's own that works elsewhere, and cannot be reached."""

    name = "away"

    def rerank(self, question: str, texts: Sequence[str], *, k: int) -> NoReturn:
        raise ConnectionResetError("reset by peer")

    def check_input(self, text: str) -> NoReturn:
        raise TimeoutError("no word in 5 s")


class AwayEmbedder(WordEmbedder):
    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        if kind == "query":
            raise ConnectionResetError("reset by peer")
        return super().embed(texts, kind=kind)


@pytest.mark.parametrize(
    ("pieces", "outcome", "said"),
    [
        (
            {"embedder": AwayEmbedder()},
            "answered",
            "keyword search alone, since the embedder failed: test:words",
        ),
        ({"reranker": Away()}, "answered", "in the retriever's order, since the reranker failed: away cannot"),
        ({"guards": [Away()]}, "failed", "away: could not judge: ModelTimeout: away did not answer in time"),
    ],
)
def test_pieces_of_ones_own_that_cannot_be_reached(
    database: Database, pieces: dict[str, Any], outcome: str, said: str
) -> None:
    made(database, Chain([Step(Scripted("small", GOOD))]))
    given: dict[str, Any] = {
        "embedder": WordEmbedder(),
        "confidence": Sure(),
        "models": [Scripted("small", GOOD)],
    } | pieces
    answer = RAG(database, **given).ask(QUESTION)
    assert answer.outcome == outcome
    assert said in answer.attempts[0].reason


@pytest.mark.parametrize(
    ("text", "kept"), [("Three\0 months [1].", "Three\ufffd months [1]."), ("Three \ud800 [1].", "Three \ufffd [1].")]
)
def test_a_reply_that_postgresql_cannot_hold_has_its_row(database: Database, dsn: str, text: str, kept: str) -> None:
    answer = made(database, Chain([Step(Scripted("small", text))])).ask(QUESTION)
    assert (answer.outcome, answer.text) == ("answered", text)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT record ->> 'answer' FROM ragdiet.ask").fetchone() == (kept,)


def test_an_error_that_postgresql_cannot_hold_has_its_row(database: Database, dsn: str) -> None:
    model = Scripted("small", ModelUnavailable("gone\0", code="Gone\0"))
    assert made(database, Chain([Step(model)])).ask(QUESTION).outcome == "failed"
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT error FROM ragdiet.call WHERE stage = 'generate'").fetchone() == (
            "Gone\ufffd",
        )


def test_a_confidence_that_is_no_number_is_none(database: Database, dsn: str) -> None:
    answer = made(database, Chain([Step(Scripted("small", GOOD))]), Sure(answer=float("nan"))).ask(QUESTION)
    assert (answer.outcome, answer.confidence) == ("abstained", 0.0)
    assert outcomes(dsn) == [("abstained", "not supported")]
    assert made(database, Chain([Step(Scripted("small", GOOD))]), Sure(answer=7.0)).ask(QUESTION).confidence == 1.0


def test_tags_that_cannot_be_kept_are_told_at_once(database: Database, dsn: str) -> None:
    rag = made(database, Chain([Step(Scripted("small", GOOD))]))
    for tags in ({"team": "a\0"}, {"team": "\ud800"}, {"team\n": "a"}, {"team": 5}):
        with pytest.raises(InvalidArgument, match="tag"):
            rag.ask(QUESTION, tags=tags)  # type: ignore[arg-type]
    assert outcomes(dsn) == []


class Ranker:
    """A reranker elsewhere whose best score is fixed."""

    name = model = "ranker"

    def __init__(self, best: float | Exception) -> None:
        self.best = best
        self.asked = 0

    def most(self, hits: int) -> Decimal:
        return Decimal("0.001")

    def rerank(self, question: str, hits: Sequence[Hit], *, k: int) -> Sequence[Hit]:
        self.asked += 1
        if isinstance(self.best, Exception):
            raise self.best
        return [replace(hit, score=self.best) for hit in hits[:k]]


@pytest.mark.parametrize(
    ("found", "ranker", "price", "asked", "read"),
    [
        (0.6, Ranker(0.1), "0.01", 1, []),  # 0.4 x 0.7 of the model's $0.005 is more than $0.001
        (0.6, Ranker(0.3), "0.01", 1, ["small", "large"]),  # relevant: it is asked once for all models
        (0.9, Ranker(0.1), "0.01", 0, ["small", "large"]),  # no doubt
        (0.6, Ranker(0.1), "0.004", 0, ["small", "large"]),  # too cheap a model to ask anybody about it
        (0.6, Ranker(Throttled("busy")), "0.01", 2, ["small", "large"]),  # nothing is known: it reads
    ],
)
def test_a_reranker_is_asked_before_a_dear_model_reads_in_doubt(
    database: Database, found: float, ranker: Ranker, price: str, asked: int, read: list[str]
) -> None:
    models = [Scripted("small", "It is [1].", price), Scripted("large", "It is so [1].", price)]
    chain = Chain([Step(model, relevance=Relevance(ranker)) for model in models])
    rag = made(database, chain, Sure(retrieval=found, answer=0.1))
    answer = rag.ask(QUESTION)
    assert ranker.asked == asked
    assert [model.model for model in models if model.prompts] == read
    assert answer.outcome == "abstained"
    if not read:
        assert "a reranker scores the best hit 0.10, under 0.30" in answer.attempts[-2].reason
    plain = made(database, Chain([Step(model) for model in models]), Sure(retrieval=found, answer=0.1))
    assert rag.quote(QUESTION).worst == plain.quote(QUESTION).worst + 2 * Decimal("0.001")


def test_a_reranker_is_sent_masked_texts_and_has_to_be_allowed(database: Database) -> None:
    class Seen(Ranker):
        def rerank(self, question: str, hits: Sequence[Hit], *, k: int) -> Sequence[Hit]:
            seen.append(question)
            return super().rerank(question, hits, k=k)

    seen: list[str] = []
    step = Step(Scripted("small", GOOD, "0.1"), relevance=Relevance(Seen(0.1)))
    rag = made(database, Chain([step]), Sure(retrieval=0.6))
    rag.ask(f"{QUESTION[:-1]} with AKIAIOSFODNN7EXAMPLE?")
    assert "AKIA" not in seen[0]
    with pytest.raises(NotAllowed, match="ranker"):
        made(database, Chain([step]), allowed_models=["small", "test:words"])


@pytest.mark.parametrize("wrong", [{"wrong": -0.1}, {"at": float("nan")}])
def test_a_relevance_that_cannot_work(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match="Relevance"):
        Relevance(Ranker(0.5), **wrong)  # type: ignore[arg-type]
    unpriced = type("Unpriced", (), {"rerank": Ranker.rerank})()
    with pytest.raises(InvalidArgument, match="give its price"):
        Relevance(unpriced)
    assert Relevance(unpriced, price=Decimal("0.002")).costs(10) == Decimal("0.002")
