"""What a chain's paid checks save against what they cost, by how well they judge.

A check of the small model's answers in doubt is Bedrock's contextual grounding, a check of the hits is Bedrock's
reranker, both of the stand-in at Bedrock's prices. How well they judge is played: a lot of known odds tells right from
wrong replies, and questions with an answer from those without. ``benchmarks.chain_played`` says what the models are.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

from benchmarks.bedrock_pieces import RERANKER
from benchmarks.chain_money import ACCEPTED, BELIEVED, GATES, Policy
from benchmarks.chain_played import Ended, Gold, Read, Readers, alone, questions, readers, row, share_right, usd, yes
from benchmarks.report import Row
from ragdiet import Chain, Search, Step
from ragdiet.account import PriceBook
from ragdiet.bedrock import GUARDRAIL_PRICES, GUARDRAIL_UNIT
from ragdiet.fallback import Check, Relevance, once_allowed, saving
from ragdiet.gold import holds
from ragdiet.guard import BedrockGuardrail
from ragdiet.retrieve import BedrockReranker
from ragdiet.testing.bedrock import Guardrail, RerankModel
from ragdiet.types import Usage


class Odds(NamedTuple):
    """How often right ones pass, and wrong ones do not."""

    right: float
    wrong: float

    def passes(self, right: bool, *lot: str) -> bool:
        """By a lot that is the same whenever it is drawn."""
        drawn = random.Random(zlib.crc32(" ".join(lot).encode())).random()
        return drawn < (self.right if right else 1 - self.wrong)


class Guard(NamedTuple):
    """What a guard's odds are, and what the chain is told that they are."""

    are: Odds
    told: Odds


ASSUMED = Odds(0.9, 0.7)
"""What ``Check`` and ``Relevance`` take for granted where nothing else is said."""
_NEVER_WRONG, _GOOD, _POOR, _NONE = Odds(1.0, 1.0), Odds(0.95, 0.9), Odds(0.8, 0.5), Odds(0.5, 0.5)
GUARDS = {
    "neverwrong": Guard(_NEVER_WRONG, _NEVER_WRONG),
    "good": Guard(_GOOD, _GOOD),
    "usual": Guard(ASSUMED, ASSUMED),
    "poor": Guard(_POOR, _POOR),
    "pooroverrated": Guard(_POOR, ASSUMED),
    "guessesoverrated": Guard(_NONE, ASSUMED),
}
_RERANKED = 300
_BUDGETS = (600, 1_500, 3_000)
_GROUNDING = PriceBook.default().price(GUARDRAIL_PRICES["contextualGroundingPolicyUnits"])


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy whose answers in doubt are checked."""

    policy: Policy
    guard: Guard

    def ends(self, question: str, read: Read) -> Ended:
        """What becomes of a question, by the rules of the chain."""
        small, end = read.small, self.policy.ends(read)
        if not end.escalated or small.refused:
            return end
        price = _GROUNDING.cost(Usage(units=-(-small.checked // GUARDRAIL_UNIT)))
        if once_allowed(small.confidence, **self.guard.told._asdict()) < self.policy.accept:
            return end
        if saving(small.confidence, Decimal(read.big.cost), price, **self.guard.told._asdict()) <= 0:
            return end
        if self.guard.are.passes(small.right, question):
            end = alone(small)
        return replace(end, cost=end.cost + float(price))

    def chain(self, read: Readers, judge: BedrockGuardrail) -> Chain:
        search, small, *rest = self.policy.chain(read.small, read.big).steps
        assert isinstance(small, Step)
        return Chain([search, replace(small, check=Check(judge, **self.guard.told._asdict())), *rest])


def checks(data: Path, where: str = "local") -> Row:
    """Answers in doubt checked, and hits reranked before a dear model reads: USD saved and spent, and accuracy."""
    gold = questions(data)
    guardrails = {
        name: Guardrail(grounding=0.5, grounded=partial(_grounded, gold=gold, odds=guard.are))
        for name, guard in GUARDS.items()
    }
    reranker = RerankModel(score=partial(_relevant, gold=gold, odds=ASSUMED))
    with readers(data, where, gold, guardrails=guardrails, models={RERANKER: reranker}) as read:
        return {
            "questions to choose on, and to report on": [len(read.choosing), len(read.reporting)],
            "answers in doubt checked": _checked(read),
            "hits reranked before the big model reads": _reranked(read),
        }


def choose(read: Sequence[tuple[str, Read]], guard: Guard | None) -> Policy:
    """Of the policies that are as often right as the big model, or if none is the most often right, the cheapest;
    with no ``guard`` nothing is checked."""
    always = share_right([alone(each.big) for _, each in read])
    figures = {}
    for policy in (Policy(*given) for given in product(GATES, ACCEPTED, BELIEVED)):
        checked = Checked(policy, guard) if guard else None
        ends = [checked.ends(*each) if checked else policy.ends(each[1]) for each in read]
        figures[policy] = (min(share_right(ends), always), -usd(ends))
    return max(figures, key=figures.__getitem__)


def _checked(read: Readers) -> list[Row]:
    """The policy that is as right as always big, chosen with each guard, and what becomes of the other questions."""
    choosing, reporting = list(read.choosing.items()), list(read.reporting.values())
    table = []
    for name, guard in {"none": None, **GUARDS}.items():
        policy = choose(choosing, guard)
        chain = policy.chain(read.small, read.big)
        if guard:
            chain = Checked(policy, guard).chain(read, BedrockGuardrail(name, "1", **read.pieces))
        before = len(read.ledger.calls)
        ends = read.asked(chain)
        spent = [call.cost for call in read.ledger.calls[before:] if call.stage == "guard"]
        table.append(
            {
                "guard": name,
                "allows right ones, stops wrong ones": list(guard.are) if guard else None,
                "the chain is told": list(guard.told) if guard else None,
                **row(ends, reporting),
                "checked": len(spent),
                "usd of checks a thousand": round(1_000 * float(sum(spent)) / len(ends), 4),
                "gate, accepted from, refusal believed under": [policy.gate, policy.accept, policy.believed],
            }
        )
    return table


def _reranked(read: Readers) -> list[Row]:
    """A big model alone, behind gate 1, over some of the questions; with what the reranker spares it."""
    relevance = Relevance(BedrockReranker(RERANKER, **read.pieces))
    table = []
    for budget in _BUDGETS:
        without, reranked = (_spent(read, budget, each) for each in (None, relevance))
        readings = without["generate"]
        table.append(
            {
                "tokens of context at most": budget,
                "questions": _RERANKED,
                "read": len(readings),
                "usd a reading": round(float(sum(readings)) / len(readings), 5),
                "reranked": len(reranked["rerank"]),
                "usd of reranking": round(float(sum(reranked["rerank"])), 4),
                "readings spared": len(readings) - len(reranked["generate"]),
                "of the usd without it": round(float(sum(map(sum, reranked.values())) / sum(readings)), 3),
            }
        )
    return table


def _spent(read: Readers, budget: int, relevance: Relevance | None) -> dict[str, list[Decimal]]:
    """USD of each request by its stage."""
    rag = read.opened(chain=Chain([Search(), Step(read.big, accept=yes, relevance=relevance)]))
    before = len(read.ledger.calls)
    for question in list(read.reporting)[:_RERANKED]:
        rag.ask(question, budget=budget, k=20)
    calls = read.ledger.calls[before:]
    return {stage: [call.cost for call in calls if call.stage == stage] for stage in ("generate", "rerank")}


def _grounded(response: str, sources: str, query: str, *, gold: Gold, odds: Odds) -> float:
    return float(odds.passes(holds(response, gold.get(query, ())), query))


def _relevant(query: str, document: str, *, gold: Gold, odds: Odds) -> float:
    return 0.9 if odds.passes(bool(gold.get(query)), "rerank", query) else 0.1
