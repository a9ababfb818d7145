"""ask(stream=True): text as the model writes it, what is taken back of it, and what leaving early does."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal

import psycopg
import pytest

from ragdiet.account import MemoryLedger, PostgresLedger
from ragdiet.aio import AsyncRAG
from ragdiet.errors import InvalidArgument, ModelUnavailable, StoreUnavailable
from ragdiet.generate import ExtractiveReader
from ragdiet.observe import current
from ragdiet.protocols import Generator
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.stream import AnswerStream
from ragdiet.testing.bedrock import BedrockServer, ChatModel, Fault
from ragdiet.types import Context, Document, Generation, GuardVerdict, Hit, Prompt, Replaced, Usage
from tests.embedders import WordEmbedder
from tests.stand_in import its_environment

QUESTION = "How long is the notice period?"
DOCUMENTS = (
    Document(
        "leaving", "The notice period is three months for permanent staff. Its key is AKIAIOSFODNN7EXAMPLE.", "Leaving"
    ),
    Document("travel", "Trains are booked through the travel desk.", "Travel"),
)


class Sure:
    """A confidence of fixed values; that of answers, one after the other."""

    gate = 0.5
    accept = 0.5

    def __init__(self, *answers: float, retrieval: float = 1.0) -> None:
        self.retrieval = retrieval
        self.answers = list(answers or [1.0])

    def of_retrieval(self, question: str, hits: Sequence[Hit]) -> float:
        return self.retrieval

    def of_answer(self, question: str, hits: Sequence[Hit], context: Context, generation: Generation) -> float:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Said:
    """A stream of pieces of which one may be an error to raise."""

    def __init__(self, model: Streamer, prompt: Prompt) -> None:
        self._model = model
        self._prompt = prompt
        self.closed = 0

    def __iter__(self) -> Iterator[str]:
        for piece in self._model.pieces:
            self._model.prompt_ids.append(current().prompt_id)
            if isinstance(piece, Exception):
                raise piece
            yield piece
        self._model.ended += 1

    @property
    def generation(self) -> Generation:
        return self._model.generate(self._prompt)

    def close(self) -> None:
        self.closed += 1


class Streamer:
    """A model that says the same pieces each time. It is local: nothing is hidden of what it gets."""

    is_local = True

    def __init__(self, model: str, *pieces: str | Exception, enough: int = 0) -> None:
        self.model = model
        self.pieces = pieces
        self.enough = enough
        self.streams: list[Said] = []
        self.prompt_ids: list[str] = []
        self.ended = 0

    def stream(self, prompt: Prompt) -> Said:
        self.streams.append(Said(self, prompt))
        return self.streams[-1]

    def generate(self, prompt: Prompt) -> Generation:
        return Generation(
            text="".join(piece for piece in self.pieces if isinstance(piece, str)),
            model=self.model,
            served=self.model,
            usage=Usage(input_tokens=10, output_tokens=5),
            stop_reason="end_turn" if prompt.max_tokens >= self.enough else "max_tokens",
            cost=Decimal(0),
            seconds=0.0,
        )


def made(database: Database, *models: Generator, confidence: Sure | None = None, **pieces: object) -> RAG:
    rag = RAG(database, embedder=WordEmbedder(), models=models, confidence=confidence or Sure(), **pieces)  # type: ignore[arg-type]
    rag.ingest(DOCUMENTS)
    return rag


def good(model: str = "m", **given: int) -> Streamer:
    return Streamer(model, "The notice period", " is three", " months [1].", **given)


def bad(model: str = "bad") -> Streamer:
    return Streamer(model, "The notice", " period is a year [1].")


def test_pieces_come_while_the_model_writes(database: Database) -> None:
    model = good()
    stream = made(database, model).ask(QUESTION, stream=True)
    assert model.streams == []  # nothing happens before the first piece is asked for
    pieces = iter(stream)
    assert next(pieces) == "The notice period"
    assert (model.ended, stream.text) == (0, "The notice period")
    assert list(pieces) == [" is three", " months [1]."]
    assert model.ended == 1
    assert stream.text == stream.answer.text == "The notice period is three months [1]."
    assert [citation.n for citation in stream.answer.citations] == [1]
    assert stream.answer.outcome == "answered"
    assert list(stream) == ["The notice period", " is three", " months [1]."]
    assert len(model.streams) == 1


def test_a_streamed_answer_is_that_of_a_plain_ask(database: Database) -> None:
    rag = made(database, good())
    streamed, plain = rag.ask(QUESTION, stream=True).answer, rag.ask(QUESTION)
    for name in ("text", "citations", "confidence", "outcome", "cost", "context"):
        assert getattr(streamed, name) == getattr(plain, name)
    assert [(a.step, a.reason) for a in streamed.attempts] == [(a.step, a.reason) for a in plain.attempts]


def test_a_plain_ask_does_not_stream(database: Database) -> None:
    model = good()
    assert made(database, model).ask(QUESTION).outcome == "answered"
    assert model.streams == []


def test_no_text_before_gate_1(database: Database) -> None:
    model = good()
    stream = made(database, model, confidence=Sure(retrieval=0.1)).ask(QUESTION, stream=True)
    assert "".join(stream) == stream.answer.text
    assert stream.answer.outcome == "abstained"
    assert model.streams == []


def test_text_that_does_not_stand_up_is_taken_back(database: Database) -> None:
    stream = made(database, bad(), good("second"), confidence=Sure(0.1, 1.0)).ask(QUESTION, stream=True)
    pieces = list(stream)
    assert pieces[:2] == ["The notice", " period is a year [1]."]
    replaced = pieces[2]
    assert isinstance(replaced, Replaced)
    assert replaced == "\n\n"  # a program that only prints keeps the two apart
    assert "confidence 0.10 under 0.50" in replaced.reason
    assert "".join(pieces[3:]) == stream.answer.text == stream.text == "The notice period is three months [1]."
    assert [attempt.model for attempt in stream.answer.attempts[1:]] == ["bad", "second"]


def test_a_safe_reply_takes_the_place_of_what_was_shown(database: Database) -> None:
    stream = made(database, bad(), confidence=Sure(0.1)).ask(QUESTION, stream=True)
    pieces = list(stream)
    assert sum(isinstance(piece, Replaced) for piece in pieces) == 1
    assert stream.answer.outcome == "abstained"
    assert stream.text == stream.answer.text
    assert "a year" not in stream.text


def test_a_stream_that_breaks_is_taken_back_and_the_next_model_asked(database: Database) -> None:
    broken = Streamer("broken", "The notice", ModelUnavailable("it fell over"))
    stream = made(database, broken, good("second")).ask(QUESTION, stream=True)
    pieces = list(stream)
    assert [type(piece) for piece in pieces] == [str, Replaced, str, str, str]
    assert "it fell over" in getattr(pieces[1], "reason", "")
    assert stream.answer.outcome == "answered"
    assert broken.streams[0].closed >= 1


def test_a_refusal_is_never_shown(database: Database) -> None:
    refusing = Streamer("refusing", "NOT", " FO", "UND")
    stream = made(database, refusing, good("second")).ask(QUESTION, stream=True)
    assert list(stream) == ["The notice period", " is three", " months [1]."]
    assert "did not find the answer" in stream.answer.attempts[1].reason


def test_a_text_that_only_begins_like_a_refusal_is_shown_whole(database: Database) -> None:
    stream = made(database, Streamer("m", "NO", "TICE is three months [1].")).ask(QUESTION, stream=True)
    assert list(stream) == ["NOTICE is three months [1]."]


def test_what_was_cut_off_is_asked_for_again_and_replaced(database: Database) -> None:
    model = good(enough=1_000)
    stream = made(database, model).ask(QUESTION, stream=True)
    pieces = list(stream)
    assert [isinstance(piece, Replaced) for piece in pieces] == [False] * 3 + [True] + [False] * 3
    assert "cut the reply off" in getattr(pieces[3], "reason", "")
    assert len(model.streams) == 2
    assert stream.text == stream.answer.text


def test_a_model_that_cannot_stream_is_shown_once_it_is_judged(database: Database) -> None:
    stream = made(database, ExtractiveReader(), confidence=Sure(0.1)).ask(QUESTION, stream=True)
    pieces = list(stream)
    assert not any(isinstance(piece, Replaced) for piece in pieces)
    assert "".join(pieces) == stream.answer.text
    assert stream.answer.outcome == "abstained"


class NoYears:
    """A guard that blocks replies which speak of years."""

    name = "no years"
    is_local = True

    def check_input(self, text: str) -> GuardVerdict:
        return GuardVerdict()

    def check_output(self, text: str) -> GuardVerdict:
        return GuardVerdict(action="block", reason="a year") if "year" in text else GuardVerdict()

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        return GuardVerdict()


def test_where_a_guard_judges_replies_nothing_is_shown_before(database: Database) -> None:
    models = bad(), good("second")
    stream = made(database, *models, guards=[NoYears()]).ask(QUESTION, stream=True)
    pieces = list(stream)
    assert "year" not in "".join(pieces)
    assert not any(isinstance(piece, Replaced) for piece in pieces)
    assert [model.streams for model in models] == [[], []]
    assert "".join(pieces) == stream.answer.text


def test_secrets_that_are_hidden_from_the_model_are_back_in_the_stream(database: Database) -> None:
    seen: list[str] = []

    class Echo(Streamer):
        is_local = False

        def stream(self, prompt: Prompt) -> Said:
            seen.append(prompt.context.text)
            start = prompt.context.text.index("Its key")
            text = prompt.context.text[start:].partition("\n")[0].rstrip(".") + " [1]."
            self.pieces = tuple(text[place : place + 3] for place in range(0, len(text), 3))  # a mark comes in parts
            return super().stream(prompt)

    stream = made(database, Echo("echo")).ask("What is the key for the notice period?", stream=True)
    pieces = list(stream)
    assert "AKIAIOSFODNN7EXAMPLE" not in seen[0]
    assert "AKIAIOSFODNN7EXAMPLE" in "".join(pieces)
    assert "".join(pieces) == stream.answer.text
    assert len(pieces) > 2


# -- leaving early, and being used by others ---------------------------------------------------------------------------


def test_closing_stops_the_ask(database: Database) -> None:
    model, other = bad(), good("second")
    with made(database, model, other, confidence=Sure(0.1, 1.0)).ask(QUESTION, stream=True) as stream:
        next(iter(stream))
    assert (model.ended, other.streams) == (0, [])
    assert model.streams[0].closed >= 1
    assert stream.text == "The notice"
    with pytest.raises(InvalidArgument, match="closed before its end"):
        list(stream)
    with pytest.raises(InvalidArgument, match="closed before its end"):
        _ = stream.answer
    stream.close()


def test_a_closed_stream_that_was_read_keeps_its_answer(database: Database) -> None:
    with made(database, good()).ask(QUESTION, stream=True) as stream:
        list(stream)
    assert stream.answer.outcome == "answered"


def test_letting_go_of_a_stream_stops_the_ask(database: Database) -> None:
    model = bad()
    rag = made(database, model)
    for _ in rag.ask(QUESTION, stream=True):
        break
    gc.collect()
    assert model.streams[0].closed >= 1
    assert model.ended == 0


def test_a_stream_that_is_left_by_one_reader_can_be_read_by_another(database: Database) -> None:
    stream = made(database, good()).ask(QUESTION, stream=True)
    for _ in stream:
        break
    assert stream.answer.text == "The notice period is three months [1]."


def test_the_ask_names_itself_and_not_its_reader(database: Database) -> None:
    model = good()
    stream = made(database, model).ask(QUESTION, stream=True, prompt_id="mine-1")
    for _ in stream:
        assert current().prompt_id != "mine-1"
    assert set(model.prompt_ids) == {"mine-1"}
    assert stream.answer.prompt_id == "mine-1"


def test_an_error_of_the_database_is_raised_each_time() -> None:
    def run() -> Iterator[str]:
        yield "one"
        raise StoreUnavailable("gone")

    stream = AnswerStream(run)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        list(stream)
    with pytest.raises(StoreUnavailable):
        _ = stream.answer


def test_what_cannot_work_is_told_at_once(database: Database) -> None:
    rag = made(database, good())
    with pytest.raises(InvalidArgument):
        rag.ask(QUESTION, stream=True, k=0)
    with pytest.raises(InvalidArgument):
        list(rag.ask("   ", stream=True))


def test_rows_of_a_custom_model_that_streams(database: Database) -> None:
    ledger = MemoryLedger()
    rag = made(database, good(), ledger=ledger)
    list(rag.ask(QUESTION, stream=True))
    for _ in rag.ask(QUESTION, stream=True):
        break
    gc.collect()
    rows = [(row.status, row.usage.output_tokens, row.error) for row in ledger.calls if row.stage == "generate"]
    assert rows == [("done", 5, ""), ("failed", 0, "GeneratorExit")]


def test_the_asynchronous_door_streams_too(database: Database) -> None:
    model = bad()

    async def run() -> None:
        door = AsyncRAG(made(database, model, good("second"), confidence=Sure(0.1, 1.0)))
        stream = door.ask(QUESTION, stream=True)
        pieces = [piece async for piece in stream]
        assert pieces[0] == "The notice"
        assert isinstance(pieces[2], Replaced)
        assert (await stream.answer()).text == stream.text == "The notice period is three months [1]."
        left = door.ask(QUESTION, stream=True)
        async with left:
            async for _ in left:
                break
        with pytest.raises(InvalidArgument, match="closed"):
            await left.answer()
        assert model.ended == 1
        await door.close()

    asyncio.run(run())


# -- over Bedrock ------------------------------------------------------------------------------------------------------

CHEAP, DEAR = "us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0"


@pytest.fixture
def bedrock() -> Iterator[BedrockServer]:
    chat = {CHEAP: ChatModel(first_token=0.05, per_token=0.03), DEAR: ChatModel()}
    with BedrockServer(chat=chat) as server, its_environment(server):
        yield server


@pytest.fixture
def connected(bedrock: BedrockServer, dsn: str) -> Iterator[RAG]:
    with RAG.connect(
        dsn,
        region="us-east-1",
        embedder="bedrock:amazon.titan-embed-text-v2:0",
        models=[f"bedrock:{CHEAP}", f"bedrock:{DEAR}"],
        confidence=Sure(),
        answer_cache=None,  # the same question is asked again and again
    ) as rag:
        rag.migrate()
        rag.ingest(DOCUMENTS)
        rag.ask(QUESTION)  # connections are open now
        yield rag


def rows(dsn: str, prompt_id: str) -> list[tuple[str, str, Decimal]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT model, status, cost FROM ragdiet.call "
            "WHERE prompt_id = %s AND stage = 'generate' ORDER BY started_at",
            (prompt_id,),
        ).fetchall()


def test_bedrocks_text_is_shown_as_it_comes(connected: RAG, bedrock: BedrockServer) -> None:
    stream = connected.ask(QUESTION, stream=True)
    times = [time.monotonic() for _ in stream]
    assert len(times) > 2
    assert times[-1] - times[0] > 0.05
    assert "three months" in stream.answer.text
    assert stream.answer.outcome == "answered"
    assert stream.answer.cost > 0
    assert bedrock.calls[-1].operation == "ConverseStream"
    assert bedrock.calls[-1].request["requestMetadata"]["prompt_id"] == stream.answer.prompt_id


def test_a_cut_stream_is_paid_for_and_the_next_model_answers(connected: RAG, bedrock: BedrockServer, dsn: str) -> None:
    bedrock.script(Fault(end=True, frame=3), operation="ConverseStream", model=CHEAP)
    stream = connected.ask(QUESTION, stream=True)
    pieces = list(stream)
    assert any(isinstance(piece, Replaced) and "before it was complete" in piece.reason for piece in pieces)
    assert stream.answer.outcome == "answered"
    found = rows(dsn, stream.answer.prompt_id)
    assert [(model, status) for model, status, _ in found] == [(CHEAP, "unknown"), (DEAR, "done")]
    assert stream.answer.cost >= sum(cost for _, _, cost in found) > 0


def test_who_leaves_early_has_a_priced_row(connected: RAG, bedrock: BedrockServer, dsn: str) -> None:
    assert isinstance(connected.ledger, PostgresLedger)
    stream = connected.ask(QUESTION, stream=True, prompt_id="left-1")
    with stream:
        next(iter(stream))
    connected.close()  # waits for the price
    ((model, status, cost),) = rows(dsn, "left-1")
    assert (model, status) == (CHEAP, "done")
    charge = bedrock.bill.rows[-1].charge
    assert cost == (charge.input_tokens * Decimal("0.06") + charge.output_tokens * Decimal("0.24")) / 1_000_000


def test_an_ask_does_not_hang_past_its_deadline(connected: RAG, bedrock: BedrockServer) -> None:
    for operation, is_stream in (("Converse", False), ("ConverseStream", True)):
        bedrock.script(Fault(delay=5.0), Fault(delay=5.0), operation=operation)  # of each model
        began = time.monotonic()
        found = (
            connected.ask(QUESTION, deadline=0.7, stream=True).answer
            if is_stream
            else connected.ask(QUESTION, deadline=0.7)
        )
        assert time.monotonic() - began < 1.5
        assert found.outcome == "failed"
        assert ["ModelTimeout" in attempt.reason for attempt in found.attempts[1:3]] == [True, True]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"stopReason": "content_filtered"}, "content filter stepped in"),
        ({"stopReason": "guardrail_intervened"}, "the guardrail stepped in"),
        ({"stopReason": "a_new_reason"}, "a reason that is not known (stop reason: a_new_reason)"),
        ({"output": {"message": {"role": "assistant", "content": []}}}, "gave no text"),
        ({"usage": {"inputTokens": -5, "outputTokens": 1, "totalTokens": -4}}, "the bill cannot be read"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_reply_that_is_no_answer_is_a_step_with_its_reason_and_its_price(
    edit: dict[str, object], reason: str, is_stream: bool, connected: RAG, bedrock: BedrockServer, dsn: str
) -> None:
    bedrock.script(Fault(edit=lambda reply: {**reply, **edit}), operation="ConverseStream" if is_stream else "Converse")
    answer = connected.ask(QUESTION, stream=True).answer if is_stream else connected.ask(QUESTION)
    assert answer.outcome == "answered"
    assert reason in answer.attempts[1].reason
    found = rows(dsn, answer.prompt_id)
    assert [model for model, _, _ in found] == [CHEAP, DEAR]
    assert all(cost > 0 for _, _, cost in found)
