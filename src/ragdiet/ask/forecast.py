"""What an ask will cost, foreseen: the chain walked a thousand times with chances out of what is known.

Whether a model's reply is accepted is drawn with the share of its replies that were, in asks of the same collection;
the length of a reply is one of its earlier lengths. Where little was seen yet, a prior stands beside it with the weight
of a few asks. The draws are the same for the same figures.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from ragdiet.fallback import Chain, Research, Search, Step, next_step
from ragdiet.types import Attempt, Quote

DRAWS = 1_000
_OUTSIDE = 0.01
"""Share of the draws that may lie below the least, and above the most: with the error of what is known of chances and
lengths that makes up for 5% of the asks."""

_PRIOR_LENGTH = (math.log(0.2), 0.8)
"""Mean and deviation of the logarithm of a reply's length over its cap, before any was seen."""
_LENGTHS_WEIGH = 10
_DIGITS = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A model that may read. ``prompt`` is what its prompt is likely to cost, and ``token`` a token of its reply, USD.

    ``ends`` are its own least and most where it does not say what a token costs. ``spread`` is the deviation of the
    logarithm of how the prompt is billed. ``lengths`` are those of earlier replies over their caps. ``read`` and
    ``written`` are the chances that the provider reads the prompt's prefix from its cache, which makes the prompt
    cheaper by ``saved``, or writes it there, which costs ``added``. ``settles`` is the chance that a reply which is not
    accepted ends the ask.
    """

    accepted: float
    prompt: Decimal
    token: Decimal
    cap: int
    longest: int
    ends: tuple[Decimal, Decimal] | None = None
    spread: float = 0.0
    lengths: Sequence[float] = ()
    again: float = 0.0
    read: float = 0.0
    written: float = 0.0
    saved: Decimal = Decimal(0)
    added: Decimal = Decimal(0)
    settles: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What is known of an ask before it is made. ``passes``: its hits pass gate 1; ``unclear``: choices will meet it.

    ``found_again`` is the chance that another search brings hits that pass, ``known`` the chance that the answer is
    there already. ``search`` is what the first search costs, least and most, and ``research`` another one, USD.
    """

    passes: bool
    readers: Mapping[str, Reader]
    unclear: bool = False
    found_again: float = 0.0
    known: float = 0.0
    search: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    research: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the draws gave: the cost of each ask, and what each step of the chain, by its place, cost where it was
    reached."""

    whole: list[Decimal]
    steps: list[list[Decimal]]


def drawn(chain: Chain, prospect: Prospect) -> Drawn:
    """The costs of as many asks as ``DRAWS``.

    >>> free = Reader(accepted=1.0, prompt=Decimal(0), token=Decimal(0), cap=200, longest=1000)
    >>> draws = drawn(Chain([Step("local")]), Prospect(passes=True, readers={"local": free}))
    >>> quote_of(draws).most
    Decimal('0')
    """
    dice = random.Random(0)  # noqa: S311  # no secret: the same draws each time
    draws = Drawn([], [[] for _ in chain.steps])
    places = {id(step): place for place, step in enumerate(chain.steps)}
    for _ in range(DRAWS):
        whole = Decimal(0)
        is_known = dice.random() < prospect.known
        attempts: list[Attempt] = []
        while not is_known and (step := next_step(attempts, chain)):
            paid, accepted, settles, model = Decimal(0), True, False, None
            match step:
                case Search():
                    paid, accepted = dice.choice(prospect.search), prospect.passes
                case Research():
                    paid, accepted = prospect.research, dice.random() < prospect.found_again
                case Step():
                    model, reader = step.id, prospect.readers[step.id]
                    paid, accepted = _read(reader, dice), dice.random() < reader.accepted
                    settles = not accepted and reader.settles > 0 and dice.random() < reader.settles
            draws.steps[places[id(step)]].append(paid)
            whole += paid
            if prospect.unclear:
                break
            attempts.append(Attempt(step=step.name, model=model, accepted=accepted, reason="", settles=settles))
        draws.whole.append(whole)
    return draws


def quote_of(draws: Drawn, worst: Decimal | None = None) -> Quote:
    """The range that holds all but the outermost draws, and their mean."""
    least, expected, most = spread_of(draws.whole)
    return Quote(least=least, expected=expected, most=most, worst=worst)


def spread_of(costs: Sequence[Decimal]) -> tuple[Decimal, Decimal, Decimal]:
    """Least, expected and most of some costs, USD."""
    if not costs:
        return Decimal(0), Decimal(0), Decimal(0)
    ordered = sorted(costs)
    outside = int(len(ordered) * _OUTSIDE)
    mean = sum(ordered, Decimal(0)) / len(ordered)
    least, most = ordered[outside], ordered[-1 - outside]
    return (
        _rounded(min(least, mean), ROUND_FLOOR),
        _rounded(mean, ROUND_HALF_EVEN),
        _rounded(max(most, mean), ROUND_CEILING),
    )


def shrunk(seen: float, of: float, prior: float, weight: float) -> float:
    """A share of what was seen, drawn towards ``prior`` as if that had been seen ``weight`` times.

    >>> shrunk(0, 0, 0.7, 8), round(shrunk(90, 100, 0.7, 8), 3)
    (0.7, 0.885)
    """
    return (seen + prior * weight) / (of + weight)


def _read(reader: Reader, dice: random.Random) -> Decimal:
    chance = dice.random()
    if reader.ends is not None:
        least, most = reader.ends
        return least if chance < 1.5 * _OUTSIDE else most if chance > 1 - 1.5 * _OUTSIDE else reader.prompt
    prompt = reader.prompt
    if chance < reader.read:
        prompt -= reader.saved
    elif chance < reader.read + reader.written:
        prompt += reader.added
    prompt *= Decimal(math.exp(dice.gauss(0, reader.spread)))
    tokens = _length(reader, dice)
    if dice.random() >= reader.again:
        return prompt + reader.token * tokens
    return 2 * prompt + reader.token * (reader.cap + dice.randint(min(reader.cap, reader.longest), reader.longest))


def _length(reader: Reader, dice: random.Random) -> int:
    seen = len(reader.lengths)
    if dice.random() < seen / (seen + _LENGTHS_WEIGH):
        share = dice.choice(reader.lengths)
    else:
        share = math.exp(dice.gauss(*_PRIOR_LENGTH))
    return max(1, min(reader.cap, round(share * reader.cap)))


def _rounded(amount: Decimal, how: str) -> Decimal:
    return amount.quantize(_DIGITS, rounding=how).normalize() if amount else Decimal(0)
