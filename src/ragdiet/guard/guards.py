"""All guards as one: each is asked in turn, the first that refuses ends it, and what each did is an attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from ragdiet.account import Accounted, Ledger, OpenCall, UnitPrice, exact_sum, metered, reached
from ragdiet.errors import ModelError, OverBudget
from ragdiet.guard.outgoing import leaves
from ragdiet.guard.screen import Screened, screened
from ragdiet.protocols import EstimatedGuard, PassageGuard, PricedGuard
from ragdiet.types import Attempt, GuardVerdict, Hit, Sentence, Usage

if TYPE_CHECKING:
    from ragdiet.guard.masking import Masking
    from ragdiet.protocols import Guard

Refusal: TypeAlias = Literal["", "refused", "not supported", "over budget", "guard failed"]

_Check: TypeAlias = "Callable[[Guard, str, Sequence[str]], GuardVerdict]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A text as it may be used. ``refusal`` says why it may not: a guard said no to it, found that its sources do not
    bear it out, or could not say anything, or would cost more than is left. ``fully`` is false where a guard let it
    pass unjudged."""

    text: str
    attempts: tuple[Attempt, ...] = ()
    refusal: Refusal = ""
    fully: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """Hits as they may be read, and the sentences that were taken out of them."""

    hits: tuple[Hit, ...]
    withheld: tuple[Sentence, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    refusal: Refusal = ""


class Guards:
    """What is asked of several guards. One that works elsewhere is shown masked texts and has a ledger row a check."""

    def __init__(self, guards: Sequence[Guard], masking: Masking, ledger: Ledger) -> None:
        self._guards = tuple(guards)
        self._masking = masking
        self._ledger = ledger

    @property
    def judges_replies(self) -> bool:
        """Whether any guard looks at replies: all but those that say of themselves that they do not."""
        return any(getattr(guard, "judges_replies", True) for guard in self._guards)

    def beside(self, guard: Guard) -> Guards:
        """Another guard alone, behind the same mask and with the same ledger."""
        return Guards((guard,), self._masking, self._ledger)

    def for_record(self, text: str) -> str:
        """A text as it may be kept."""
        return self._masking.for_record(text)

    def most(self, *characters: int) -> Decimal:
        """What judging texts of so many characters may cost at most, USD, as far as guards tell."""
        return sum((guard.most(*characters) for guard in self._guards if isinstance(guard, PricedGuard)), Decimal(0))

    def question(self, text: str, *, left: Decimal | None = None) -> Judged:
        """A question, before anything else is done with it; ``left`` is what may be spent, USD."""
        if too_dear := _over(left, self.most(len(text))):
            return Judged(text=text, attempts=too_dear, refusal="over budget")
        return self._judged(text, (), lambda guard, shown, _: guard.check_input(shown))

    def reply(self, text: str, *, question: str, sources: str, left: Decimal | None = None) -> Judged:
        """A reply that would be given, and whether its sources bear it out; ``left`` is what may be spent, USD."""
        if too_dear := _over(left, self.most(len(text), len(question), len(sources))):
            return Judged(text=text, attempts=too_dear, refusal="over budget")
        said = self._judged(text, (), lambda guard, shown, _: guard.check_output(shown))
        if said.refusal:
            return said
        borne_out = self._judged(
            said.text,
            (question, sources),
            lambda guard, shown, rest: guard.check_grounding(shown, question=rest[0], sources=rest[1]),
        )
        return replace(
            borne_out,
            attempts=(*said.attempts, *borne_out.attempts),
            fully=said.fully and borne_out.fully,
            refusal="not supported" if borne_out.refusal == "refused" else borne_out.refusal,
        )

    def passages(self, hits: Sequence[Hit]) -> Readable:
        """Hits without the sentences that a guard refuses."""
        readable = Readable(hits=tuple(hits))
        for guard in self._guards:
            if not isinstance(guard, PassageGuard):
                continue
            began = time.perf_counter()
            try:
                with self._row(guard) as row, reached(_name(guard)):
                    found = screened(readable.hits, partial(self._verdicts, guard, row))
            except ModelError as error:
                failed = _attempt(guard, f"could not judge the sources: {error}", began, accepted=False)
                return Readable(hits=(), attempts=(*readable.attempts, failed), refusal="guard failed")
            except OverBudget as error:
                unasked = _attempt(guard, f"was not asked: {error}", began, accepted=False)
                return Readable(hits=(), attempts=(*readable.attempts, unasked), refusal="over budget")
            readable = _narrowed(readable, guard, found, began)
        return readable

    def _verdicts(self, guard: PassageGuard, row: OpenCall | None, texts: Sequence[str]) -> Sequence[GuardVerdict]:
        verdicts = guard.check_passages(self._masking.for_models(texts).texts if leaves(guard) else texts)
        _settle(row, guard, verdicts)
        return verdicts

    def _judged(self, text: str, rest: Sequence[str], check: _Check) -> Judged:
        attempts: list[Attempt] = []
        fully = True
        for guard in self._guards:
            began = time.perf_counter()
            masked = self._masking.for_models([text, *rest]) if leaves(guard) else None
            shown, *others = masked.texts if masked else (text, *rest)
            try:
                with self._row(guard, shown, *others) as row, reached(_name(guard)):
                    verdict = check(guard, shown, others)
                    _settle(row, guard, [verdict])
            except ModelError as error:
                reason = f"could not judge: {type(error).__name__}: {error}"
                attempts.append(_attempt(guard, reason, began, accepted=False))
                return Judged(text=text, attempts=tuple(attempts), refusal="guard failed")
            except OverBudget as error:
                attempts.append(_attempt(guard, f"was not asked: {error}", began, accepted=False))
                return Judged(text=text, attempts=tuple(attempts), refusal="over budget")
            fully &= verdict.judged
            if verdict.action == "block":
                attempts.append(_attempt(guard, verdict.reason or "refused", began, verdict, accepted=False))
                return Judged(text=text, attempts=tuple(attempts), refusal="refused")
            if verdict.action == "mask":
                text = masked.restore(verdict.text) if masked else verdict.text
                attempts.append(_attempt(guard, verdict.reason or "masked", began, verdict))
            elif verdict.reason:
                attempts.append(_attempt(guard, verdict.reason, began, verdict))
        return Judged(text=text, attempts=tuple(attempts), fully=fully)

    def _row(self, guard: object, *texts: str) -> AbstractContextManager[OpenCall | None]:
        """A ledger row for a guard that works elsewhere and writes none itself, of its verdict's cost; until that is
        known, of the most that it may cost, where it says so."""
        if isinstance(guard, Accounted) or not leaves(guard):
            return nullcontext()
        most = guard.most(*map(len, texts)) if texts and isinstance(guard, PricedGuard) else Decimal(0)
        return metered(self._ledger, stage="guard", model=_name(guard), price=_said_by(guard, most) if most else None)


class FailOpen:
    """A guard that allows questions and replies which the one within cannot judge, as when its service is down."""

    def __init__(self, guard: Guard) -> None:
        self.name = guard.name
        self.is_local = not leaves(guard)
        self.judges_replies: bool = getattr(guard, "judges_replies", True)
        if isinstance(guard, Accounted):
            self.ledger = guard.ledger
        self._guard = guard

    def most(self, *characters: int) -> Decimal:
        return self._guard.most(*characters) if isinstance(self._guard, PricedGuard) else Decimal(0)

    def expected(self, *characters: int) -> Decimal:
        return self._guard.expected(*characters) if isinstance(self._guard, EstimatedGuard) else self.most(*characters)

    def check_input(self, text: str) -> GuardVerdict:
        return _or_allowed(self.name, lambda: self._guard.check_input(text))

    def check_output(self, text: str) -> GuardVerdict:
        return _or_allowed(self.name, lambda: self._guard.check_output(text))

    def check_grounding(self, text: str, *, question: str, sources: str) -> GuardVerdict:
        return _or_allowed(self.name, lambda: self._guard.check_grounding(text, question=question, sources=sources))


def _over(left: Decimal | None, worst: Decimal) -> tuple[Attempt, ...]:
    if left is None or worst <= left:
        return ()
    reason = f"the guards could cost ${worst:f}, ${left:f} is left"
    return (Attempt(step="guard", accepted=False, reason=reason),)


def _or_allowed(name: str, check: Callable[[], GuardVerdict]) -> GuardVerdict:
    try:
        with reached(name):
            return check()
    except ModelError as error:
        return GuardVerdict(reason=f"not judged, and allowed: {type(error).__name__}: {error}", judged=False)


def _narrowed(readable: Readable, guard: object, found: Screened, began: float) -> Readable:
    attempts = (_attempt(guard, "; ".join(found.reasons), began),) if found.reasons else ()
    return Readable(
        hits=found.hits,
        withheld=(*readable.withheld, *found.withheld),
        attempts=(*readable.attempts, *attempts),
    )


def _attempt(
    guard: object, reason: str, began: float, verdict: GuardVerdict | None = None, *, accepted: bool = True
) -> Attempt:
    name = _name(guard)
    return Attempt(
        step="guard",
        accepted=accepted,
        reason=reason if reason.startswith(name) else f"{name}: {reason}",
        cost=verdict.cost if verdict else GuardVerdict().cost,
        seconds=time.perf_counter() - began,
    )


def _settle(row: OpenCall | None, guard: object, verdicts: Sequence[GuardVerdict]) -> None:
    cost = exact_sum(verdict.cost for verdict in verdicts)
    if row and (cost or row.call.cost):
        row.settle(Usage(), price=_said_by(guard, cost))


def _said_by(guard: object, total: Decimal) -> UnitPrice:
    return UnitPrice(reference=f"said by {_name(guard)}", total=total)


def _name(guard: object) -> str:
    return str(getattr(guard, "name", type(guard).__name__))
