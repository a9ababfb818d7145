"""An ask that need not be answered anew: its answer is kept, or being made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import get_ident
from typing import TYPE_CHECKING

from ragdiet.answers import Flights, Held, Kept, KeptAnswers, Lead, Place, agree, digest, normalised
from ragdiet.ask.state import AskState
from ragdiet.errors import ModelError, OverBudget, StoreError
from ragdiet.generate import MARK
from ragdiet.observe import seconds_left
from ragdiet.types import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.account import Reused

_log = logging.getLogger("ragdiet.ask")

_WHOLE = ("end_turn", "stop_sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An answer to give again, how it was found, and why it fits."""

    kept: Kept
    how: Reused
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Landed:
    """What a flight shares: an answer, and what the collection held while it was made."""

    kept: Kept
    held: Held


class Turn:
    """One ask's turn. ``found`` is the answer it is given; where there is none it is answered, and then ``ends``."""

    def __init__(self, found: Found | None = None, keep: Callable[[AskState, Answer], None] | None = None) -> None:
        self.found = found
        self._keep = keep

    def ends(self, state: AskState, answer: Answer) -> None:
        """Keep the answer for the next one who asks this, and share it with those who wait for it."""
        if self._keep is not None and _is_kept(state, answer):
            self._keep(state, answer)


class Reuse:
    """Finds answers that are there. ``pieces`` is the identity of all that answers here depend on; ``threshold`` the
    cosine of questions that may ask the same, None where only the same question is looked for."""

    def __init__(
        self,
        kept: KeptAnswers,
        *,
        pieces: str,
        threshold: float | None,
        vector: Callable[[str], NDArray[np.float32]],
        for_record: Callable[[str], str],
    ) -> None:
        self._kept = kept
        self._pieces = digest(pieces)
        self._threshold = threshold
        self._vector = vector
        self._for_record = for_record
        self._flights = Flights[_Landed]()

    @contextmanager
    def turn(self, state: AskState, *, fresh: bool, leads: bool) -> Iterator[Turn]:
        """What is there for this ask; nothing is where it is to be answered ``fresh``. One that ``leads`` is waited for
        by the same questions that come meanwhile: not a stream, whose reader may take his time.

        A question or history that holds what no record may hold is answered alone and not kept: the answer may repeat
        it.
        """
        if self._is_private(state):
            yield Turn()
            return
        place = self._place(state)
        if fresh or self._kept.is_lent:
            yield self._alone(place, state, fresh=fresh)
            return
        lead, is_first = self._flights.join(place.key) if leads else (self._flights.find(place.key), False)
        if lead is not None and is_first:
            with lead:
                yield self._alone(place, state, lead=lead)
        elif lead is not None and lead.thread != get_ident():
            yield self._alone(place, state, landed=lead.wait(seconds_left()))
        else:
            yield self._alone(place, state)

    def _alone(
        self,
        place: Place,
        state: AskState,
        *,
        fresh: bool = False,
        landed: _Landed | None = None,
        lead: Lead[_Landed] | None = None,
    ) -> Turn:
        held, kept = self._kept.find(place)
        if held is None:
            return Turn()
        if not fresh:
            if landed is not None and landed.held == held:
                reason = f"the same question was on its way: {_when(landed.kept)}"
                return Turn(Found(kept=landed.kept, how="shared", reason=reason))
            if kept is not None:
                return Turn(Found(kept=kept, how="exact", reason=f"the same question was answered: {_when(kept)}"))
            if (found := self._similar(place, held, state)) is not None:
                return Turn(found)

        def keep(state: AskState, answer: Answer) -> None:
            if getattr(state.hits, "version", None) not in (None, held.version):
                return  # a replica that lags behind was searched
            assert state.generation is not None
            self._write(place, held, state, answer, state.generation.model)
            if lead is not None:
                made = Kept(answer=answer, prompt_id=answer.prompt_id, model=state.generation.model)
                lead.lands(_Landed(kept=made, held=held))

        return Turn(keep=keep)

    def _write(self, place: Place, held: Held, state: AskState, answer: Answer, model: str) -> None:
        """The answer is paid for and right: that it cannot be kept is no reason to lose it."""
        vector = self._vector_of(state)
        try:
            self._kept.keep(
                place,
                held,
                answer,
                model=model,
                question=None if vector is None else state.question,
                vector=vector,
            )
        except StoreError as error:
            _log.warning("the answer of %s could not be kept: %s", answer.prompt_id, error)

    def _similar(self, place: Place, held: Held, state: AskState) -> Found | None:
        vector = self._vector_of(state)
        if vector is None or self._threshold is None:
            return None
        for key, question, cosine in self._kept.nearest(place, held, vector):
            if cosine < self._threshold:
                return None
            if agree(state.question, question):
                _, kept = self._kept.find(replace(place, key=key))
                if kept is not None:
                    reason = f"{question!r} asks the same (cosine {cosine:.2f}): {_when(kept)}"
                    return Found(kept=kept, how="similar", reason=reason)
        return None

    def _vector_of(self, state: AskState) -> NDArray[np.float32] | None:
        """The question's, where near ones are looked for; not of one that leans on what was said before."""
        if self._threshold is None or state.searched != state.question:
            return None
        try:
            return self._vector(state.question)
        except (ModelError, OverBudget):  # the search will say so
            return None

    def _place(self, state: AskState) -> Place:
        scope = digest(
            self._pieces,
            state.scope.tenant,
            state.scope.collection,
            state.scope.filter,
            state.scope.k,
            state.budget,
            state.max_cost,
            state.follows,
            state.history,
        )
        return Place(
            tenant=state.scope.tenant,
            collection=state.scope.collection,
            scope=scope,
            key=digest(scope, normalised(state.question), normalised(state.searched)),
        )

    def _is_private(self, state: AskState) -> bool:
        texts = (state.question, state.searched, *(turn.text for turn in state.history))
        return any(self._for_record(text) != text for text in texts)


def _is_kept(state: AskState, answer: Answer) -> bool:
    """Only an answer with every citation in place, of a reply that came to its end and that no guard left unjudged."""
    cited = {citation.n for citation in answer.citations}
    return (
        answer.outcome == "answered"
        and state.is_judged
        and state.generation is not None
        and state.generation.stop_reason in _WHOLE
        and {int(number) for number in MARK.findall(answer.text)} == cited
    )


def _when(kept: Kept) -> str:
    return f"{kept.prompt_id}, {kept.created_at:%Y-%m-%d %H:%M} UTC" if kept.created_at else kept.prompt_id
