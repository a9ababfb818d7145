"""The prompt diet: of all passages the sentences that bear most on the question, whole and verbatim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ragdiet.analysis import analyzer
from ragdiet.diet.candidates import candidates
from ragdiet.diet.enough import CEILING, enough_before
from ragdiet.diet.layout import Layout, Page
from ragdiet.diet.passages import Part, read_passages
from ragdiet.diet.relevance import priority, relevance
from ragdiet.diet.several import asks_for_several
from ragdiet.errors import BudgetTooSmall, InvalidArgument, InvalidQuestion
from ragdiet.tokens import default_counter
from ragdiet.types import Context, Sentence, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragdiet.protocols import TokenCounter
    from ragdiet.types import Budget, Passage

# After so many sentences in a row that do not fit, the rest would only be crumbs: without a limit up to
# 1% of the budget went to them, and no more answers were kept.
_PATIENCE = 16
_WELL_USED = 0.9  # of the budget; what is left is not worth another look

Stop: TypeAlias = Callable[[int, int], bool]
"""Whether to stop before a sentence, given its place in the passages and the tokens spent before it."""


class SentenceDiet:
    """Keeps the best whole sentences within a token budget. Fits ``protocols.Compressor``.

    ``counter`` is whose tokens the budget is in, cl100k by default. ``language`` is the stemmer's.
    """

    def __init__(self, *, counter: TokenCounter | None = None, language: str = "english") -> None:
        self._counter = counter or default_counter()
        self._analyzer = analyzer(language)

    def compress(
        self,
        question: str,
        passages: Iterable[Passage],
        *,
        budget: Budget = 600,
        question_vector: NDArray[np.float32] | None = None,
    ) -> Context:
        """At most ``budget`` tokens of the passages; all of them, whole, where they fit.

        With "auto" as many as the question seems to need, by ``diet.enough``: at most 1,200 tokens, and what was left
        out though it would have fitted was not needed (``Context.is_enough``).

        ``question_vector``, float32, (dimensions,), makes the hits' sentence vectors count; without it
        words decide, and the hits' own ``dense_score``. Every kept sentence is a slice of its passage.
        Sentences that repeat another but for white space are the first to go.

        Raises BudgetTooSmall when the best sentence with its block's header does not fit,
        InvalidQuestion for a blank question, InvalidArgument for a budget below 1, for what is no
        passage and for NaN in vectors, DimensionMismatch for vectors of another length than the question's.
        """
        if not isinstance(question, str) or not question.strip():
            raise InvalidQuestion("the question is empty: ask something")
        if budget != "auto" and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
            raise InvalidArgument(f'budget must be a whole number of tokens, 1 or more, or "auto", not {budget!r}')
        parts = read_passages(passages, question_vector)
        if not parts:
            return Context(text="", tokens=0, tokens_before=0, kept=(), dropped=())

        scores = relevance(question, parts, self._analyzer)
        worth = priority(scores, parts)
        ranking: list[int] = np.argsort(-worth, kind="stable").tolist()
        layout = Layout(parts, ranking, candidates(question, parts, ranking, self._analyzer))
        page = layout.write(ranking)
        tokens = tokens_before = self._counter.count(page.text)
        enough = False
        if budget == "auto":
            stop = _stop(question, worth.tolist())
            needed, count, enough = self._fit(layout, ranking, CEILING, stop)
            if enough or tokens > CEILING:
                page, tokens = needed, count
        elif tokens > budget:
            page, tokens, _ = self._fit(layout, ranking, budget, _never)
        return _context(parts, layout, page, scores, tokens, tokens_before, enough)

    def _fit(self, layout: Layout, ranking: Sequence[int], budget: int, stop: Stop) -> tuple[Page, int, bool]:
        """The best sentences that fit together, the count of their page, and whether ``stop`` ended them."""
        best = layout.write(layout.candidate(ranking[0]))
        smallest = self._counter.count(best.text)
        if smallest > budget:
            raise BudgetTooSmall(
                f"the best sentence takes {smallest} tokens with its header, the budget is {budget}: "
                f"give budget={smallest} or more",
                budget=budget,
                smallest=smallest,
            )
        chosen, enough = self._choose(layout, ranking, budget, stop)
        while len(chosen) > 1:
            page = layout.write(sentence for added, _ in chosen for sentence in added)
            tokens = self._counter.count(page.text)
            if tokens <= budget:
                return (page, tokens, True) if enough else self._filled(layout, ranking, chosen, page, tokens, budget)
            _give_up(chosen, tokens - budget)
            enough = False
        return best, smallest, enough

    def _filled(
        self,
        layout: Layout,
        ranking: Sequence[int],
        chosen: Sequence[tuple[list[int], int]],
        page: Page,
        tokens: int,
        budget: int,
    ) -> tuple[Page, int, bool]:
        """The page with what fits besides, where giving up the last left more than one sentence's room."""
        taken = {sentence for added, _ in chosen for sentence in added}
        said = {" ".join(layout.sentence(sentence).split()) for sentence in taken}
        tries = 0
        for sentence in ranking:
            if tries == _PATIENCE or tokens >= _WELL_USED * budget:
                break
            added = [one for one in layout.candidate(sentence) if one not in taken]
            if not added or " ".join(layout.sentence(sentence).split()) in said:
                continue
            if sum(self._counter.count(layout.sentence(one)) for one in added) > budget - tokens:
                continue
            tries += 1
            fuller = layout.write((*taken, *added))
            count = self._counter.count(fuller.text)
            if count <= budget:
                page, tokens = fuller, count
                taken.update(added)
                said.update(" ".join(layout.sentence(one).split()) for one in added)
        return page, tokens, False

    def _choose(
        self, layout: Layout, ranking: Sequence[int], budget: int, stop: Stop
    ) -> tuple[list[tuple[list[int], int]], bool]:
        """What each candidate adds and costs, best first, skipping what does not fit or repeats, until ``stop``
        says so; and whether it did.

        What a candidate shares with an earlier one is paid for there, so whoever gives up the last first
        leaves none without what it needs. A block's first sentence pays for its header. Counts of pieces
        are only near the count of the text they make, which is made afterwards.
        """
        chosen: list[tuple[list[int], int]] = []
        opened: set[int] = set()
        titles: set[str] = set()
        taken: set[int] = set()
        seen: set[str] = set()
        left, misses = budget, 0
        for sentence in ranking:
            candidate = layout.candidate(sentence)
            added = [one for one in candidate if one not in taken]
            words = " ".join(" ".join(map(layout.sentence, candidate)).split())
            if not added or words in seen:
                continue
            if stop(sentence, budget - left):
                return chosen, True
            seen.add(words)  # what does not fit now never will: it shares no more with others than they cost
            owner = layout.owner(sentence)
            # One by one: below some hundred texts the threads of a batch cost more than they save.
            cost = sum(self._counter.count(layout.sentence(one)) for one in added)
            if owner not in opened:
                cost += self._counter.count(layout.header(owner, added, titles))
            if cost > left and chosen:
                misses += 1
                if misses == _PATIENCE:
                    break
                continue
            chosen.append((added, cost))
            opened.add(owner)
            titles.add(layout.title(owner))
            taken.update(added)
            left -= cost
            misses = 0
        return chosen, False


def compress(
    question: str,
    passages: Iterable[Passage],
    budget: Budget = 600,
    *,
    counter: TokenCounter | None = None,
    question_vector: NDArray[np.float32] | None = None,
) -> Context:
    """``SentenceDiet.compress`` in one call: at most ``budget`` tokens of whole sentences, or with "auto" as many as
    the question seems to need."""
    return SentenceDiet(counter=counter).compress(question, passages, budget=budget, question_vector=question_vector)


def _stop(question: str, worth: Sequence[float]) -> Stop:
    """The rule of ``diet.enough`` for this question. Where no sentence is worth anything nothing is known, and all
    count like the best."""
    several, best = asks_for_several(question), max(worth)

    def stop(sentence: int, spent: int) -> bool:
        return enough_before(worth[sentence] / best if best > 0 else 1.0, spent, several=several)

    return stop


def _never(sentence: int, spent: int) -> bool:
    return False


def _give_up(chosen: list[tuple[list[int], int]], excess: int) -> None:
    """Drop the lowest candidates, one at least and never the best, until ``excess`` tokens should be gone."""
    while len(chosen) > 1:
        excess -= chosen.pop()[1]
        if excess <= 0:
            return


def _context(
    parts: Sequence[Part],
    layout: Layout,
    page: Page,
    scores: NDArray[np.float64],
    tokens: int,
    tokens_before: int,
    is_enough: bool,
) -> Context:
    """``kept`` in the order of the text, ``dropped`` best first."""

    def sentence(index: int) -> Sentence:
        part = parts[layout.owner(index)]
        start, end = layout.span(index)
        return Sentence(
            document_id=part.document_id,
            chunk_id=part.chunk_id,
            text=part.text[start:end],
            start=part.offset + start,
            end=part.offset + end,
            score=float(scores[index]),
            source=page.numbers[layout.owner(index)] if index in kept else 0,
        )

    kept = set(page.sentences)
    return Context(
        text=page.text,
        tokens=tokens,
        tokens_before=tokens_before,
        is_enough=is_enough,
        kept=tuple(map(sentence, page.sentences)),
        dropped=tuple(sentence(index) for index in np.argsort(-scores, kind="stable").tolist() if index not in kept),
        sources=tuple(
            Source(
                n=number,
                document_id=parts[owner].document_id,
                chunk_id=parts[owner].chunk_id,
                title=parts[owner].title or None,
                uri=parts[owner].uri,
            )
            for owner, number in page.numbers.items()
        ),
    )
