"""rag.failures: the asks that went wrong, why, and whether they still do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from ragdiet.account import rehearsing, storable
from ragdiet.analysis import analyzer
from ragdiet.errors import InvalidArgument
from ragdiet.failures.case import Case, Expected, State
from ragdiet.failures.cause import CAUSES, Cause
from ragdiet.failures.issue import as_issue, as_line
from ragdiet.failures.kept import Kept
from ragdiet.failures.replay import MASKED, Corpus, Replay, Stages, replayed
from ragdiet.retrieve import CorpusRewriter, Vocabulary, without_question_words
from ragdiet.store import find_corpus
from ragdiet.types import Outcome

if TYPE_CHECKING:
    from datetime import timedelta

    import psycopg

    from ragdiet.store import Database

_MOST_LISTED = 10_000
# Of "how long" it is not "long" that documents say.
_HOW = re.compile(r"(?i)\bhow (?:many|much|long|old|far|tall|high|big|large|often|fast|soon|deep|wide|heavy)\b")
_MOST_TEXT = 10_000  # characters of a note, tags and expectations


class Failures:
    """Every ask that failed or abstained, and every answer that was disliked, of one tenant.

    Log, tag, issue, fix, verify: an ask is kept as it ends; ``tag`` says what it should have given; ``export`` makes an
    issue of it; ``replay`` shows whether a change has mended it, and ``RAG.evaluate`` asks it again from then on.
    """

    def __init__(
        self,
        database: Database,
        stages: Stages,
        tenant: Callable[[str | None], str],
        for_record: Callable[[str], str],
    ) -> None:
        self._database = database
        self._kept = Kept(database)
        self._stages = stages
        self._tenant = tenant
        self._for_record = for_record

    def list(
        self,
        *,
        state: State | None = "open",
        cause: Cause | None = None,
        tag: str | None = None,
        limit: int = 100,
        tenant: str | None = None,
    ) -> tuple[Case, ...]:
        """Cases, the latest first, without their records; ``state=None`` for all."""
        if not 1 <= limit <= _MOST_LISTED:
            raise InvalidArgument(f"limit is {limit}: list 1 to {_MOST_LISTED:,} cases")
        _check("state", state, get_args(State))
        _check("cause", cause, CAUSES)
        return self._kept.list(self._tenant(tenant), state=state, cause=cause, tag=tag, limit=limit)

    def show(self, prompt_id: str, *, tenant: str | None = None) -> Case:
        """One case with its record, and the likeliest cause: its stages, but no model, are gone through again for that.

        Raises UnknownPrompt where there is none.
        """
        case = self._kept.show(self._tenant(tenant), prompt_id)
        if case.cause is None:
            self._replayed(case, ask=False)
            case = self._kept.show(case.tenant, prompt_id)
        return case

    def tag(
        self,
        prompt_id: str,
        *tags: str,
        cause: Cause | None = None,
        answers: Sequence[str] = (),
        documents: Sequence[str] = (),
        outcome: Outcome | None = None,
        note: str | None = None,
        state: State | None = None,
        tenant: str | None = None,
    ) -> Case:
        """Add tags to a case, or say its cause, what it should have given, and whether it is one at all (``state``
        "closed" is none). What is not given stays as it is. Tags and notes
        are masked. Without a cause of somebody's it is proposed anew."""
        _check("cause", cause, CAUSES)
        _check("state", state, get_args(State))
        _check("outcome", outcome, get_args(Outcome))
        for text in (*tags, *answers, *documents, note or ""):
            _check_text(text)
        if not all(text.strip() for text in (*tags, *answers, *documents)):
            raise InvalidArgument("an empty tag, answer or document says nothing: leave it out")
        expected = Expected(answers=tuple(answers), documents=tuple(documents), outcome=outcome)
        owner = self._tenant(tenant)
        self._kept.tag(
            owner,
            prompt_id,
            tags=tuple(map(self._for_record, tags)),
            cause=cause,
            note=None if note is None else self._for_record(note),
            expected=expected if expected else None,
            state=state,
        )
        case = self._kept.show(owner, prompt_id)
        if expected and (case.cause is None or case.evidence):
            self._replayed(case, ask=False)
            case = self._kept.show(owner, prompt_id)
        return case

    def replay(self, prompt_id: str, *, tenant: str | None = None) -> Replay:
        """Ask the question of a case again, at its usual price, and go through its stages for the likeliest cause."""
        with rehearsing():
            return self._replayed(self._kept.show(self._tenant(tenant), prompt_id), ask=True)

    def export(
        self, prompt_ids: Iterable[str] | str, *, form: Literal["issue", "case"] = "issue", tenant: str | None = None
    ) -> str:
        """Cases as Markdown for a tracker, or as JSON lines for ``ragdiet eval``, which want an expectation."""
        _check("form", form, ("issue", "case"))
        ids = [prompt_ids] if isinstance(prompt_ids, str) else [*prompt_ids]
        cases = [self.show(prompt_id, tenant=tenant) for prompt_id in ids]
        if form == "issue":
            return "\n".join(as_issue(case, self._for_record) for case in cases)
        for case in cases:
            if not case.expected:
                raise InvalidArgument(
                    f"the case {case.prompt_id} says nothing of what was expected: tag it with answers, documents or "
                    "an outcome first"
                )
        return "".join(f"{as_line(case)}\n" for case in cases)

    def regressions(self, *, tenant: str | None = None) -> tuple[Case, ...]:
        """The cases that say what was expected and are not closed, oldest first: those that an evaluation asks."""
        found = self._kept.list(
            self._tenant(tenant), state=None, cause=None, tag=None, limit=_MOST_LISTED, expects=True
        )
        return tuple(case for case in reversed(found) if case.state != "closed")

    def checked(self, case: Case, fault: str) -> None:
        """Note how a case did when it was asked again: fixed, or open with what was wrong."""
        self._kept.checked(case, fault)

    def feedback(self, prompt_id: str, *, good: bool, note: str, tenant: str | None) -> None:
        """See ``RAG.feedback``."""
        _check_text(note)
        self._kept.feedback(self._tenant(tenant), prompt_id, good=good, note=self._for_record(note))

    def forget(self, older_than: timedelta) -> int:
        """Drop what asks saw and did that ended so long ago, but for cases; returns of how many."""
        return self._kept.forget(self._tenant(None), older_than)

    def _replayed(self, case: Case, *, ask: bool) -> Replay:
        corpus = find_corpus(self._database, tenant=case.tenant, collection=case.collection)
        replay = replayed(
            case,
            self._stages,
            Corpus(
                version=corpus.version if corpus else None,
                lacks=partial(self._lacks, corpus.id, corpus.language, case.tenant) if corpus else lambda _: (),
                respells=partial(self._respells, case.tenant, case.collection),
                has_document=partial(self._has, corpus.id, case.tenant) if corpus else lambda _: False,
            ),
            ask=ask,
        )
        self._kept.propose(case, replay.cause, replay.evidence)
        return replay

    def _lacks(self, corpus_id: int, language: str, tenant: str, question: str) -> tuple[str, ...]:
        """Content words of the question that no chunk of the corpus has."""
        content = without_question_words(_HOW.sub("how", MASKED.sub(" ", question)), language)
        words = {word: analyzer(language).terms(word) for word in content.split()}

        def lacking(connection: psycopg.Connection) -> tuple[str, ...]:
            vocabulary = Vocabulary(connection, corpus_id, analyzer(language))
            known = vocabulary.frequencies(term for terms in words.values() for term in terms)
            return tuple(word for word, terms in words.items() if terms and not any(term in known for term in terms))

        return self._database.run(lacking, tenant=tenant, read_only=True)

    def _respells(self, tenant: str, collection: str, question: str) -> tuple[str, ...]:
        asked = CorpusRewriter(self._database).rewrite(
            MASKED.sub(" ", question), (), tenant=tenant, collection=collection
        )
        return tuple(f"{change.corrected!r} for {change.written!r}" for change in asked.changes)

    def _has(self, corpus_id: int, tenant: str, document: str) -> bool:
        query = "SELECT 1 FROM ragdiet.document WHERE corpus_id = %s AND external_id = %s"
        return self._database.run(
            lambda connection: connection.execute(query, (corpus_id, document)).fetchone() is not None,
            tenant=tenant,
            read_only=True,
        )


def _check_text(text: str) -> None:
    if not isinstance(text, str) or len(text) > _MOST_TEXT or storable(text) != text:
        raise InvalidArgument(
            f"{text!r:.60} cannot be kept: give text of {_MOST_TEXT:,} characters at most, without NUL and halves of "
            "surrogate pairs"
        )


def _check(name: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise InvalidArgument(f"{name} is {value!r}: give one of {', '.join(known)}")
