"""What a chain of two models saves, and at which accuracy: read once by both, and then each policy from what was noted.

``benchmarks.chain_played`` says what the models are and when they are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.chain_played import (
    REFUSED,
    RIGHT,
    Ended,
    Read,
    Readers,
    alone,
    interval,
    questions,
    readers,
    row,
    share_right,
    usd,
    yes,
)
from benchmarks.report import Row
from ragdiet import Chain, Search, Step, confident
from ragdiet.fallback import unlikely
from ragdiet.generate import ConverseGenerator

GATES = (0.0, 0.1, 0.2, 0.3, 0.4)
ACCEPTED = tuple(step / 20 for step in range(4, 19))
BELIEVED = (0.0, *(step / 20 for step in range(6, 21)))
_GOAL = 0.4


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
                Step(big, accept=yes),
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
            return alone(small)
        big = alone(read.big)
        return Ended(right=big.right, answered=big.answered, cost=small.cost + big.cost, escalated=small.kind)


def chain(data: Path, where: str = "local") -> Row:
    """USD and accuracy of always small, always big, and chains chosen on one half of the questions, on the other."""
    with readers(data, where, questions(data)) as read:
        return _measured(read)


def _measured(read: Readers) -> Row:
    reporting = list(read.reporting.values())
    chosen = choices(list(read.choosing.values()))
    in_order = Chain.of([read.small, read.big])
    ends = {
        "always small": [alone(each.small) for each in reporting],
        "always big": [alone(each.big) for each in reporting],
        "the default chain, but no refusal believed": read.asked(in_order.unbelieving()),
        "the default chain": read.asked(in_order),
        **{name: [policy.ends(each) for each in reporting] for name, policy in chosen.items()},
    }
    last = _NAMES[-1]
    run = read.asked(chosen[last].chain(read.small, read.big))
    table = {
        name: row(each, reporting) | (_settings(chosen[name]) if name in chosen else {}) for name, each in ends.items()
    }
    return {
        "questions to choose on, and to report on": [len(read.choosing), len(reporting)],
        "right where sources hold it": RIGHT,
        "mistakes that are refusals": REFUSED,
        "questions on which a run of the last chain ends otherwise than the notes say": sum(
            (one.right, one.answered, one.escalated) != (other.right, other.answered, other.escalated)
            for one, other in zip(run, ends[last], strict=True)
        ),
        "of always big's USD, as right as it": table[_NAMES[2]]["of always big's USD"],
        "policies": [{"policy": name, **each} for name, each in table.items()],
        "why the big model was asked": [
            {"policy": name, **_escalations(each)} for name, each in ends.items() if not name.startswith("always")
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
    always = [alone(each.big) for each in read]
    most, whole = share_right(always), usd(always)
    figures = {
        policy: (share_right(ends), usd(ends) / whole)
        for policy in (Policy(*given) for given in product(GATES, ACCEPTED, BELIEVED))
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
    near = [policy for policy in figures if interval([policy.ends(each) for each in read], always)[2] >= 0]
    given = (none_believed, best, cheapest(as_right), cheapest(near), rightest(within))
    return dict(zip(_NAMES, given, strict=True))


def _settings(policy: Policy) -> Row:
    return {"gate": policy.gate, "accepted from": policy.accept, "refusal believed under": policy.believed}


def _escalations(ends: Sequence[Ended]) -> Row:
    """How often the big model was asked after each kind of reply, and its share of the money."""
    count, whole = Counter(end.escalated for end in ends), usd(ends)
    spent = {kind: usd([end for end in ends if end.escalated == kind]) / whole for kind in count}
    return {
        f"after a {kind}": f"{count[kind]} ({spent.get(kind, 0):.0%} of its USD)"
        for kind in ("right answer", "wrong answer", "right refusal", "wrong refusal")
    }
