"""The linter's door: all rules over the parts of a prompt that are the same for every question, and the history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING

from ragdiet.diet.lint.examples import long_examples, near_identical, text_of
from ragdiet.diet.lint.finding import ASKS, Fault, Finding, Findings
from ragdiet.diet.lint.parts import SYSTEM, Part, Statement
from ragdiet.diet.lint.shape import identifiers, white_space
from ragdiet.diet.lint.stability import SHORTEST_CACHED, unstable
from ragdiet.diet.lint.statements import contradictions, repeated_turns, repeats
from ragdiet.diet.lint.wording import already_said, filler, other_refusal
from ragdiet.tokens import default_counter
from ragdiet.types import Example, Turn, Usage

if TYPE_CHECKING:
    from ragdiet.account import PriceRow
    from ragdiet.protocols import TokenCounter

_LEAST_WHITE_SPACE = 4  # tokens
_LEAST_IDENTIFIER = 8


def lint(
    *,
    system: str | None = None,
    examples: Sequence[Example] = (),
    history: Sequence[Turn] = (),
    counter: TokenCounter | None = None,
    price: PriceRow | None = None,
) -> Findings:
    """What can go from a prompt without a change to what it says, the costliest first.

    ``system`` and ``examples`` are those of ``RAG(system=, examples=)``. Nothing is changed and no model is asked.
    The wording is judged in English; white space, identifiers, repetitions and examples in any language. Tokens
    of findings that overlap are told for each. Raises UnknownPrice for a price without a rate for input.

    >>> print(lint(system="Please answer in German. Be brief.")[0])
    system, line 1: filler, 2 tokens
        Please answer in German.
        leave these words out, and begin with the verb
    """
    counter = counter or default_counter()
    faults = list(_faults(system or "", examples, history, counter))
    texts = list(dict.fromkeys(chain.from_iterable((each.before, each.after, each.whole) for each in faults)))
    tokens = dict(zip(texts, counter.count_batch(texts), strict=True)) if texts else {}
    found = [_finding(each, tokens, price) for each in faults]
    return Findings(sorted(filter(_is_worth_it, found), key=lambda finding: -finding.tokens))


def _faults(
    system: str, examples: Sequence[Example], history: Sequence[Turn], counter: TokenCounter
) -> Iterator[Fault]:
    part = Part(SYSTEM, system)
    shown = [
        Part(f"example {number}, {name}", text)
        for number, example in enumerate(examples, 1)
        for name, text in (("sources", example.sources), ("question", example.question), ("answer", example.answer))
    ]
    turns = [Part(f"turn {number}", turn.text) for number, turn in enumerate(history, 1)]

    prefix = "\n".join((system, *map(text_of, examples)))
    yield from unstable(part, prefix, is_cacheable=counter.count(prefix) >= SHORTEST_CACHED)
    yield from _wording(part.statements)
    yield from contradictions(part.statements)
    yield from chain.from_iterable(map(other_refusal, part.statements))
    for each in shown:
        yield from repeats(each.statements).values()
    yield from repeated_turns(turns)
    yield from near_identical(examples)
    yield from long_examples(examples)
    for each in (part, *shown, *turns):
        yield from white_space(each)
        yield from identifiers(each)


def _wording(statements: Sequence[Statement]) -> Iterator[Fault]:
    """Of each statement the first that holds: it was said before, the rules say it, it says nothing."""
    twice = repeats(statements)
    for said in statements:
        yield from [twice[said.start]] if said.start in twice else already_said(said) or filler(said)


def _finding(fault: Fault, tokens: Mapping[str, int], price: PriceRow | None) -> Finding:
    wasted = max(0, min(tokens[fault.before] - tokens[fault.after], tokens[fault.whole]))
    return Finding(
        kind=fault.kind,
        place=fault.place,
        tokens=wasted,
        advice=fault.advice,
        excerpt=fault.excerpt,
        cost=None if price is None else _cost(fault, wasted, price),
    )


def _cost(fault: Fault, tokens: int, price: PriceRow) -> Decimal | None:
    """USD in 1,000 asks; of what is unstable, the difference to reading it from the cache."""
    whole = price.cost(Usage(input_tokens=tokens))
    if fault.kind != "unstable":
        return ASKS * whole
    return None if price.cache_read is None else ASKS * (whole - price.cost(Usage(cache_read_tokens=tokens)))


def _is_worth_it(finding: Finding) -> bool:
    least = {"white space": _LEAST_WHITE_SPACE, "identifier": _LEAST_IDENTIFIER}.get(finding.kind, 1)
    return finding.tokens >= least
