"""Two models of known accuracy that have read every question, and the figures of what becomes of asks.

The models are those of the Bedrock stand-in at Bedrock's prices, right by a lot that is known: where the sources hold
the answer, or where there is none, ``RIGHT`` of the time. Of a model's mistakes about questions that have an answer the
share ``REFUSED`` are refusals, the others another sentence, cited.
"""

from __future__ import annotations

import math
import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any, TypeAlias

from benchmarks import database
from benchmarks.bedrock_pieces import CHAT, REGION, credentials, given, stand_in
from benchmarks.datasets import read_lines
from benchmarks.report import Row
from ragdiet import RAG, Answer, Chain, Document, Search, Step
from ragdiet.account import MemoryLedger
from ragdiet.bedrock import BedrockClient
from ragdiet.embed import MiniLM
from ragdiet.fallback import Facts
from ragdiet.generate import ConverseGenerator
from ragdiet.gold import holds
from ragdiet.sentences import split_sentences
from ragdiet.store import Database
from ragdiet.testing.bedrock import ChatModel, Tokenizer
from ragdiet.testing.bedrock.models.extract import REFUSAL, extract
from ragdiet.types import Attempt

BIG = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
RIGHT = {CHAT: 0.75, BIG: 0.92}
REFUSED = 0.5

_SET = "squad_v2"
_QUESTIONS = 1_000
_BLOCK = re.compile(r"^(?=\[\d+\])", re.MULTILINE)
_NUMBER = re.compile(r"\[(\d+)\]")

Gold: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model made of a question; ``confidence`` is gate 2's, ``cost`` USD, ``checked`` the characters of an
    answer, of its question and of its sources, by which a check of it is billed."""

    refused: bool
    right: bool
    confidence: float
    cost: float
    checked: int = 0

    @property
    def kind(self) -> str:
        said = "refusal" if self.refused else "answer"
        return f"{'right' if self.right else 'wrong'} {said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A question that both models have read; ``found`` is gate 1's chance that the corpus holds an answer."""

    answerable: bool
    found: float
    small: Reply
    big: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an ask ends: ``escalated`` is the kind of the small model's reply where the big one was asked after it."""

    right: bool
    answered: bool
    cost: float
    escalated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Both models, what either made of each question of ``choosing`` and of ``reporting``, and ``opened``, which
    makes a RAG of a chain over the same corpus; ``pieces`` are what everything of Bedrock takes."""

    small: ConverseGenerator
    big: ConverseGenerator
    choosing: Mapping[str, Read]
    reporting: Mapping[str, Read]
    gold: Gold
    opened: Callable[..., RAG]
    pieces: Mapping[str, Any]

    @property
    def ledger(self) -> MemoryLedger:
        ledger: MemoryLedger = self.pieces["ledger"]
        return ledger

    def asked(self, chain: Chain) -> list[Ended]:
        """The questions to report on, asked of a chain, each to its end."""
        rag = self.opened(chain=chain)
        return [_ended(rag.ask(question), self.gold[question], read) for question, read in self.reporting.items()]


@contextmanager
def readers(data: Path, where: str, gold: Gold, **others: Any) -> Iterator[Readers]:
    """Every question read by both; ``others`` is for the stand-in."""
    documents = [Document(row["id"], row["text"], row["title"]) for row in read_lines(data / _SET / "corpus.jsonl.gz")]
    with (
        stand_in(chat={model: _played(model, gold) for model in RIGHT}, keep_requests=False, **others) as server,
        credentials(server),
        database.databases(where) as databases,
        databases.fresh(MiniLM().space) as dsn,
        closing(BedrockClient(REGION, endpoint_url=server.url)) as client,
        closing(Database(dsn)) as store,
    ):
        pieces = given(client, MemoryLedger())
        small, big = (ConverseGenerator(model, **pieces) for model in (CHAT, BIG))
        opened = partial(RAG, store, embedder=MiniLM(), ledger=pieces["ledger"], answer_cache=None, clarify=False)
        both = _Both(small, big)
        rag = opened(chain=both.chain)
        rag.ingest(documents)
        read = {question: both.read(rag, question, answers) for question, answers in gold.items()}
        choosing, reporting = (dict(list(read.items())[half::2]) for half in (0, 1))
        yield Readers(
            small=small, big=big, choosing=choosing, reporting=reporting, gold=gold, opened=opened, pieces=pieces
        )


def questions(data: Path) -> dict[str, tuple[str, ...]]:
    """Questions and their answers in mixed order, every other one without any."""
    rows: list[dict[str, Any]] = list(read_lines(data / _SET / "queries.jsonl"))
    random.Random(0).shuffle(rows)
    of_kind = [[row for row in rows if row["answerable"] is kind][: _QUESTIONS // 2] for kind in (True, False)]
    asked = [row for kind in of_kind for row in kind]
    random.Random(1).shuffle(asked)
    return {row["text"]: tuple(row["answers"]) if row["answerable"] else () for row in asked}


def alone(reply: Reply) -> Ended:
    return Ended(right=reply.right, answered=not reply.refused, cost=reply.cost)


def row(ends: Sequence[Ended], read: Sequence[Read]) -> Row:
    """``than big`` is the difference in accuracy on the same questions, with its 95% interval."""
    always = [alone(each.big) for each in read]
    given_out = [end.right for end in ends if end.answered]
    difference, least, most = interval(ends, always)
    return {
        "right": round(share_right(ends), 3),
        "than big": f"{difference:+.3f} [{least:+.3f}, {most:+.3f}]",
        "right of those answered": round(mean(given_out), 3),
        "asked big": sum(bool(end.escalated) for end in ends),
        "usd a thousand": round(1_000 * usd(ends) / len(ends), 4),
        "of always big's USD": round(usd(ends) / usd(always), 3),
    }


def interval(ends: Sequence[Ended], others: Sequence[Ended]) -> tuple[float, float, float]:
    """By how much the ends are right more often than others of the same questions, and its 95% interval."""
    differences = [float(end.right) - other.right for end, other in zip(ends, others, strict=True)]
    off = 1.96 * stdev(differences) / math.sqrt(len(differences))
    return mean(differences), mean(differences) - off, mean(differences) + off


def share_right(ends: Sequence[Ended]) -> float:
    return mean(end.right for end in ends)


def usd(ends: Sequence[Ended]) -> float:
    return sum(end.cost for end in ends)


def yes(_: object) -> bool:
    """Accepts."""
    return True


class _Both:
    """Two models that read every question, one after the other; none of their replies stands."""

    def __init__(self, small: ConverseGenerator, big: ConverseGenerator) -> None:
        self._seen: list[Facts] = []
        self.chain = Chain([Search(accept=yes), Step(small, accept=self._noted), Step(big, accept=self._noted)])

    def read(self, rag: RAG, question: str, answers: tuple[str, ...]) -> Read:
        self._seen.clear()
        answer = rag.ask(question)
        seen = iter(self._seen)
        searched, *replies = answer.attempts[:3]
        small, big = (
            _reply(each, None if "did not find" in each.reason else next(seen), question, answers) for each in replies
        )
        return Read(answerable=bool(answers), found=searched.confidence or 0.0, small=small, big=big)

    def _noted(self, facts: Facts) -> bool:
        self._seen.append(facts)
        return False


def _reply(attempt: Attempt, facts: Facts | None, question: str, answers: tuple[str, ...]) -> Reply:
    """Of a refusal there are no ``facts``."""
    sources = facts.context.text if facts and facts.context else ""
    return Reply(
        refused=facts is None,
        right=holds(facts.text, answers) if facts else not answers,
        confidence=attempt.confidence or 0.0,
        cost=float(attempt.cost),
        checked=len(facts.text) + len(question) + len(sources) if facts else 0,
    )


def _ended(answer: Answer, answers: tuple[str, ...], read: Read) -> Ended:
    answered = answer.outcome == "answered"
    return Ended(
        right=holds(answer.text, answers) if answered else not answers,
        answered=answered,
        cost=float(answer.cost),
        escalated=read.small.kind if any(attempt.model == BIG for attempt in answer.attempts) else "",
    )


def _played(model: str, gold: Gold) -> ChatModel:
    return ChatModel(reply=partial(_said, model=model, gold=gold), tokenizer=Tokenizer(1.3 if model == CHAT else 1.5))


def _said(message: str, model: str, gold: Gold) -> str:
    """Right so often as the model is, by a lot that is the same whenever it is asked the question."""
    sources, _, question = message.rpartition("Question:")
    question = question.strip().partition("\n")[0]
    answers = gold.get(question, ())
    lot = random.Random(zlib.crc32(f"{model} {question}".encode()))
    if lot.random() >= RIGHT[model]:
        if answers and lot.random() < REFUSED:
            return REFUSAL
        wrong = extract(message)
        while answers and holds(wrong, answers):
            message = message.replace(wrong.rpartition(" [")[0], "")
            wrong = extract(message)
        return wrong
    for block in _BLOCK.split(sources):
        if number := _NUMBER.match(block):
            for start, end in split_sentences(text := block[number.end() :]):
                if answers and holds(text[start:end], answers):
                    return f"{text[start:end].strip().rpartition(chr(10))[2]} [{number[1]}]"
    return REFUSAL
