"""AsyncRAG: the same names as RAG, awaited. Threads do the work, so the event loop stays free."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, overload

from ragdiet.ask import DEFAULT_BUDGET
from ragdiet.observe import cancelled_by
from ragdiet.rag import RAG

if TYPE_CHECKING:
    from ragdiet.confidence import Calibrated
    from ragdiet.confidence import Labelled as LabelledRows
    from ragdiet.doctor import Diagnosis
    from ragdiet.evaluation import Evaluation, LabelledQuestion
    from ragdiet.filters import FilterLike
    from ragdiet.ingest import Labelled, Progress, Reembedded, Source
    from ragdiet.protocols import Embedder
    from ragdiet.report import Anomaly, CostKey, Costs, SpendReport
    from ragdiet.retrieve import Grades, Tuning
    from ragdiet.stream import AnswerStream
    from ragdiet.types import (
        Answer,
        Budget,
        Context,
        Generation,
        Hits,
        IngestReport,
        Passage,
        Quote,
        ReembedReport,
        SpaceStatus,
        Turn,
    )

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 16


class AsyncRAG:
    """RAG for programs on an event loop; up to 16 calls run at a time.

    psycopg, boto3 and onnxruntime release the interpreter lock while they work; so this is RAG on a pool
    of threads, not a second implementation.
    """

    def __init__(self, rag: RAG) -> None:
        self.sync = rag
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ragdiet")

    @classmethod
    async def local(cls, path: str | os.PathLike[str] = ".ragdiet", **pieces: Any) -> Self:
        """See ``RAG.local``."""
        return cls(await asyncio.to_thread(partial(RAG.local, path, **pieces)))

    @classmethod
    async def connect(cls, dsn: str, **pieces: Any) -> Self:
        """See ``RAG.connect``."""
        return cls(await asyncio.to_thread(partial(RAG.connect, dsn, **pieces)))

    async def migrate(self, *, filter_keys: Iterable[str] = (), runtime_role: str | None = None) -> str:
        """See ``RAG.migrate``."""
        return await self._run(self.sync.migrate, filter_keys=filter_keys, runtime_role=runtime_role)

    async def ingest(
        self,
        source: Source,
        *,
        collection: str | None = None,
        tenant: str | None = None,
        sync: bool = False,
        dry_run: bool = False,
        expires_at: datetime | timedelta | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """See ``RAG.ingest``. ``progress`` is called in the working thread."""
        return await self._run(
            self.sync.ingest,
            source,
            collection=collection,
            tenant=tenant,
            sync=sync,
            dry_run=dry_run,
            expires_at=expires_at,
            tags=tags,
            progress=progress,
        )

    async def swap(self, one: str, other: str, *, tenant: str | None = None) -> None:
        """See ``RAG.swap``."""
        await self._run(self.sync.swap, one, other, tenant=tenant)

    async def drop(self, collection: str, *, tenant: str | None = None) -> int:
        """See ``RAG.drop``."""
        return await self._run(self.sync.drop, collection, tenant=tenant)

    async def sweep(self) -> int:
        """See ``RAG.sweep``."""
        return await self._run(self.sync.sweep)

    async def reembed(
        self,
        embedder: str | Embedder,
        *,
        collection: str | None = None,
        tenant: str | None = None,
        gate: Callable[[RAG, RAG], bool] | Labelled | None = None,
        margin: float = 0.0,
        dry_run: bool = False,
        tags: Mapping[str, str] | None = None,
        progress: Callable[[Reembedded], None] | None = None,
    ) -> ReembedReport:
        """See ``RAG.reembed``. ``gate`` and ``progress`` are called in the working thread."""
        return await self._run(
            self.sync.reembed,
            embedder,
            collection=collection,
            tenant=tenant,
            gate=gate,
            margin=margin,
            dry_run=dry_run,
            tags=tags,
            progress=progress,
        )

    async def spaces(self) -> tuple[SpaceStatus, ...]:
        """See ``RAG.spaces``."""
        return await self._run(self.sync.spaces)

    async def retire_space(self, name: str) -> None:
        """See ``RAG.retire_space``."""
        await self._run(self.sync.retire_space, name)

    async def retrieve(
        self,
        question: str,
        k: int = 10,
        filter: FilterLike | None = None,
        *,
        neighbours: int = 0,
        section_tokens: int | None = None,
        collection: str | None = None,
        tenant: str | None = None,
    ) -> Hits:
        """See ``RAG.retrieve``."""
        return await self._run(
            self.sync.retrieve,
            question,
            k,
            filter,
            neighbours=neighbours,
            section_tokens=section_tokens,
            collection=collection,
            tenant=tenant,
        )

    async def compress(self, question: str, passages: Iterable[Passage], budget: Budget = DEFAULT_BUDGET) -> Context:
        """See ``RAG.compress``."""
        return await self._run(self.sync.compress, question, passages, budget)

    async def generate(self, question: str, context: Context, model: str | None = None) -> Generation:
        """See ``RAG.generate``."""
        return await self._run(self.sync.generate, question, context, model)

    @overload
    def ask(
        self,
        question: str,
        budget: Budget | None = ...,
        max_cost: Decimal | str | None = ...,
        deadline: float | None = ...,
        history: Sequence[Turn | tuple[str, str]] = ...,
        tags: Mapping[str, str] | None = ...,
        stream: Literal[False] = ...,
        *,
        filter: FilterLike | None = ...,
        k: int = ...,
        collection: str | None = ...,
        tenant: str | None = ...,
        prompt_id: str | None = ...,
        max_billed_tokens: int | None = ...,
        fresh: bool = ...,
    ) -> Coroutine[None, None, Answer]: ...

    @overload
    def ask(
        self,
        question: str,
        budget: Budget | None = ...,
        max_cost: Decimal | str | None = ...,
        deadline: float | None = ...,
        history: Sequence[Turn | tuple[str, str]] = ...,
        tags: Mapping[str, str] | None = ...,
        *,
        stream: Literal[True],
        filter: FilterLike | None = ...,
        k: int = ...,
        collection: str | None = ...,
        tenant: str | None = ...,
        prompt_id: str | None = ...,
        max_billed_tokens: int | None = ...,
        fresh: bool = ...,
    ) -> AsyncAnswerStream: ...

    def ask(
        self,
        question: str,
        budget: Budget | None = None,
        max_cost: Decimal | str | None = None,
        deadline: float | None = None,
        history: Sequence[Turn | tuple[str, str]] = (),
        tags: Mapping[str, str] | None = None,
        stream: bool = False,
        *,
        filter: FilterLike | None = None,
        k: int = 10,
        collection: str | None = None,
        tenant: str | None = None,
        prompt_id: str | None = None,
        max_billed_tokens: int | None = None,
        fresh: bool = False,
    ) -> Coroutine[None, None, Answer] | AsyncAnswerStream:
        """See ``RAG.ask``. With ``stream=True`` not awaited: ``async for piece in rag.ask(..., stream=True)``.

        Where the task that awaits it is cancelled, the ask ends at its next step; what it spent is in the ledger.
        """
        arguments: dict[str, Any] = {
            "budget": budget,
            "max_cost": max_cost,
            "deadline": deadline,
            "history": history,
            "tags": tags,
            "filter": filter,
            "k": k,
            "collection": collection,
            "tenant": tenant,
            "prompt_id": prompt_id,
            "max_billed_tokens": max_billed_tokens,
            "fresh": fresh,
        }
        if stream:
            return AsyncAnswerStream(self, self.sync.ask(question, stream=True, **arguments))
        return self._cancellable(partial(self.sync.ask, question, **arguments))

    async def quote(
        self,
        question: str,
        budget: Budget | None = None,
        *,
        filter: FilterLike | None = None,
        k: int = 10,
        collection: str | None = None,
        tenant: str | None = None,
    ) -> Quote:
        """See ``RAG.quote``."""
        return await self._run(
            self.sync.quote, question, budget, filter=filter, k=k, collection=collection, tenant=tenant
        )

    @property
    def chain(self) -> Awaited:
        """See ``RAG.chain``: ``await rag.chain.explain(question)``; its steps are ``rag.sync.chain.steps``."""
        return Awaited(lambda: self.sync.chain, self._run)

    @property
    def answers(self) -> Awaited:
        """See ``RAG.answers``."""
        return Awaited(lambda: self.sync.answers, self._run)

    async def costs(
        self,
        by: CostKey | Sequence[CostKey] = "stage",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Costs:
        """See ``RAG.costs``."""
        return await self._run(self.sync.costs, by, since, until)

    async def spend_report(self, since: datetime | None = None, until: datetime | None = None) -> SpendReport:
        """See ``RAG.spend_report``."""
        return await self._run(self.sync.spend_report, since, until)

    async def anomalies(self, since: datetime | None = None) -> tuple[Anomaly, ...]:
        """See ``RAG.anomalies``."""
        return await self._run(self.sync.anomalies, since)

    @property
    def budgets(self) -> Awaited:
        """See ``RAG.budgets``."""
        return Awaited(lambda: self.sync.budgets, self._run)

    @property
    def failures(self) -> Awaited:
        """See ``RAG.failures``."""
        return Awaited(lambda: self.sync.failures, self._run)

    async def feedback(self, prompt_id: str, *, good: bool, note: str = "", tenant: str | None = None) -> None:
        """See ``RAG.feedback``."""
        await self._run(self.sync.feedback, prompt_id, good=good, note=note, tenant=tenant)

    async def evaluate(
        self,
        questions: Iterable[LabelledQuestion | Mapping[str, Any]] = (),
        *,
        cases: bool = True,
        tenant: str | None = None,
    ) -> Evaluation:
        """See ``RAG.evaluate``."""
        return await self._run(self.sync.evaluate, questions, cases=cases, tenant=tenant)

    async def tune(
        self, labelled: Iterable[tuple[str, Grades]], *, collection: str | None = None, tenant: str | None = None
    ) -> Tuning:
        """See ``RAG.tune``."""
        return await self._run(self.sync.tune, labelled, collection=collection, tenant=tenant)

    async def calibrate(
        self,
        labelled: LabelledRows,
        *,
        alpha: float = 0.05,
        delta: float = 0.1,
        collection: str | None = None,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Calibrated:
        """See ``RAG.calibrate``."""
        return await self._run(
            self.sync.calibrate, labelled, alpha=alpha, delta=delta, collection=collection, tenant=tenant, tags=tags
        )

    async def confidence_moved(self, collection: str | None = None, *, tenant: str | None = None) -> tuple[str, ...]:
        """See ``RAG.confidence_moved``."""
        return await self._run(self.sync.confidence_moved, collection, tenant=tenant)

    async def backfill_tokens(self, *, collection: str | None = None, tenant: str | None = None) -> int:
        """See ``RAG.backfill_tokens``."""
        return await self._run(self.sync.backfill_tokens, collection=collection, tenant=tenant)

    async def rebuild_statistics(self, collection: str | None = None, *, tenant: str | None = None) -> None:
        """See ``RAG.rebuild_statistics``."""
        await self._run(self.sync.rebuild_statistics, collection, tenant=tenant)

    async def doctor(self) -> Diagnosis:
        """See ``RAG.doctor``."""
        return await self._run(self.sync.doctor)

    async def close(self) -> None:
        """See ``RAG.close``."""
        await self._run(self.sync.close)
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _cancellable(self, ask: Callable[[], T]) -> T:
        """The ask; where the task that waits for it is cancelled, no further step of it begins."""
        given_up = Event()

        def run() -> T:
            with cancelled_by(given_up):
                return ask()

        try:
            return await self._run(run)
        except asyncio.CancelledError:
            given_up.set()
            raise

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        bound = partial(copy_context().run, partial(call, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._threads, bound)


class Awaited:
    """The calls of one of a RAG's objects, awaited: ``await rag.failures.list()``. In a thread from the first word on,
    as the object may ask the database whether it can serve at all."""

    def __init__(self, found: Callable[[], object], run: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self._found = found
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        return lambda *args, **kwargs: self._run(lambda: getattr(self._found(), name)(*args, **kwargs))


class AsyncAnswerStream:
    """See ``ragdiet.stream.AnswerStream``; ``await stream.answer()`` gives the whole, ``aclose`` stops the ask."""

    def __init__(self, rag: AsyncRAG, stream: AnswerStream) -> None:
        self._rag = rag
        self._stream = stream

    @property
    def text(self) -> str:
        """The text that has come so far and was not taken back."""
        return self._stream.text

    async def answer(self) -> Answer:
        """The whole answer; reads the stream to its end."""
        return await self._rag._run(lambda: self._stream.answer)

    async def aclose(self) -> None:
        """Stop the ask, if it is under way."""
        await self._rag._run(self._stream.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[str]:
        pieces = iter(self._stream)
        while (piece := await self._rag._run(next, pieces, None)) is not None:
            yield piece
