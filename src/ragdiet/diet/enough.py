"""How much is enough: where another sentence is no longer worth its tokens.

Sentences come best first. The chance that one brings the answer falls with its share of the best score, and with
what has been read before it. One is worth reading while

    tokens read before it <= REACH * share^FADE

so the best sentence is worth reading after 2,000 tokens, one of half its score after 250 only. FLOOR tokens are read
whatever they score, and never more than CEILING. A question that seems to need several passages gets twice the reach
and twice the floor: what its second passage says scores low before the first has told what to look for.

``python -m benchmarks.diet_auto`` fits REACH and FADE, and compares the rule with fixed budgets and with other rules:
with vectors it keeps what a fixed 600 tokens keep with a fifth fewer, and the 100 tokens after the stop would have
brought the answer to 0 to 4% of the questions of a set.
"""

from __future__ import annotations

REACH = 2_000
FADE = 3
FLOOR = 100
CEILING = 1_200
"""Tokens at most, whatever the question."""
SEVERAL = 2
"""Times as much for a question that needs several passages."""


def enough_before(share: float, spent: int, *, several: bool) -> bool:
    """Whether to stop before a sentence of this share of the best score, in [0, 1], after ``spent`` tokens.

    >>> [enough_before(0.5, spent, several=more) for spent, more in ((240, False), (260, False), (260, True))]
    [False, True, False]
    """
    more = SEVERAL if several else 1
    return spent >= more * FLOOR and spent > more * REACH * share**FADE
