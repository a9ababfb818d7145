"""What a chain of two models saves, and at which accuracy: read once by both, and then each policy from what was noted.

The models are those of the Bedrock stand-in at Bedrock's prices, right by a lot that is known: where the sources hold
the answer, or where there is none, ``RIGHT`` of the time. Of a model's mistakes about questions that have an answer the
share ``REFUSED`` are refusals, the others another sentence, cited.
"""

from __future__ import annotations

import math
import random
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any, TypeAlias

from benchmarks import database
from benchmarks.bedrock_pieces import CHAT, REGION, credentials, given, stand_in
from benchmarks.datasets import read_lines
from benchmarks.report import Row
from ragdiet import RAG, Answer, Chain, Document, Search, Step, confident
from ragdiet.account import MemoryLedger
from ragdiet.bedrock import BedrockClient
from ragdiet.embed import MiniLM
from ragdiet.fallback import Facts, unlikely
from ragdiet.generate import ConverseGenerator
from ragdiet.gold import holds
from ragdiet.sentences import split_sentences
from ragdiet.store import Database
from ragdiet.testing.bedrock import ChatModel, Tokenizer
from ragdiet.testing.bedrock.models.extract import REFUSAL, extract

BIG = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
RIGHT = {CHAT: 0.75, BIG: 0.92}
REFUSED = 0.5

_SET = "squad_v2"
_QUESTIONS = 1_000
_GATES = (0.0, 0.1, 0.2, 0.3, 0.4)
_ACCEPTED = tuple(step / 20 for step in range(4, 19))
_BELIEVED = (0.0, *(step / 20 for step in range(6, 21)))
_GOAL = 0.4
_BLOCK = re.compile(r"^(?=\[\d+\])", re.MULTILINE)
_NUMBER = re.compile(r"\[(\d+)\]")

Gold: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model made of a question; ``confidence`` is gate 2's, ``cost`` USD."""

    refused: bool
    right: bool
    confidence: float
    cost: float

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


@dataclass(frozen=True, slots=True)
class Policy:
    """Models read from a chance of an answer of ``gate`` on; the small one's answer stands from a confidence of
    ``accept`` on, its refusal under a chance of ``believed``; what the big one says then stands."""

    gate: float
    accept: float
    believed: float

    def chain(self, small: ConverseGenerator, big: ConverseGenerator) -> Chain:
        declines = unlikely(self.believed) if self.believed else None
        return Chain(
            [
                Search(accept=confident(self.gate)),
                Step(small, accept=confident(self.accept), declines=declines),
                Step(big, accept=_yes),
            ]
        )

    def ends(self, read: Read) -> Ended:
        """What becomes of a question, by the rules of the chain.

        >>> small = Reply(refused=True, right=True, confidence=0.0, cost=0.1)
        >>> big = Reply(refused=False, right=False, confidence=0.6, cost=4.0)
        >>> read = Read(answerable=False, found=0.55, small=small, big=big)
        >>> Policy(0.2, 0.5, 0.6).ends(read).cost, Policy(0.2, 0.5, 0.5).ends(read).escalated
        (0.1, 'right refusal')
        """
        small = read.small
        if read.found < self.gate:
            return Ended(right=not read.answerable, answered=False, cost=0.0)
        stands = read.found < self.believed if small.refused else small.confidence >= self.accept
        if stands:
            return _alone(small)
        big = _alone(read.big)
        return Ended(right=big.right, answered=big.answered, cost=small.cost + big.cost, escalated=small.kind)


def chain(data: Path, where: str = "local") -> Row:
    """USD and accuracy of always small, always big, and chains chosen on one half of the questions, on the other."""
    documents = [Document(row["id"], row["text"], row["title"]) for row in read_lines(data / _SET / "corpus.jsonl.gz")]
    gold = _questions(data)
    with (
        stand_in(chat={model: _played(model, gold) for model in RIGHT}, keep_requests=False) as server,
        credentials(server),
        database.databases(where) as databases,
        databases.fresh(MiniLM().space) as dsn,
        closing(BedrockClient(REGION, endpoint_url=server.url)) as client,
        closing(Database(dsn)) as store,
    ):
        ledger = MemoryLedger()
        small, big = (ConverseGenerator(model, **given(client, ledger)) for model in (CHAT, BIG))
        opened = partial(RAG, store, embedder=MiniLM(), ledger=ledger, answer_cache=None, clarify=False)
        both = _Both(small, big)
        rag = opened(chain=both.chain)
        rag.ingest(documents)
        read = {question: both.read(rag, question, answers) for question, answers in gold.items()}
        choosing, reporting = (dict(list(read.items())[half::2]) for half in (0, 1))
        chosen = choices(list(choosing.values()))
        table = [
            {"policy": "always small", **_row([_alone(each.small) for each in reporting.values()], reporting)},
            {"policy": "always big", **_row([_alone(each.big) for each in reporting.values()], reporting)},
        ]
        in_order = Chain.of([small, big])
        defaults = {
            "the default chain, but no refusal believed": _asked(opened(chain=in_order.unbelieving()), reporting, gold),
            "the default chain": _asked(opened(chain=in_order), reporting, gold),
        }
        table += [{"policy": name, **_row(ends, reporting)} for name, ends in defaults.items()]
        for name, policy in chosen.items():
            ends = [policy.ends(each) for each in reporting.values()]
            table.append({"policy": name, **_row(ends, reporting), **_settings(policy)})
        goal = chosen[_NAMES[-1]]
        run = _asked(opened(chain=goal.chain(small, big)), reporting, gold)
    replayed = [goal.ends(each) for each in reporting.values()]
    return {
        "questions to choose on, and to report on": [len(choosing), len(reporting)],
        "right where sources hold it": RIGHT,
        "mistakes that are refusals": REFUSED,
        "questions on which a run of the last chain ends otherwise than the notes say": sum(
            (one.right, one.answered, one.escalated) != (other.right, other.answered, other.escalated)
            for one, other in zip(run, replayed, strict=True)
        ),
        "of always big's USD, as right as it": {row["policy"]: row["of always big's USD"] for row in table}[_NAMES[2]],
        "policies": table,
        "why the big model was asked": [
            {"policy": name, **_escalations(ends)}
            for name, ends in (
                *defaults.items(),
                *((name, [policy.ends(each) for each in reporting.values()]) for name, policy in chosen.items()),
            )
        ],
    }


_NAMES = (
    "no refusal believed, as right as always big",
    "the most often right",
    "as right as always big",
    "as right as always big within the interval",
    f"the most often right for {_GOAL:.0%}",
)


def choices(read: Sequence[Read]) -> dict[str, Policy]:
    """The policies to report on, by what they do with these questions."""
    always = [_alone(each.big) for each in read]
    most, whole = _right(always), _usd(always)
    figures = {
        policy: (_right(ends), _usd(ends) / whole)
        for policy in (Policy(*given) for given in product(_GATES, _ACCEPTED, _BELIEVED))
        for ends in ([policy.ends(each) for each in read],)
    }

    def cheapest(among: Sequence[Policy]) -> Policy:
        return min(among or [best], key=lambda policy: figures[policy][1])

    def rightest(among: Sequence[Policy]) -> Policy:
        return max(among, key=lambda policy: (figures[policy][0], -figures[policy][1]))

    best = rightest([*figures])
    as_right = [policy for policy in figures if figures[policy][0] >= most]
    within = [policy for policy in figures if figures[policy][1] <= _GOAL]
    none_believed = cheapest([policy for policy in as_right if not policy.believed])
    near = [policy for policy in figures if _interval([policy.ends(each) for each in read], always)[2] >= 0]
    given = (none_believed, best, cheapest(as_right), cheapest(near), rightest(within))
    return dict(zip(_NAMES, given, strict=True))


class _Both:
    """Two models that read every question, one after the other; none of their replies stands."""

    def __init__(self, small: ConverseGenerator, big: ConverseGenerator) -> None:
        self._texts: list[str] = []
        self.chain = Chain([Search(accept=_yes), Step(small, accept=self._noted), Step(big, accept=self._noted)])

    def read(self, rag: RAG, question: str, answers: tuple[str, ...]) -> Read:
        self._texts.clear()
        answer = rag.ask(question)
        texts = iter(self._texts)
        searched, *replies = answer.attempts[:3]
        small, big = (
            Reply(
                refused=refused,
                right=not answers if refused else holds(next(texts), answers),
                confidence=reply.confidence or 0.0,
                cost=float(reply.cost),
            )
            for reply in replies
            for refused in ["did not find" in reply.reason]
        )
        return Read(answerable=bool(answers), found=searched.confidence or 0.0, small=small, big=big)

    def _noted(self, facts: Facts) -> bool:
        self._texts.append(facts.text)
        return False


def _asked(rag: RAG, read: Mapping[str, Read], gold: Gold) -> list[Ended]:
    """The questions asked of a RAG, each to its end."""
    return [_ended(rag.ask(question), gold[question], each) for question, each in read.items()]


def _ended(answer: Answer, answers: tuple[str, ...], read: Read) -> Ended:
    answered = answer.outcome == "answered"
    return Ended(
        right=holds(answer.text, answers) if answered else not answers,
        answered=answered,
        cost=float(answer.cost),
        escalated=read.small.kind if any(attempt.model == BIG for attempt in answer.attempts) else "",
    )


def _alone(reply: Reply) -> Ended:
    return Ended(right=reply.right, answered=not reply.refused, cost=reply.cost)


def _row(ends: Sequence[Ended], read: Mapping[str, Read]) -> Row:
    """``than big`` is the difference in accuracy on the same questions, with its 95% interval."""
    always = [_alone(each.big) for each in read.values()]
    given_out = [end.right for end in ends if end.answered]
    difference, least, most = _interval(ends, always)
    return {
        "right": round(_right(ends), 3),
        "than big": f"{difference:+.3f} [{least:+.3f}, {most:+.3f}]",
        "right of those answered": round(mean(given_out), 3),
        "asked big": sum(bool(end.escalated) for end in ends),
        "usd a thousand": round(1_000 * _usd(ends) / len(ends), 4),
        "of always big's USD": round(_usd(ends) / _usd(always), 3),
    }


def _interval(ends: Sequence[Ended], others: Sequence[Ended]) -> tuple[float, float, float]:
    """By how much the ends are right more often than others of the same questions, and its 95% interval."""
    differences = [float(end.right) - other.right for end, other in zip(ends, others, strict=True)]
    off = 1.96 * stdev(differences) / math.sqrt(len(differences))
    return mean(differences), mean(differences) - off, mean(differences) + off


def _settings(policy: Policy) -> Row:
    return {"gate": policy.gate, "accepted from": policy.accept, "refusal believed under": policy.believed}


def _escalations(ends: Sequence[Ended]) -> Row:
    """How often the big model was asked after each kind of reply, and its share of the money."""
    count, whole = Counter(end.escalated for end in ends), _usd(ends)
    spent = {kind: _usd([end for end in ends if end.escalated == kind]) / whole for kind in count}
    return {
        f"after a {kind}": f"{count[kind]} ({spent.get(kind, 0):.0%} of its USD)"
        for kind in ("right answer", "wrong answer", "right refusal", "wrong refusal")
    }


def _right(ends: Sequence[Ended]) -> float:
    return mean(end.right for end in ends)


def _usd(ends: Sequence[Ended]) -> float:
    return sum(end.cost for end in ends)


def _yes(_: object) -> bool:
    return True


def _questions(data: Path) -> dict[str, tuple[str, ...]]:
    """Questions and their answers in mixed order, every other one without any."""
    rows: list[dict[str, Any]] = list(read_lines(data / _SET / "queries.jsonl"))
    random.Random(0).shuffle(rows)
    of_kind = [[row for row in rows if row["answerable"] is kind][: _QUESTIONS // 2] for kind in (True, False)]
    asked = [row for kind in of_kind for row in kind]
    random.Random(1).shuffle(asked)
    return {row["text"]: tuple(row["answers"]) if row["answerable"] else () for row in asked}


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
