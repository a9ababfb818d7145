"""Answers that are given again: what they cost, whom they reach, and when they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Event
from typing import Any

import psycopg
import pytest

from ragdiet import Chain, SpendingBudget, Step, confident
from ragdiet.account import PostgresLedger, PriceBook
from ragdiet.aio import AsyncRAG
from ragdiet.answers import AnswerCache, KeptAnswers, identity
from ragdiet.errors import ModelUnavailable, NotCertified, StoreUnavailable
from ragdiet.fallback import Check
from ragdiet.generate import ConverseGenerator
from ragdiet.guard import FailOpen
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer
from ragdiet.types import Answer, Document, Generation, GuardVerdict, Prompt, Quote, Usage
from tests.conftest import Roles
from tests.embedders import WordEmbedder
from tests.stand_in import its_environment
from tests.test_ask import DOCUMENTS, Scripted, Sure

LITE = "us.amazon.nova-lite-v1:0"
QUESTION = "How long is the notice period?"
ANSWER = "Three months for permanent staff [1]."


class Dear:
    """A model with a price, which says how often it was asked, and waits where it is told to."""

    model = "test:dear"

    def __init__(self, reply: str = ANSWER) -> None:
        self.cache_identity = reply
        self.asked = 0
        self.begun = Event()
        self.may_go_on = Event()
        self.may_go_on.set()
        self.reply: str | Exception = reply
        self.stop_reason = "end_turn"

    def quote(self, prompt: Prompt) -> Quote:
        return Quote(least=Decimal(0), expected=Decimal(0), most=Decimal(1))

    def generate(self, prompt: Prompt) -> Generation:
        self.asked += 1
        self.begun.set()
        assert self.may_go_on.wait(20)
        if isinstance(self.reply, Exception):
            raise self.reply
        return Generation(
            text=self.reply,
            model=self.model,
            served=self.model,
            usage=Usage(input_tokens=10, output_tokens=5),
            stop_reason=self.stop_reason,
            cost=Decimal(0),
            seconds=0.0,
        )


@pytest.fixture
def model() -> Dear:
    return Dear()


@pytest.fixture
def asked(database: Database, model: Dear) -> RAG:
    return made(database, model)


def made(database: Database, model: Dear, **pieces: Any) -> RAG:
    pieces = {"embedder": WordEmbedder(), "models": [model], "confidence": Sure()} | pieces
    rag = RAG(database, **pieces)
    rag.ingest(DOCUMENTS)
    return rag


@pytest.fixture
def bedrock() -> Iterator[BedrockServer]:
    with BedrockServer(region="us-east-1", chat=(LITE,)) as server, its_environment(server):
        yield server


def reused(rag: RAG) -> list[str]:
    with rag.store.transaction(tenant=rag.tenant) as connection:
        return [row[0] for row in connection.execute("SELECT reused FROM ragdiet.ask ORDER BY finished_at")]


def test_the_same_question_is_paid_for_once(asked: RAG, model: Dear, dsn: str) -> None:
    first = asked.ask(QUESTION)
    again = asked.ask(" how long is  the notice period", tags={"team": "hr"})
    assert model.asked == 1
    assert again.prompt_id != first.prompt_id
    assert (again.text, again.citations, again.confidence, again.context) == (
        first.text,
        first.citations,
        first.confidence,
        first.context,
    )
    assert again.outcome == "answered"
    assert [attempt.step for attempt in again.attempts] == ["reuse"]
    assert first.prompt_id in again.attempts[0].reason
    assert again.cost == 0
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT stage, model, served, cost, status FROM ragdiet.call WHERE prompt_id = %s", (again.prompt_id,)
        ).fetchall()
        row = connection.execute(
            "SELECT reused, model, cost, tags, tokens FROM ragdiet.ask WHERE prompt_id = %s", (again.prompt_id,)
        ).fetchone()
    assert rows == [("reuse", "local:answers", first.prompt_id, 0, "done")]
    assert row == ("exact", model.model, 0, {"team": "hr"}, 0)


def test_another_process_finds_it(asked: RAG, model: Dear, dsn: str) -> None:
    asked.ask(QUESTION)
    with RAG(Database(dsn), embedder=WordEmbedder(), models=[Dear()], confidence=Sure()) as other:
        assert other.ask(QUESTION).attempts[-1].step == "reuse"


OTHERWISE: list[Mapping[str, Any]] = [
    {"k": 5},
    {"budget": 300},
    {"filter": {"year": 2020}},
    {"history": [("user", "I am on probation."), ("assistant", "I see.")]},
    {"max_cost": "5"},
    {"collection": "other"},
    {"tenant": "other"},
    {"fresh": True},
]


@pytest.mark.parametrize("otherwise", OTHERWISE, ids=lambda each: next(iter(each)))
def test_what_an_answer_depends_on_is_in_its_key(asked: RAG, model: Dear, otherwise: Mapping[str, Any]) -> None:
    meta = [Document(each.id, each.text, each.title, meta={"year": 2020}) for each in DOCUMENTS]
    for collection, tenant in (("default", ""), ("other", ""), ("default", "other")):
        asked.ingest(meta, collection=collection, tenant=tenant)
    asked.ask(QUESTION)
    assert asked.ask(QUESTION, **otherwise).outcome == "answered"
    assert model.asked == 2


def test_functions_are_told_apart_by_what_they_do() -> None:
    def over(least: float) -> Callable[[float], bool]:
        return lambda value: value > least

    assert identity(over(0.5)) == identity(over(0.5)) != identity(over(0.6))
    assert identity(lambda value: value > 1) != identity(lambda value: value < 1)
    assert identity(lambda: lambda: 1) != identity(lambda: lambda: 2)


@pytest.mark.parametrize(
    "pieces",
    [
        {"system": "Be brief."},
        {"models": [Dear("Three months [1].")]},
        {"models": [Dear(), Scripted("other", "Three months [1].")]},
        {"research": False},
        {"guards": ()},
        {"clarify": False},
        {"language": "german"},
    ],
    ids=lambda each: next(iter(each)),
)
def test_pieces_that_answer_otherwise_are_in_the_key(database: Database, pieces: Mapping[str, Any]) -> None:
    made(database, Dear()).ask(QUESTION)
    other = RAG(database, **{"embedder": WordEmbedder(), "models": [Dear()], "confidence": Sure()} | pieces)
    assert other.ask(QUESTION).attempts[-1].step != "reuse"


def test_a_change_of_the_collection_ends_it(asked: RAG, model: Dear, database: Database) -> None:
    asked.ask(QUESTION)
    asked.ingest([Document("news", "The notice period is four months from 2027 on.", "News")])
    asked.ask(QUESTION)
    assert model.asked == 2
    assert asked.answers.stats().entries == 1
    asked.ask(QUESTION)
    assert model.asked == 2
    asked.ingest(DOCUMENTS, sync=True)
    asked.ask(QUESTION)
    assert model.asked == 3
    KeptAnswers(database, AnswerCache()).sweep("")
    assert rows(database) == 1
    asked.ingest(DOCUMENTS[:1], sync=True)
    assert rows(database) == 1
    asked.sweep()
    assert rows(database) == 0


def test_a_collection_made_anew_has_no_answers(asked: RAG, model: Dear, database: Database) -> None:
    asked.ask(QUESTION)
    asked.drop("default")
    asked.ingest(DOCUMENTS)
    asked.ask(QUESTION)
    assert model.asked == 2
    KeptAnswers(database, AnswerCache()).sweep("")
    assert rows(database) == 1


def test_it_ends_with_its_time_and_with_a_documents(database: Database, model: Dear) -> None:
    rag = made(database, model, answer_cache=AnswerCache(ttl=timedelta(hours=2)))
    rag.ask(QUESTION)
    assert ends_in(database) == pytest.approx(7200, abs=60)
    rag.ingest([Document("soon", "A desk is free.", "Desk")], expires_at=timedelta(hours=1))
    rag.ask(QUESTION)
    assert ends_in(database) == pytest.approx(3600, abs=60)
    aged(database, "2 hours")
    rag.ask(QUESTION)
    assert model.asked == 3


def test_a_document_that_is_given_an_end_later_ends_it_too(asked: RAG, model: Dear, database: Database) -> None:
    asked.ask(QUESTION)
    with database.transaction(tenant="") as connection:
        connection.execute("UPDATE ragdiet.answer_cache SET created_at = now() - interval '1 minute'")
        connection.execute("UPDATE ragdiet.corpus SET next_expiry = now() - interval '1 second'")
    asked.ask(QUESTION)
    assert model.asked == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: setattr(model, "reply", "NOT FOUND"),
        lambda model: setattr(model, "reply", "Three months [1], or two [7]."),
        lambda model: setattr(model, "reply", ModelUnavailable("down")),
        lambda model: setattr(model, "stop_reason", "max_tokens"),
    ],
    ids=["abstained", "a citation of nothing", "failed", "cut off"],
)
def test_only_whole_answers_are_kept(
    asked: RAG, model: Dear, database: Database, spoil: Callable[[Dear], None]
) -> None:
    spoil(model)
    asked.ask(QUESTION)
    assert rows(database) == 0


def test_what_no_record_may_hold_is_not_kept(asked: RAG, model: Dear, database: Database) -> None:
    history = [("user", "What is the notice period of ann.smith@example.com?"), ("assistant", "It depends.")]
    for _ in range(2):
        asked.ask("How long is the notice period of ann.smith@example.com?")
        asked.ask("Why does it depend on this?", history=history)
    assert model.asked == 4
    assert rows(database) == 0


class Picky:
    """Refuses a question once it is told to."""

    name = "picky"
    is_local = True
    judges_replies = False
    refuses = False

    def check_input(self, text: str) -> GuardVerdict:
        return GuardVerdict(action="block", reason="no") if Picky.refuses else GuardVerdict()

    check_output = check_input

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        return GuardVerdict()


def test_a_guard_judges_the_question_first(database: Database, model: Dear, monkeypatch: pytest.MonkeyPatch) -> None:
    rag = made(database, model, guards=[Picky()])
    rag.ask(QUESTION)
    monkeypatch.setattr(Picky, "refuses", True)
    assert rag.ask(QUESTION).outcome == "abstained"


class Down(Picky):
    """Judges questions; replies only once it is up."""

    name = "down"
    judges_replies = True
    up = False

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        if not self.up:
            raise ModelUnavailable("no judge today", retryable=True)
        return GuardVerdict()


def test_an_answer_that_a_guard_let_pass_unjudged_is_not_kept(database: Database, model: Dear) -> None:
    down = Down()
    rag = made(database, model, guards=[FailOpen(down)])
    answer = rag.ask(QUESTION)
    assert (answer.outcome, rows(database)) == ("answered", 0)
    assert "not judged, and allowed: ModelUnavailable" in answer.attempts[-2].reason
    down.up = True
    assert [rag.ask(QUESTION).attempts[-1].step for _ in range(2)] == ["read", "reuse"]


def test_an_answer_that_was_judged_is_kept_whatever_an_earlier_reply_was(database: Database) -> None:
    class Wordy(Picky):
        """Lets no short reply pass."""

        judges_replies = True

        def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
            return GuardVerdict(action="block" if len(text) < 20 else "allow")

    check = Check(FailOpen(Down()), price=Decimal("0.0001"))
    small = Step(Scripted("small", "Three months [1]."), accept=confident(0.8), check=check)
    chain = Chain([small, Step(Scripted("large", ANSWER, "0.01"), accept=confident(0.5))])
    rag = RAG(database, embedder=WordEmbedder(), chain=chain, confidence=Sure(answer=0.7), guards=[Wordy()])
    rag.ingest(DOCUMENTS)
    answer = rag.ask(QUESTION)
    assert [attempt.model for attempt in answer.attempts if attempt.model] == ["small", "large"]
    assert "not judged, and allowed" in " ".join(attempt.reason for attempt in answer.attempts)
    assert rows(database) == 1


def test_streams_fill_it_and_are_served_from_it(asked: RAG, model: Dear) -> None:
    assert "".join(asked.ask(QUESTION, stream=True)) == ANSWER
    assert asked.ask(QUESTION).text == ANSWER
    stream = asked.ask(QUESTION, stream=True)
    assert "".join(stream) == ANSWER
    assert stream.answer.attempts[-1].step == "reuse"
    assert model.asked == 1


def test_by_default_only_what_costs_money_is_kept(rag: RAG, asked: RAG, database: Database) -> None:
    for _ in range(2):
        assert rag.ask(QUESTION).attempts[-1].step == "read"
    assert rows(database) == 0
    off = RAG(database, embedder=WordEmbedder(), models=[Dear()], confidence=Sure(), answer_cache=None)
    off.ask(QUESTION)
    assert rows(database) == 0


def test_an_answer_that_cannot_be_kept_is_given(asked: RAG, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(KeptAnswers, "keep", lost)
    assert asked.ask(QUESTION).text == ANSWER


def test_a_lagging_replica_keeps_nothing(asked: RAG, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    retrieve = asked._retriever.retrieve

    def lagging(*given: Any, **named: Any) -> Any:
        hits = retrieve(*given, **named)
        hits.version -= 1
        return hits

    monkeypatch.setattr(asked._retriever, "retrieve", lagging)
    asked.ask(QUESTION)
    assert rows(database) == 0


def test_most_are_the_latest(database: Database, model: Dear) -> None:
    rag = made(database, model, answer_cache=AnswerCache(most=2))
    for place in ("Delft", "Utrecht", "Leiden"):
        rag.ask(f"How long is the notice period in {place}?")
    KeptAnswers(database, AnswerCache(most=2)).sweep("")
    assert rows(database) == 2
    rag.ask("How long is the notice period in Leiden?")
    assert model.asked == 3


def test_in_a_transaction_of_the_users_it_is_undone_with_it(asked: RAG, database: Database, dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        with asked.store.using(connection):
            asked.ask(QUESTION)
            assert asked.ask(QUESTION).attempts[-1].step == "reuse"
        connection.rollback()
    assert rows(database) == 0


# In other words


SIMILAR = AnswerCache(similar=0.5)


def test_the_same_in_other_words_is_paid_for_once(database: Database, model: Dear) -> None:
    rag = made(database, model, answer_cache=SIMILAR)
    first = rag.ask(QUESTION)
    again = rag.ask("Could you please tell me how long the notice period is?")
    assert model.asked == 1
    assert again.text == first.text
    assert QUESTION in again.attempts[-1].reason
    for other in ("How long is the notice period in days?", "Why is the notice period long?"):
        assert rag.ask(other).attempts[-1].step == "read"
    assert reused(rag) == ["", "similar", "", ""]
    assert (
        RAG(
            database, embedder=WordEmbedder(), models=[Dear()], confidence=Sure(), answer_cache=AnswerCache(similar=1.0)
        )
        .ask("Tell me how long the notice period was?")
        .attempts[-1]
        .step
        == "read"
    )


def test_other_words_are_sought_in_the_same_scope(database: Database, model: Dear) -> None:
    rag = made(database, model, answer_cache=SIMILAR)
    rag.ingest(DOCUMENTS, collection="other")
    rag.ask(QUESTION)
    rag.ask("Please, how long is the notice period?", collection="other")
    rag.ask("Hello! How long is the notice period?", k=5)
    rag.ingest([Document("news", "Desks are free.", "Desks")])
    rag.ask("Please, how long is the notice period?")
    assert model.asked == 4


def test_similar_needs_a_certificate(database: Database) -> None:
    with pytest.raises(NotCertified, match="test:words"):
        RAG(database, embedder=WordEmbedder(), models=[Dear()], answer_cache=AnswerCache(similar=True))


# In the air


def in_the_air(rag: RAG, model: Dear, others: int, **how: Any) -> tuple[Answer, list[Answer]]:
    """One ask that is held at its model, and others of the same question that come meanwhile."""
    model.may_go_on.clear()
    with ThreadPoolExecutor(others + 1) as threads:
        first = threads.submit(rag.ask, QUESTION)
        assert model.begun.wait(20)
        rest = [threads.submit(rag.ask, QUESTION, **how) for _ in range(others)]
        while sum(future.running() for future in rest) < others:
            time.sleep(0.01)
        time.sleep(0.2)
        model.may_go_on.set()
        return first.result(), [future.result() for future in rest]


def test_identical_questions_in_the_air_are_paid_for_once(asked: RAG, model: Dear) -> None:
    first, rest = in_the_air(asked, model, 4)
    assert model.asked == 1
    assert len({first.prompt_id, *(answer.prompt_id for answer in rest)}) == 5
    for answer in rest:
        assert answer.text == first.text
        assert answer.cost == 0
        assert first.prompt_id in answer.attempts[-1].reason
    assert reused(asked) == ["", *["shared"] * 4]


def test_they_go_on_by_themselves_where_the_first_fails(asked: RAG, model: Dear) -> None:
    model.reply = "NOT FOUND"
    _, rest = in_the_air(asked, model, 2)
    assert model.asked == 3
    assert {answer.outcome for answer in rest} == {"abstained"}


def test_each_keeps_its_own_deadline(asked: RAG, model: Dear) -> None:
    model.may_go_on.clear()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(asked.ask, QUESTION)
        assert model.begun.wait(20)
        late = asked.ask(QUESTION, deadline=0.2)
        assert late.outcome == "failed"
        assert model.asked == 1
        model.may_go_on.set()
        assert first.result().outcome == "answered"


def test_a_stream_waits_for_nobodys_reader(asked: RAG, model: Dear) -> None:
    stream = asked.ask(QUESTION, stream=True)
    next(iter(stream))  # its reader pauses here
    assert asked.ask(QUESTION).text == ANSWER
    stream.close()


def test_async_asks_share_too(asked: RAG, model: Dear) -> None:
    async def run() -> None:
        door = AsyncRAG(asked)
        answers = await asyncio.gather(*(door.ask(QUESTION) for _ in range(5)))
        assert len({answer.prompt_id for answer in answers}) == 5
        assert (await door.answers.stats()).asks == 5
        assert await door.answers.clear() == 1

    asyncio.run(run())
    assert model.asked == 1


# What it saved


def test_what_was_saved(bedrock: BedrockServer, dsn: str) -> None:
    with RAG.connect(
        dsn, region="us-east-1", embedder=WordEmbedder(), models=[f"bedrock:{LITE}"], confidence=Sure()
    ) as rag:
        rag.ingest(DOCUMENTS)
        first = rag.ask(QUESTION)
        again = [rag.ask(QUESTION) for _ in range(2)]
        stats = rag.answers.stats()
    assert first.cost > 0
    assert [answer.cost for answer in again] == [0, 0]
    assert sum(call.operation == "Converse" for call in bedrock.calls) == 1
    assert (stats.entries, stats.asks, stats.exact, stats.similar, stats.shared) == (1, 3, 2, 0, 0)
    assert stats.saved == 2 * first.cost
    assert stats.hit_rate == pytest.approx(2 / 3)


def test_what_providers_had_cached(bedrock: BedrockServer, database: Database) -> None:
    """The prefix is the same for every question, so that all asks but the first read it from the provider's cache."""
    rates, spent = {}, {}
    ledger = PostgresLedger(database)
    for cache in ("off", "5m"):
        generator = ConverseGenerator(LITE, region="us-east-1", ledger=ledger, prices=PriceBook.default(), cache=cache)
        rag = RAG(
            database,
            embedder=WordEmbedder(),
            models=[generator],
            confidence=Sure(),
            ledger=ledger,
            system="Answer as the style of the house asks. " * 800,
            tenant=cache,
        )
        rag.ingest(DOCUMENTS)
        spent[cache] = sum(rag.ask(f"How long is the notice period in case {number}?").cost for number in range(5))
        rates[cache] = rag.answers.stats().prompt_cache_rate
    assert rates["off"] == 0
    assert 0.75 < rates["5m"] < 0.8  # four prompts of five, but for their sources
    assert spent["5m"] < spent["off"] / 2


def test_clear(asked: RAG, model: Dear) -> None:
    asked.ingest(DOCUMENTS, collection="other")
    for collection in ("default", "other"):
        asked.ask(QUESTION, collection=collection)
    assert asked.answers.clear("other") == 1
    assert asked.answers.clear("absent") == 0
    asked.ask(QUESTION)
    assert model.asked == 2
    assert asked.answers.clear() == 1
    asked.ask(QUESTION)
    assert model.asked == 3


@pytest.mark.parametrize("disliked", ["the first", "the one given again"])
def test_what_was_not_liked_is_not_given_again(asked: RAG, model: Dear, disliked: str) -> None:
    first, again = asked.ask(QUESTION), asked.ask(QUESTION)
    asked.ask("Where do laptops go?")
    asked.feedback(again.prompt_id, good=True)
    assert asked.ask(QUESTION).attempts[-1].step == "reuse"
    asked.feedback((first if disliked == "the first" else again).prompt_id, good=False)
    assert asked.ask(QUESTION).attempts[-1].step == "read"
    assert asked.ask("Where do laptops go?").attempts[-1].step == "reuse"
    assert model.asked == 3


def test_what_is_asked_again_to_judge_it_is_answered_anew(asked: RAG, model: Dear) -> None:
    answer = asked.ask(QUESTION)
    asked.feedback(answer.prompt_id, good=False)
    asked.failures.tag(answer.prompt_id, answers=["three months"])
    for asked_so_far in (2, 3):
        replay = asked.failures.replay(answer.prompt_id)
        assert (replay.fault, model.asked) == ("", asked_so_far)
    assert asked.evaluate([{"question": QUESTION, "answers": ["three months"]}]).passed == 2
    assert model.asked == 5


def test_a_question_that_may_not_be_embedded_has_no_similar_one(
    bedrock: BedrockServer, database: Database, model: Dear
) -> None:
    rag = RAG.connect(
        database.dsn,
        region="us-east-1",
        embedder="bedrock:amazon.titan-embed-text-v2:0",
        models=[model],
        confidence=Sure(),
        answer_cache=AnswerCache(similar=0.9),
    )
    with rag:
        rag.migrate()
        rag.ingest(DOCUMENTS)
        rag.budgets.set(SpendingBudget(name="none", usd=0))
        answer = rag.ask(QUESTION)
    assert answer.outcome == "answered"
    assert "keyword search alone" in answer.attempts[0].reason


def test_tenants_share_no_answers(roles: Roles, model: Dear) -> None:
    store = Database(roles.app, timeout=5)
    rag = RAG(store, embedder=WordEmbedder(), models=[model], confidence=Sure())
    for tenant in ("one", "two"):
        rag.ingest(DOCUMENTS, tenant=tenant)
        rag.ask(QUESTION, tenant=tenant)
        assert rag.ask(QUESTION, tenant=tenant).attempts[-1].step == "reuse"
    assert model.asked == 2
    two = RAG(store, embedder=WordEmbedder(), models=[model], confidence=Sure(), tenant="two")
    assert two.answers.stats().entries == 1
    assert two.answers.clear() == 1
    assert rag.ask(QUESTION, tenant="one").attempts[-1].step == "reuse"
    store.close()


def rows(database: Database) -> int:
    with database.transaction(tenant=None) as connection:
        return len(connection.execute("SELECT FROM ragdiet.answer_cache").fetchall())


def ends_in(database: Database) -> float:
    with database.transaction(tenant=None) as connection:
        (row,) = connection.execute(
            "SELECT extract(epoch FROM expires_at - now()) FROM ragdiet.answer_cache"
        ).fetchall()
    return float(row[0])


def aged(database: Database, interval: str) -> None:
    with database.transaction(tenant=None) as connection:
        connection.execute("UPDATE ragdiet.answer_cache SET expires_at = expires_at - %s::interval", (interval,))
