"""What a model is likely to charge, and whether its reply will do: from its quotes and its earlier replies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from ragdiet.ask.forecast import Reader, shrunk
from ragdiet.generate import LONGEST, answer_length, expected_reply

if TYPE_CHECKING:
    from ragdiet.account import PastAsk, PastReply, Ratio
    from ragdiet.types import Quote

_ACCEPTED, _ACCEPTED_WEIGHS = 0.6, 8
"""Of replies to questions that the corpus answers, the share that is accepted, before any was seen."""
_SETTLED, _SETTLED_WEIGHS = 0.1, 8
"""Of replies that were not accepted, at a step that may believe a refusal, the share that ended the ask before any was
seen."""
_CUT_OFF, _CUT_OFF_WEIGHS = 0.02, 20
_CACHED, _CACHED_WEIGHS = 0.5, 4
_UNKNOWN_SPREAD = 0.16
"""Deviation of the logarithm of billed tokens over ours, of a model whose ratio was not learnt yet."""
_REACH = 9.0  # a learnt band is this many deviations wide
_WRITE, _READ = Decimal("0.25"), Decimal("0.9")
"""What a token of a cached prefix costs more to write, and less to read, as shares of its price."""


def reader_of(
    model: str,
    quote: Quote,
    longest: Quote,
    *,
    cap: int,
    ratio: Ratio | None,
    past: Sequence[PastAsk],
    confidence: float,
    declines: bool = False,
) -> Reader:
    """``quote`` is that of the prompt with replies of ``cap`` tokens at most, ``longest`` with ``LONGEST``: what they
    expect differs by the price of the tokens that they expect. ``confidence`` is the chance that the corpus holds an
    answer, the prior of one that is accepted. ``declines``: a refusal may end the ask."""
    seen = _seen(model, past)
    token = (longest.expected - quote.expected) / (expected_reply(LONGEST) - expected_reply(cap))
    prompt = quote.expected - token * expected_reply(cap)
    saved = _saved(prompt, quote.least - token, ratio)
    replies = len(seen.first)
    return Reader(
        accepted=shrunk(seen.accepted, replies, _ACCEPTED * confidence, _ACCEPTED_WEIGHS),
        prompt=prompt if token else quote.expected,
        token=token,
        cap=cap,
        longest=LONGEST,
        ends=None if token else (quote.least, quote.most),
        spread=_spread(ratio),
        lengths=seen.lengths,
        again=shrunk(seen.cut_off, replies, _CUT_OFF, _CUT_OFF_WEIGHS),
        read=_share(seen.first, "cache_read") if saved else 0.0,
        written=_share(seen.first, "cache_written") if saved else 0.0,
        saved=saved,
        added=saved * _WRITE / _READ,
        settles=shrunk(seen.settled, replies - seen.accepted, _SETTLED, _SETTLED_WEIGHS) if declines else 0.0,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """The first reply of each step at which the model was asked; how many were accepted, how many were the last of an
    ask without an answer, and how many cut off; how long the others were, over their caps."""

    first: Sequence[PastReply]
    accepted: int
    settled: int
    cut_off: int
    lengths: Sequence[float]


def _seen(model: str, past: Sequence[PastAsk]) -> _Seen:
    first: list[PastReply] = []
    lengths: list[float] = []
    accepted = settled = cut_off = 0
    for ask in past:
        own = [reply for reply in ask.replies if reply.model == model]
        for _, of_one_step in groupby(own, key=attrgetter("attempt")):
            reply, *longer = of_one_step
            first.append(reply)
            cut_off += bool(longer)
            if not longer:
                lengths.append(reply.tokens / answer_length(ask.question).max_tokens)
        accepted += bool(own) and ask.model == model
        settled += bool(own) and not ask.model and ask.replies[-1].model == model
    return _Seen(first, accepted, settled, cut_off, lengths)


def _saved(prompt: Decimal, least: Decimal, ratio: Ratio | None) -> Decimal:
    """What reading the prefix from the provider's cache saves, where the least that was quoted rests on that."""
    low = Decimal(ratio.least(10_000)) / ratio.expected(10_000) if ratio else Decimal(1)
    saved = prompt - least / low
    return saved if saved > prompt / 10 else Decimal(0)


def _spread(ratio: Ratio | None) -> float:
    if ratio is None or not ratio.is_known:
        return _UNKNOWN_SPREAD
    return math.log(ratio.most(10_000) / ratio.least(10_000)) / _REACH


def _share(replies: Sequence[PastReply], what: str) -> float:
    return shrunk(sum(getattr(reply, what) for reply in replies), len(replies), _CACHED, _CACHED_WEIGHS)
