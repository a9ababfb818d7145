"""The whole question side, on real rows: outcomes, the ledger, and what happens when a part fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from ragdiet.account import MemoryLedger
from ragdiet.errors import BudgetTooSmall, InvalidArgument, ModelTimeout, ModelUnavailable, StoreUnavailable, Throttled
from ragdiet.protocols import Generator
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.types import (
    Answer,
    Context,
    Document,
    Embedding,
    EmbedKind,
    Example,
    Generation,
    Hit,
    Prompt,
    Quote,
    Span,
    Turn,
    Usage,
)
from tests.embedders import WordEmbedder

DOCUMENTS = (
    Document(
        "leaving", "The notice period is three months for permanent staff. Laptops go back to Utrecht.", "Leaving"
    ),
    Document("travel", "Trains are booked through the travel desk. Hotel rooms may cost 140 euros a night.", "Travel"),
    Document("pantry", "The coffee machine is descaled every second Friday.", "Pantry"),
)


class Sure:
    """A confidence of fixed values."""

    gate = 0.5
    accept = 0.5

    def __init__(self, retrieval: float = 1.0, answer: float = 1.0) -> None:
        self.retrieval = retrieval
        self.answer = answer

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float:
        return self.retrieval

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float:
        return self.answer


class Scripted:
    """A model that says what it is told to, or raises it."""

    def __init__(self, model: str, reply: str | Exception, price: str = "0.001") -> None:
        self.model = model
        self.reply = reply
        self.price = Decimal(price)
        self.prompts: list[Prompt] = []

    def quote(self, prompt: Prompt) -> Quote:
        return Quote(least=self.price / 4, expected=self.price / 2, most=self.price)

    def generate(self, prompt: Prompt) -> Generation:
        self.prompts.append(prompt)
        if isinstance(self.reply, Exception):
            raise self.reply
        return Generation(
            text=self.reply,
            model=self.model,
            served=self.model,
            usage=Usage(input_tokens=10, output_tokens=5),
            stop_reason="end_turn",
            cost=Decimal(0),
            seconds=0.0,
        )


def made(database: Database, *models: Generator, confidence: Sure | None = None, **pieces: object) -> RAG:
    rag = RAG(database, embedder=WordEmbedder(), models=models, confidence=confidence or Sure(), **pieces)  # type: ignore[arg-type]
    rag.ingest(DOCUMENTS)
    return rag


def steps(answer: Answer) -> list[str]:
    return [attempt.model or attempt.step for attempt in answer.attempts]


def test_an_answer_names_its_source(database: Database) -> None:
    answer = made(database).ask("How long is the notice period?")
    assert answer.outcome == "answered"
    assert "three months" in answer.text
    citation = answer.citations[0]
    source = next(document for document in DOCUMENTS if document.id == citation.document_id)
    assert source.text[citation.start : citation.end] == citation.text
    assert f"[{citation.n}]" in answer.text
    assert answer.confidence == 1.0
    assert answer.cost == 0
    assert answer.context is not None
    assert answer.context.tokens <= 600
    assert steps(answer) == ["retrieve", "local:extractive"]


def test_every_stage_has_its_row_under_one_prompt_id(database: Database, dsn: str) -> None:
    answer = made(database).ask("How long is the notice period?", tags={"team": "hr"}, prompt_id="mine-1")
    assert answer.prompt_id == "mine-1"
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT stage, cost, price, status, tags, attempt FROM ragdiet.call WHERE prompt_id = 'mine-1'"
        ).fetchall()
        ended = connection.execute("SELECT prompt_id, outcome, confidence FROM ragdiet.ask").fetchall()
    assert sorted(row[0] for row in rows) == ["compress", "embed", "generate", "retrieve"]
    assert {row[1:5] for row in [(*row[:4], str(row[4])) for row in rows]} == {
        (0, "local: free", "done", "{'team': 'hr'}")
    }
    assert {row[0]: row[5] for row in rows}["generate"] == 2
    assert ended == [("mine-1", "answered", 1.0)]


@pytest.mark.parametrize("prompt_id", ["", "two\nlines", "a b", "x" * 200])
def test_prompt_ids_that_would_spoil_a_log(database: Database, prompt_id: str) -> None:
    with pytest.raises(InvalidArgument, match="prompt_id"):
        made(database).ask("How long?", prompt_id=prompt_id)


def test_gate_one_asks_no_model(database: Database) -> None:
    model = Scripted("m", "Never said [1]")
    answer = made(database, model, confidence=Sure(retrieval=0.1)).ask("What is the notice period?")
    assert (answer.outcome, steps(answer)) == ("abstained", ["retrieve", "re-search", "safe reply"])
    assert model.prompts == []
    assert answer.confidence == 0.1
    assert {citation.document_id for citation in answer.citations} == {document.id for document in DOCUMENTS}
    assert answer.text.startswith("The documents do not seem to hold an answer")


def test_gate_two_goes_to_the_next_model(database: Database) -> None:
    weak, strong = Scripted("weak", "NOT FOUND"), Scripted("strong", "Three months [1].")
    answer = made(database, weak, strong).ask("What is the notice period?")
    assert (answer.outcome, steps(answer)) == ("answered", ["retrieve", "weak", "strong"])
    assert answer.text == "Three months [1]."
    assert len(answer.citations) == 1


@pytest.mark.parametrize("reply", ["", "   ", "Three months.", "Three months [99].", "NOT FOUND"])
def test_replies_that_are_no_answers(database: Database, reply: str) -> None:
    answer = made(database, Scripted("m", reply)).ask("What is the notice period?")
    assert answer.outcome == "abstained"
    assert answer.citations
    assert reply.strip() not in answer.text or not reply.strip()


@pytest.mark.parametrize("error", [Throttled("busy"), ModelTimeout("slow"), ModelUnavailable("gone")])
def test_a_failing_model_is_not_the_callers_problem(database: Database, error: Exception) -> None:
    rescued = made(database, Scripted("broken", error), Scripted("well", "Three months [1].")).ask("Notice period?")
    assert (rescued.outcome, steps(rescued)) == ("answered", ["retrieve", "broken", "well"])
    assert type(error).__name__ in rescued.attempts[1].reason
    lost = made(database, Scripted("broken", error)).ask("Notice period?")
    assert (lost.outcome, steps(lost)) == ("failed", ["retrieve", "broken", "safe reply"])
    assert lost.confidence == 0.0


def test_a_ledger_in_memory_tells_the_same(database: Database) -> None:
    ledger = MemoryLedger()
    answer = made(database, Scripted("m", "Three months [1]."), ledger=ledger).ask("How long is the notice period?")
    (ask,) = ledger.asks
    assert (ask.prompt_id, ask.outcome, ask.model, ask.cost) == (answer.prompt_id, "answered", "m", answer.cost)
    assert (ask.question, ask.collection) == ("How long is the notice period?", "default")
    assert answer.context is not None
    assert (ask.tokens, ask.tokens_before) == (answer.context.tokens, answer.context.tokens_before)
    assert 0 < ask.seconds < 60
    own = [call for call in ledger.calls if call.prompt_id == answer.prompt_id]
    assert sorted(call.stage for call in own) == ["compress", "embed", "generate", "retrieve"]
    assert answer.cost == ledger.cost_of(answer.prompt_id, tenant="") == sum(call.cost for call in own)


def test_failed_calls_are_in_the_ledger(database: Database, dsn: str) -> None:
    answer = made(database, Scripted("broken", Throttled("busy", code="ThrottlingException"))).ask("Notice period?")
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT status, error, cost FROM ragdiet.call WHERE prompt_id = %s AND stage = 'generate'",
            (answer.prompt_id,),
        ).fetchone()
    assert row == ("failed", "ThrottlingException", 0)


def test_a_failing_embedder_leaves_the_keyword_leg(database: Database) -> None:
    class Failing(WordEmbedder):
        def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
            if kind == "query":
                raise ModelUnavailable("gone")
            return super().embed(texts, kind=kind)

        def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
            whole = self.embed(texts, kind="document")
            return replace(
                whole,
                sentence_vectors=tuple(
                    self.embed([text[start:end] for start, end in own], kind="document").vectors
                    for text, own in zip(texts, spans, strict=True)
                ),
            )

    rag = RAG(database, embedder=Failing(), confidence=Sure())
    rag.ingest(DOCUMENTS)
    answer = rag.ask("How long is the notice period?")
    assert answer.outcome == "answered"
    assert "keyword search alone" in answer.attempts[0].reason


def test_max_cost_is_never_passed(database: Database) -> None:
    cheap, dear = Scripted("cheap", "NOT FOUND", price="0.001"), Scripted("dear", "Three months [1].", price="0.1")
    rag = made(database, cheap, dear)
    answer = rag.ask("Notice period?", max_cost="0.01")
    assert answer.outcome == "abstained"
    assert dear.prompts == []
    assert "could cost $0.1" in answer.attempts[-2].reason
    assert rag.ask("Notice period?", max_cost=Decimal("0.2")).outcome == "answered"


@pytest.mark.parametrize("spend", ["-1", "NaN", "Infinity"])
def test_max_cost_that_cannot_work(rag: RAG, spend: str) -> None:
    with pytest.raises(InvalidArgument, match="max_cost"):
        rag.ask("Notice period?", max_cost=spend)


def test_deadline_of_zero_gives_the_safe_reply(database: Database) -> None:
    answer = made(database).ask("Notice period?", deadline=0)
    assert (answer.outcome, steps(answer)) == ("failed", ["safe reply"])
    assert "in the time given" in answer.text


@pytest.mark.parametrize("k", [0, -1])
def test_k_that_cannot_work(database: Database, k: int) -> None:
    with pytest.raises(InvalidArgument, match="k is"):
        made(database).ask("Notice period?", k=k)


@pytest.mark.parametrize("budget", [0, -5])
def test_budget_that_cannot_work(database: Database, budget: int) -> None:
    with pytest.raises(InvalidArgument, match="budget"):
        made(database).ask("Notice period?", budget=budget)


def test_budget_too_small_says_which_would_do(database: Database) -> None:
    rag = made(database)
    with pytest.raises(BudgetTooSmall) as caught:
        rag.ask("How long is the notice period?", budget=2)
    answer = rag.ask("How long is the notice period?", budget=caught.value.smallest)
    assert answer.context is not None
    assert answer.context.tokens == caught.value.smallest


def test_nothing_ingested(rag: RAG) -> None:
    answer = rag.ask("Is anybody there?")
    assert (answer.outcome, answer.citations, answer.confidence) == ("abstained", (), 0.0)
    assert answer.attempts[0].reason.startswith("no hits")


def test_history_reaches_the_model(database: Database) -> None:
    model = Scripted("m", "Three months [1].")
    made(database, model).ask("And the notice period?", history=[("user", "Hello"), Turn(role="assistant", text="Hi")])
    assert model.prompts[0].history == (Turn(role="user", text="Hello"), Turn(role="assistant", text="Hi"))
    with pytest.raises(InvalidArgument, match="role"):
        made(database).ask("And?", history=[("system", "obey")])


def test_stream_gives_the_same_answer_in_pieces(database: Database) -> None:
    rag = made(database)
    stream = rag.ask("How long is the notice period?", stream=True)
    pieces = list(stream)
    assert len(pieces) > 3
    assert "".join(pieces) == stream.answer.text
    assert list(stream) == pieces
    assert stream.answer.outcome == "answered"


def test_stages_one_by_one_are_what_ask_does(database: Database) -> None:
    rag = made(database)
    question = "How long is the notice period?"
    hits = rag.retrieve(question)
    context = rag.compress(question, hits)
    generation = rag.generate(question, context)
    answer = rag.ask(question)
    assert (generation.text, context) == (answer.text, answer.context)


def test_generate_takes_only_models_of_the_chain(database: Database) -> None:
    rag = made(database)
    context = rag.compress("Notice period?", ["The notice period is three months."])
    with pytest.raises(InvalidArgument, match="local:extractive"):
        rag.generate("Notice period?", context, model="gpt-unknown")


def test_quote_is_ordered_and_honest(database: Database) -> None:
    rag = made(database, Scripted("cheap", "NOT FOUND", "0.001"), Scripted("dear", "Three months [1].", "0.1"))
    quote = rag.quote("How long is the notice period?")
    assert quote.least < quote.expected < quote.most < Decimal("0.202")
    assert quote.worst == Decimal("0.202")
    stopped = made(database, Scripted("cheap", "NOT FOUND", "0.001"), confidence=Sure(retrieval=0.1), research=False)
    quote = stopped.quote("Notice?")
    assert (quote.least, quote.expected, quote.most, quote.worst) == (0, 0, 0, Decimal("0.002"))
    free = made(database).quote("How long is the notice period?")
    assert (free.least, free.expected, free.most, free.worst) == (0, 0, 0, 0)


def test_costs_by_every_key(database: Database) -> None:
    rag = made(database)
    rag.ask("How long is the notice period?", tags={"team": "hr", "app": "desk"}, tenant="acme")
    keys = {by: {row.key for row in rag.costs(by=by)} for by in ("stage", "model", "tenant", "tag", "day", "outcome")}  # type: ignore[arg-type]
    assert keys["stage"] == {"embed", "retrieve"}
    assert keys["tenant"] == {"", "acme"}
    assert keys["tag"] == {"team=hr", "app=desk"}
    assert keys["outcome"] == {"abstained", "not an ask"}
    assert sum(row.calls for row in rag.costs(by="stage")) == sum(row.calls for row in rag.costs(by="model"))
    with pytest.raises(InvalidArgument, match="grouped"):
        rag.costs(by="stage; DROP TABLE ragdiet.call")  # type: ignore[arg-type]


def test_database_lost_before_an_ask(database: Database, server: object, dsn: str) -> None:
    rag = made(database)
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(server.dsn, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    with pytest.raises(StoreUnavailable):
        rag.ask("How long is the notice period?")
    with psycopg.connect(server.dsn, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert rag.ask("How long is the notice period?").outcome == "answered"


class CutOff(Scripted):
    """A model whose reply needs more tokens than it was given, until it is given ``enough``."""

    def __init__(self, model: str, enough: int, price: str = "0.001") -> None:
        super().__init__(model, "Three months [1].", price)
        self.enough = enough

    def generate(self, prompt: Prompt) -> Generation:
        made = super().generate(prompt)
        return made if prompt.max_tokens >= self.enough else replace(made, stop_reason="max_tokens")


def test_a_reply_that_was_cut_off_is_asked_for_again_and_never_given(database: Database) -> None:
    model = CutOff("m", 1_000)
    answer = made(database, model).ask("What is the notice period?")
    assert (answer.outcome, steps(answer)) == ("answered", ["retrieve", "m"])
    assert [prompt.max_tokens < 1_000 for prompt in model.prompts] == [True, False]
    assert "cut the reply off" in answer.attempts[-1].reason
    hopeless = made(database, CutOff("m", 5_000)).ask("What is the notice period?")
    assert hopeless.outcome == "abstained"
    assert "cut off" in hopeless.attempts[-2].reason
    poor = CutOff("m", 1_000, price="0.006")
    assert made(database, poor).ask("What is the notice period?", max_cost="0.005").outcome == "abstained"
    assert poor.prompts == []


def test_own_instructions_and_examples_reach_the_model(database: Database) -> None:
    model = Scripted("m", "Three months [1].")
    example = Example(sources="[1] Tea is at four.", question="When is tea?", answer="At four [1].")
    made(database, model, system="Answer in Dutch.", examples=[example]).ask("How long is the notice period?")
    (prompt,) = model.prompts
    assert prompt.system.startswith("Answer in Dutch.\n\nAnswer only from the numbered sources")
    assert (prompt.examples, prompt.length) == ((example,), "Answer in one short sentence.")
