"""How an ask ends: its answer, its row in the ledger, and what observers are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ragdiet.account import REHEARSAL, AskRow, Ledger, database_share, metered, rehearses
from ragdiet.ask.record import record_of
from ragdiet.ask.reuse import Found
from ragdiet.ask.state import AskState
from ragdiet.errors import InvalidArgument, RagdietError
from ragdiet.fallback import Chain, safe_reply
from ragdiet.generate import citations
from ragdiet.observe import current
from ragdiet.types import (
    Answer,
    Attempt,
    Citation,
    Outcome,
    Usage,
)

if TYPE_CHECKING:
    pass


_FAILURES = ("models failed", "guard failed", "out of time", "cancelled")


class Ending:
    """Makes the answer of where an ask stands. ``versions`` are those of what answers, for the record; without
    ``keeps_records`` none is kept."""

    def __init__(
        self,
        *,
        chain: Chain,
        ledger: Ledger,
        language: str,
        for_record: Callable[[str], str],
        versions: dict[str, Any],
        keeps_records: bool,
    ) -> None:
        self._chain = chain
        self._ledger = ledger
        self._language = language
        self._for_record = for_record
        self._versions = versions
        self._keeps_records = keeps_records

    def answered(self, state: AskState) -> Answer:
        """The answer of a chain that came to its end."""
        answer, row = self._made(state)
        self._ledger.finish(row)
        state.asking.ended(row, answer.attempts)
        return answer

    def given_again(self, state: AskState, found: Found) -> Answer:
        """An answer that was there, as this ask's own."""
        trace, kept = current(), found.kept
        with metered(self._ledger, stage="reuse", model="local:answers") as call:
            call.settle(Usage(), served=kept.prompt_id)
        state.attempts.append(
            Attempt(step="reuse", accepted=True, reason=found.reason, confidence=kept.answer.confidence)
        )
        state.asking.took(state.attempts)
        answer = replace(
            kept.answer,
            cost=self._ledger.cost_of(trace.prompt_id, tenant=trace.tenant),
            attempts=tuple(state.attempts),
            prompt_id=trace.prompt_id,
            database_cost=database_share(state.database.seconds, state.database.blocks),
        )
        # No prompt was sent for it: the tokens of its context are those of the ask that it was made in.
        row = replace(self._row(state, answer), model=kept.model, reused=found.how, tokens=0, tokens_before=0)
        self._ledger.finish(row)
        state.asking.ended(row, answer.attempts)
        return answer

    def broken_off(self, state: AskState, error: BaseException) -> None:
        """An ask that is over without an answer: left by its caller, as the reader of a stream leaves it, or ended by
        an error that reaches him. It has its row all the same, unless an argument let it not begin."""
        if state.asking.has_ended or (isinstance(error, InvalidArgument) and not state.attempts):
            return
        state.generation = state.clarification = None
        state.reason = "cancelled"
        with suppress(RagdietError):  # closed with the RAG itself, perhaps; its calls have their rows
            answer, row = self._made(state)
            if isinstance(error, Exception):
                self._ledger.finish(replace(row, reason=f"raised {type(error).__name__}"))
            else:
                self._ledger.finish(row)
                state.asking.ended(row, answer.attempts)

    def _made(self, state: AskState) -> tuple[Answer, AskRow]:
        """The answer of where the ask stands, and its row."""
        prompt_id = current().prompt_id
        outcome: Outcome = "answered"
        text, cited = "", tuple[Citation, ...]()
        if state.generation is not None and state.context is not None:
            text, cited = state.generation.text, citations(state.generation.text, state.context)
        elif state.clarification is not None:
            outcome, text = "clarify", state.clarification.text
        else:
            outcome = "failed" if state.reason in _FAILURES else "abstained"
            text, cited = safe_reply(state.reason, state.hits, self._chain.safe_reply, language=self._language)
        # Hits that passed gate 1 say that an answer may exist, which is no confidence in a reply without one.
        judged = [
            a.confidence for a in state.attempts if a.confidence is not None and (a.step == "read" or not a.accepted)
        ]
        answer = Answer(
            text=text,
            citations=cited,
            confidence=judged[-1] if judged else 0.0,
            outcome=outcome,
            cost=self._ledger.cost_of(prompt_id, tenant=current().tenant),
            attempts=tuple(state.attempts),
            prompt_id=prompt_id,
            context=state.context,
            choices=state.clarification.choices if state.clarification else (),
            database_cost=database_share(state.database.seconds, state.database.blocks),
        )
        return answer, self._row(state, answer)

    def _row(self, state: AskState, answer: Answer) -> AskRow:
        trace, context = current(), answer.context
        return AskRow(
            prompt_id=answer.prompt_id,
            outcome=answer.outcome,
            confidence=answer.confidence,
            tenant=trace.tenant,
            collection=state.scope.collection,
            tags=trace.tags,
            question=self._for_record(state.question),
            reason="" if answer.outcome == "answered" else REHEARSAL if rehearses() else state.reason,
            model=state.generation.model if state.generation else "",
            cost=answer.cost,
            tokens=context.tokens if context else 0,
            tokens_before=context.tokens_before if context else 0,
            seconds=time.monotonic() - state.began,
            database_seconds=state.database.seconds,
            database_blocks=state.database.blocks,
            database_cost=answer.database_cost,
            record=record_of(state, answer, self._versions, self._for_record) if self._keeps_records else {},
        )
