"""RAG: the door most programs use. Each method is one stage; ``ask`` is all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Generator as Steps
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypedDict, overload

from ragdiet.account import (
    Accounted,
    Budgets,
    Calibration,
    PostgresLedger,
    PostgresRatios,
    allowing,
)
from ragdiet.analysis import analyzer
from ragdiet.answers import AnswerCache, Answers, KeptAnswers, identity
from ragdiet.arguments import (
    as_turn,
    checked_deadline,
    checked_expiry,
    checked_money,
    checked_name,
    checked_tenant,
    checked_tokens,
)
from ragdiet.ask import DEFAULT_BUDGET, Asker, Explanation, PlannedChain, Scope
from ragdiet.bedrock import Breaker
from ragdiet.chunk import RecursiveChunker
from ragdiet.clarify import Clarifier
from ragdiet.confidence import Calibrated, Corpus, LogisticConfidence, Rehearsal, Setup, calibrate, read_labels
from ragdiet.confidence import Labelled as LabelledRows
from ragdiet.diet import SentenceDiet
from ragdiet.errors import InvalidArgument
from ragdiet.failures import Failures
from ragdiet.fallback import Chain, confident
from ragdiet.filters import as_filter
from ragdiet.generate import ExtractiveReader, prompt_version, system_text
from ragdiet.guard import (
    Guards,
    InjectionGuard,
    Masking,
    check_models,
    check_tenant,
    checked_list,
)
from ragdiet.ingest import Ingestor, Reembedder, Verdict, backfill_token_bits, judge_of
from ragdiet.named import Named
from ragdiet.observe import Trace, checked_id, new_id, tracing
from ragdiet.outgoing import Outgoing, models_sent_to
from ragdiet.protocols import Priced
from ragdiet.quality import Quality
from ragdiet.report import Costs, read_costs
from ragdiet.retrieve import (
    CorpusRewriter,
    HybridRetriever,
    growth,
    learn_weight,
)
from ragdiet.store import (
    Collections,
    Database,
    Spaces,
    check_schema,
    check_searchable,
    find_corpus,
    migrate,
    rebuild_statistics,
)
from ragdiet.stream import AnswerStream
from ragdiet.tokens import default_counter
from ragdiet.types import Hits, Turn

if TYPE_CHECKING:
    from ragdiet.account import Ledger, PriceBook
    from ragdiet.doctor import Diagnosis
    from ragdiet.evaluation import Evaluation, LabelledQuestion
    from ragdiet.filters import FilterLike
    from ragdiet.ingest import Labelled, Progress, Reembedded, Source
    from ragdiet.protocols import (
        Chunker,
        Compressor,
        Confidence,
        Embedder,
        Generator,
        Guard,
        Reranker,
        Retriever,
        Rewriter,
    )
    from ragdiet.report import CostKey
    from ragdiet.retrieve import Grades, Tuning
    from ragdiet.types import (
        Answer,
        Budget,
        Context,
        Example,
        Generation,
        IngestReport,
        Passage,
        Quote,
        ReembedReport,
        SpaceStatus,
    )

DEFAULT_COLLECTION = "default"
DEFAULT_LANGUAGE = "english"
_MOST_REMEMBERED = 10_000  # collections known to be searchable
_RECORDS_KEPT = timedelta(days=30)


class RAG:
    """Documents in one database, and answers from them.

    Made by ``RAG.local`` or ``RAG.connect``, or from pieces: any object that fits its protocol in
    ``ragdiet.protocols`` will do. ``models`` are asked in their order, cheapest first; ``chain`` in their place says
    each step and when its outcome is accepted. ``quality`` says what an ingest keeps out; with
    ``embedding_cache=False`` it forgets the vectors of what it removes.
    ``collection`` and ``tenant`` are those of calls that name none. With ``allow_building`` it also searches a
    space that is still being built, and finds what is there.

    ``language`` is that of the collections this RAG makes, by the name of its Snowball stemmer; a collection
    keeps the one it was made with. ``reranker`` orders the best 50 hits anew (or ``k``, where that is more)
    and gives ``k``. ``rewriter`` says how to search again; ``research=False`` does not. A question that is
    empty, vague, two in one, or spread over several documents is met with choices before a model is asked, and one
    without an answer that may be misspelt with a better spelling (``outcome`` "clarify"); not with ``clarify=False``.

    ``system`` is your own instruction to the models, put before the library's rules, which stay: citations and
    refusals are read by them. ``examples`` show the models a reply. Both are the same for every question, so that a
    provider can cache them. ``late_interaction`` stores the signs of MiniLM's token vectors with each chunk, 48 bytes
    a word piece, and orders the first hits by them too; with another embedder MiniLM runs beside it.

    ``masking`` says what is hidden of the texts that leave this process; by default secrets are. ``guards`` judge each
    question of ``ask``, what was retrieved for it, and the reply, in their order; by default ``InjectionGuard()``.
    Models that work elsewhere must be on the list ``allowed_models``, by their exact id, and tenants on
    ``allowed_tenants``, where these are given. ``spool`` is the folder for ledger rows while the database cannot be
    reached; ``PostgresLedger`` says which it is by default.

    ``answer_cache`` keeps answers for the same question, until the collection changes: by default ``AnswerCache()``
    where a model of the chain has a price; None keeps none. Pieces of your own are told apart by their class and the
    plain values that they hold, or by an attribute ``cache_identity``.
    """

    def __init__(
        self,
        store: Database,
        *,
        embedder: Embedder,
        models: Sequence[Generator] = (),
        chain: Chain | None = None,
        chunker: Chunker | None = None,
        retriever: Retriever | None = None,
        rewriter: Rewriter | None = None,
        reranker: Reranker | None = None,
        compressor: Compressor | None = None,
        confidence: Confidence | None = None,
        ledger: Ledger | None = None,
        spool: str | os.PathLike[str] | None = None,
        quality: Quality | None = None,
        embedding_cache: bool = True,
        research: bool = True,
        system: str | None = None,
        examples: Sequence[Example] = (),
        clarify: bool = True,
        language: str = DEFAULT_LANGUAGE,
        late_interaction: bool = False,
        masking: Masking | None = None,
        guards: Sequence[Guard] | None = None,
        allowed_models: Collection[str] | None = None,
        allowed_tenants: Collection[str] | None = None,
        answer_cache: AnswerCache | Literal["auto"] | None = "auto",
        collection: str = DEFAULT_COLLECTION,
        tenant: str = "",
        allow_building: bool = False,
    ) -> None:
        self.store = store
        self.embedder = embedder
        self.space = embedder.space
        self.collection = checked_name(collection, "collection")
        self._tenants = checked_list(allowed_tenants, "allowed_tenants")
        self.tenant = checked_tenant(tenant)
        chain = _checked_chain(chain, models, research)
        generators = tuple(chain.generators.values())
        check_models(models_sent_to(embedder, generators, reranker), checked_list(allowed_models, "allowed_models"))
        self.ledger = ledger or PostgresLedger(store, spool=spool)
        self._owned: list[_Closeable] = [self.ledger, store] if isinstance(self.ledger, PostgresLedger) else [store]
        self._schema_checked = False
        self._searchable: set[tuple[str, str]] = set()
        self._allow_building = allow_building
        self._named = Named(None, None)
        self.failures = Failures(store, self, self._tenant)
        self._pieces: dict[str, Any] = {
            "chain": chain,
            "chunker": chunker,
            "compressor": compressor,
            "confidence": confidence,
            "ledger": self.ledger,
            "quality": quality,
            "embedding_cache": embedding_cache,
            "system": system,
            "examples": examples,
            "clarify": clarify,
            "rewriter": rewriter,
            "reranker": reranker,
            "language": language,
            "late_interaction": late_interaction,
            "masking": masking,
            "guards": guards,
            "allowed_models": allowed_models,
            "allowed_tenants": allowed_tenants,
            "answer_cache": answer_cache,
            "collection": collection,
            "tenant": tenant,
        }
        self._setup = Setup(
            models=chain.models,
            prompt=prompt_version(system_text(system), examples),
            embedder=self.space.model,
            language=language,
        )
        confidence = confidence or LogisticConfidence.default()
        if isinstance(confidence, LogisticConfidence):
            confidence = confidence.judging(self._setup)
        self.confidence: Confidence = confidence
        settings = _answer_settings(answer_cache, generators)
        token_model = _token_model(embedder) if late_interaction else None
        masking = masking or Masking()
        guards = (InjectionGuard(),) if guards is None else guards
        self._outgoing = Outgoing(self.ledger, masking)
        embedder = self._outgoing.embedder(embedder)
        self._ingestor = partial(
            Ingestor,
            store,
            chunker or RecursiveChunker(),
            embedder,
            analyzer(language),
            quality or Quality(),
            default_counter(),
            caching=embedding_cache,
            token_model=token_model,
        )
        self._collections = Collections(store, self.space)
        self._retriever = retriever or HybridRetriever(store, self.space, token_model=token_model)
        rewriter = rewriter or CorpusRewriter(store)
        compressor = compressor or SentenceDiet(language=language)
        answered_by = (chain, self.space, self._retriever, rewriter, reranker, compressor, confidence)
        self._asker = Asker(
            embedder=embedder,
            retriever=self._retriever,
            rewriter=rewriter,
            reranker=self._outgoing.reranker(reranker),
            compressor=compressor,
            chain=chain.wrapped(self._outgoing.generator),
            breakers={each.model: Breaker(each.model) for each in generators if not isinstance(each, Accounted)},
            confidence=confidence,
            ledger=self.ledger,
            system=system,
            examples=examples,
            language=language,
            clarifier=Clarifier(language) if clarify else None,
            guards=Guards(guards, masking, self.ledger),
            answers=KeptAnswers(store, settings) if settings else None,
            similar=settings.threshold(self.space, language) if settings else None,
            identity=identity((version("ragdiet"), *answered_by, system, examples, language, clarify, guards, masking)),
        )

    @classmethod
    def local(
        cls,
        path: str | os.PathLike[str] = ".ragdiet",
        *,
        bin_dir: str | os.PathLike[str] | None = None,
        region: str | None = None,
        embedder: str | Embedder = "local:minilm",
        models: Sequence[str | Generator] = (),
        prices: PriceBook | None = None,
        **pieces: Any,
    ) -> Self:
        """An embedded PostgreSQL in the folder ``path``, MiniLM on the CPU, the extractive reader.

        Any number of processes may open the same folder; the last one to close stops the server.
        ``bin_dir`` names the programs of another PostgreSQL (15 or later, with pgvector). The other
        arguments are those of ``connect``. The schema is made when it is missing.
        """
        from ragdiet.store.embedded import EmbeddedServer

        server = EmbeddedServer.start(Path(path), bin_dir=Path(bin_dir) if bin_dir is not None else None)
        try:
            # Not by its address: the server's socket may lie elsewhere when it is started again.
            pieces.setdefault("spool", Path(path) / "spool")
            rag = cls._open(Database(server.dsn), Named(region, prices), embedder, models, pieces)
            rag._owned.append(server)
            rag.migrate()
        except BaseException:
            server.close()
            raise
        return rag

    @classmethod
    def connect(
        cls,
        dsn: str,
        *,
        region: str | None = None,
        embedder: str | Embedder = "local:minilm",
        models: Sequence[str | Generator] = (),
        prices: PriceBook | None = None,
        reader: str | None = None,
        auth: Literal["iam"] | None = None,
        secret: str | None = None,
        proxy: bool = False,
        max_connections: int = 10,
        patience: float = 60.0,
        **pieces: Any,
    ) -> Self:
        """A PostgreSQL 15 or later with pgvector, such as Aurora, and models named ``provider:id``.

        Names: ``bedrock:`` and an exact Bedrock model id or inference profile, ``local:minilm``,
        ``local:extractive``, ``local:smollm2``. ``region`` is Bedrock's; ``pieces`` are those of ``RAG(...)``, of
        which ``reranker`` may be a name too.

        Searches run at ``reader`` (a host, or a DSN), all else at the writer, which is ``dsn``.
        ``auth="iam"`` signs a fresh token for each connection; ``secret`` names a Secrets Manager secret
        that holds the password. Both demand a trusted certificate. ``proxy=True`` for RDS Proxy.
        ``max_connections`` are open at most at each of the two; ``patience`` seconds bound the wait for a
        failover, a waking cluster, or a free connection. ``Database`` says what each of them promises.

        Raises UnknownModel, UnknownPrice, StoreUnavailable, StoreAccessDenied, CertificateRejected,
        DatabaseMissing. Changes no schema: call ``migrate`` once, as a role that may.
        """
        store = Database(
            dsn,
            reader=reader,
            auth=auth,
            secret=secret,
            region=region,
            proxy=proxy,
            max_size=max_connections,
            timeout=patience,
        )
        return cls._open(store, Named(region, prices), embedder, models, pieces)

    @classmethod
    def _open(
        cls,
        store: Database,
        named: Named,
        embedder: str | Embedder,
        models: Sequence[str | Generator],
        pieces: dict[str, Any],
    ) -> Self:
        try:
            ledger = pieces.pop("ledger", None) or PostgresLedger(store, spool=pieces.pop("spool", None))
            named.calibration = Calibration(PostgresRatios(store))
            chain = _checked_chain(pieces.pop("chain", None), models, pieces.pop("research", True))
            if isinstance(reranker := pieces.get("reranker"), str):
                pieces["reranker"] = named.reranker(reranker, ledger)
            rag = cls(
                store,
                embedder=named.embedder(embedder, ledger) if isinstance(embedder, str) else embedder,
                chain=chain.named(lambda name: named.generator(name, ledger)),
                ledger=ledger,
                **pieces,
            )
            # In this order: a client waits for streams that were left, and these write their rows.
            rag._owned = [*named.clients, named.calibration, *rag._owned]
            rag._named = named
            return rag
        except BaseException:
            store.close()
            raise

    def migrate(self, *, filter_keys: Iterable[str] = (), runtime_role: str | None = None) -> str:
        """Create or upgrade the schema, with tables for this embedder's vectors; returns its version.

        The only step that runs DDL. Safe to call again, and from several processes at once. ``filter_keys``:
        keys of metadata to index beside those that are, for ranges and long lists of values; equality finds
        its documents without. Writers wait while such an index is built. ``runtime_role`` is an existing role
        that is to do all the rest: it gets the rights to read and write rows, those of one tenant at a time.
        Raises RuntimeRoleError where the role could not be held to that.
        """
        version = migrate(self.store.connect, self.space, filter_keys=filter_keys, runtime_role=runtime_role)
        self.store.forget_connections()
        self._schema_checked = True
        return version

    def ingest(
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
        """Files, folders, globs or Documents into the collection; what is unchanged is skipped.

        ``sync`` then deletes what the source no longer has; a source with nothing in it is refused.
        ``dry_run`` writes and spends nothing: the report says what would happen and what it would cost.
        ``expires_at``: the moment, or the time from now, after which these documents are found no more.
        What cannot be read, and what ``quality`` keeps out, is in ``report.rejected`` with its reason.
        ``progress`` is called after each batch. Raises LanguageMismatch where the collection was made in another
        ``language``.
        """
        self._check_schema()
        trace = self._trace(tenant, tags, None)
        with tracing(trace):
            report = self._ingestor(tenant=trace.tenant).ingest(
                source,
                collection=checked_name(collection or self.collection, "collection"),
                sync=sync,
                dry_run=dry_run,
                expires_at=checked_expiry(expires_at),
                progress=progress,
            )
            return (
                report if dry_run else replace(report, cost=self.ledger.cost_of(trace.prompt_id, tenant=trace.tenant))
            )

    def swap(self, one: str, other: str, *, tenant: str | None = None) -> None:
        """Let two collections change names, in one transaction.

        So a collection is made anew without a gap: ingest into another one (with another chunker, or a RAG
        with another embedder), look at its answers, swap, and drop the old one when it is no longer wanted.
        """
        self._check_schema()
        names = (checked_name(one, "collection"), checked_name(other, "collection"))
        self._collections.swap(*names, tenant=self._tenant(tenant))

    def drop(self, collection: str, *, tenant: str | None = None) -> int:
        """Delete a collection with all that is in it; returns how many documents it had."""
        self._check_schema()
        return self._collections.drop(checked_name(collection, "collection"), tenant=self._tenant(tenant))

    def sweep(self) -> int:
        """Delete the documents of every collection whose time has come; returns how many there were. What asks saw and
        did more than 30 days ago is forgotten too, but for the cases in ``failures``.

        As the runtime role, of every collection of this RAG's tenant. An ingest does so for its own collection.
        Searches do not find them in any case. Also marks the calls that a crash left open: ``PostgresLedger.sweep``.
        """
        self._check_schema()
        self.failures.forget(_RECORDS_KEPT)
        if isinstance(self.ledger, PostgresLedger):
            self.ledger.sweep(tenant=self.tenant)
        return self._collections.sweep(tenant=self.tenant)

    def reembed(
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
        """Give what is stored the vectors of another embedder, and switch to it, without a gap.

        The space is built beside the one in use, for every collection of every tenant, or for ``collection`` of
        ``tenant`` alone: searches and ingests go on. Call it again after a crash: it takes up where it ended. When
        no chunk lacks a vector, and ``gate`` is passed, the space becomes active: a RAG opened with the new embedder
        searches it, and until then gets SpaceBuilding. This RAG and others like it go on as they are, until
        ``retire_space`` drops their space. What they ingest after the switch has no vector in the new space
        until an ingest of the new RAG, or another ``reembed``, gives it one; its words find it meanwhile.

        ``gate``: labelled questions ``[(question, {document_id, ...}), ...]``, asked in this RAG's collection (or
        the one named): recall and nDCG of the first 10 hits must be at least those of now less ``margin``. Or a
        function of this RAG and the new one, which says whether to switch. ``dry_run`` says what it would cost.

        Only the role that owns the tables can do this. Raises SpaceBusy while another process does it.
        """
        self._check_schema()
        trace = self._trace(tenant, tags, None)
        new = self._beside(self._embedder_named(embedder))
        judge = self._judge(new, gate, margin, collection, trace.tenant)
        reembedder = Reembedder(
            self.store,
            new._outgoing.embedder(new.embedder),
            caching=self._pieces["embedding_cache"],
            corpus_id=None if collection is None else self._corpus_id(collection, trace.tenant),
        )
        with tracing(trace):
            if dry_run:
                return reembedder.preview(default_counter())
            with self.store.read_your_writes():  # a gate searches what was just written
                report = reembedder.run(instead_of=self.space, judge=judge, progress=progress)
            return replace(report, cost=self.ledger.cost_of(trace.prompt_id, tenant=trace.tenant))

    def spaces(self) -> tuple[SpaceStatus, ...]:
        """The embedding spaces of the database, oldest first, and how many chunks each lacks.

        As the runtime role, of this RAG's tenant; as the owner, of all.
        """
        self._check_schema()
        return Spaces(self.store).all(tenant=self.tenant)

    def retire_space(self, name: str) -> None:
        """Drop a space that is no longer searched, with all its vectors.

        Raises SpaceInUse for this RAG's own, for the last active one, and where chunks have no vector in another;
        SpaceMissing for one that is not there.
        """
        self._check_schema()
        Spaces(self.store).retire(name, in_use=self.space.name)

    def retrieve(
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
        """The ``k`` best chunks by BM25 and vectors. ``filter``: what its metadata must meet, such as
        ``F("year") >= 2020``, or a mapping of keys to values.

        ``neighbours``: so many chunks before and after it are joined to each hit, 100 at most. ``section_tokens``:
        each hit grows to the section it stands in, up to so many tokens; hits of one section become one.

        Raises SpaceBuilding where another embedder filled the collection, here and in ``ask`` and ``quote``.
        """
        grow = growth(self.space, neighbours, section_tokens)
        trace = self._trace(tenant, None, None)
        scope = self._scope(trace, collection, filter, k)
        self._check_search(scope)
        with tracing(trace):
            hits = self._asker.retrieve(question, scope)
        if grow is None:
            return hits
        grown = self.store.run(partial(grow, hits=hits), tenant=trace.tenant, read_only=True)
        return Hits(grown, found=hits.found)

    def compress(self, question: str, passages: Iterable[Passage], budget: Budget = DEFAULT_BUDGET) -> Context:
        """Passages (hits, Documents or plain text) cut down to ``budget`` tokens of verbatim sentences."""
        self._check_schema()
        with tracing(self._trace(None, None, None)):
            return self._asker.compress(question, passages, budget)

    def generate(self, question: str, context: Context, model: str | None = None) -> Generation:
        """One reply of ``model`` (an id, as in the chain; by default its first) from a context."""
        self._check_schema()
        with tracing(self._trace(None, None, None)):
            return self._asker.generate(question, context, model)

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
    ) -> Answer: ...

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
    ) -> AnswerStream: ...

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
    ) -> Answer | AnswerStream:
        """An answer with its citations, confidence and price; choices for a question that is not clear, or a safe
        reply when no answer can be stood by.

        ``budget``: tokens of context, 600 by default: as the models bill them once that was learnt from 50 replies,
        else of our own counter; or "auto" for as many as the question seems to need, 1,200 of our own at most.
        ``max_cost``: USD for the whole ask; the context is cut down to what the cheapest model can be asked with for
        it, and a model that could still go over it is not asked. ``max_billed_tokens``: those of all requests of the
        ask, as they are billed; one that may go over it is not made. ``deadline``: seconds after which no further step
        begins, and a request that is on its way to a model is given up.
        ``stream=True`` gives an iterator of text as the model writes it, see ``AnswerStream``. ``fresh=True`` asks anew
        where an answer is kept (``answer_cache``), and keeps the new one.
        """
        trace = self._trace(tenant, tags, prompt_id)
        scope = self._scope(trace, collection, filter, k)
        spend = None if max_cost is None else checked_money(max_cost)
        tokens = None if max_billed_tokens is None else checked_tokens(max_billed_tokens)
        turns = tuple(turn if isinstance(turn, Turn) else as_turn(turn) for turn in history)

        asked: _Asked = {
            "budget": budget,
            "max_cost": spend,
            "deadline": checked_deadline(deadline),
            "history": turns,
            "fresh": fresh,
        }

        def streamed() -> Steps[str, None, Answer]:
            self._check_search(scope)
            with tracing(trace), allowing(tokens):
                return (yield from self._asker.stream(question, scope, **asked))

        if stream:
            return AnswerStream(streamed)
        self._check_search(scope)
        with tracing(trace), allowing(tokens):
            return self._asker.ask(question, scope, **asked)

    def quote(
        self,
        question: str,
        budget: Budget | None = None,
        *,
        filter: FilterLike | None = None,
        k: int = 10,
        collection: str | None = None,
        tenant: str | None = None,
    ) -> Quote:
        """What asking this would cost, USD, before it is spent: least, expected, most, and the worst case.

        Retrieves and diets, which may pay for an embedding of the question and for a reranker, but asks no model. From
        the plan of the chain, the tokens of the prompt and the latest asks of the collection; ``chain.explain`` shows
        the parts.
        """
        return self.chain.explain(question, budget, filter=filter, k=k, collection=collection, tenant=tenant).quote

    @property
    def chain(self) -> PlannedChain:
        """The steps of an ask; ``rag.chain.explain(question)`` is their plan for a question, with prices."""
        return PlannedChain(self._asker.chain, self._explain)

    def _explain(
        self,
        question: str,
        budget: Budget | None,
        filter: FilterLike | None,
        k: int,
        collection: str | None,
        tenant: str | None,
    ) -> Explanation:
        trace = self._trace(tenant, None, None)
        scope = self._scope(trace, collection, filter, k)
        self._check_search(scope)
        with tracing(trace):
            return self._asker.explain(question, scope, budget)

    def costs(self, by: CostKey = "stage", since: datetime | None = None) -> Costs:
        """What was spent, by stage, model, tenant, tag, day or outcome, dearest first.

        As the runtime role, what this RAG's tenant spent; as the owner, what all did.
        """
        self._check_schema()
        if not isinstance(self.ledger, PostgresLedger):
            raise InvalidArgument("costs are read from the database: this RAG was given a ledger of another kind")
        self.ledger.flush()
        return read_costs(self.store, by=by, since=since, tenant=self.tenant)

    def feedback(self, prompt_id: str, *, good: bool, note: str = "", tenant: str | None = None) -> None:
        """What somebody thought of an answer. One that was not liked is kept as a case, with ``note``, in ``failures``.

        The last word counts. Raises UnknownPrompt where this tenant asked nothing under that prompt_id.
        """
        self._check_schema()
        self.failures.feedback(prompt_id, good=good, note=note, tenant=tenant)

    def evaluate(
        self,
        questions: Iterable[LabelledQuestion | Mapping[str, Any]] = (),
        *,
        cases: bool = True,
        tenant: str | None = None,
    ) -> Evaluation:
        """Ask labelled questions, and with ``cases`` the regression cases out of ``failures``, at their usual price.

        ``questions``: ``{"question": ..., "answers": [...], "documents": [...], "outcome": ...}``, where an answer must
        stand in the reply, a document be cited, and the outcome be the same, as far as they are given. A case that
        passes is fixed; one that does not is open again.
        """
        from ragdiet.evaluation import evaluate, labelled

        owner = self._tenant(tenant)
        return evaluate(
            lambda question, collection, of: self.ask(question, collection=collection, tenant=of or owner),
            labelled(questions),
            self.failures if cases else None,
            owner,
        )

    @property
    def budgets(self) -> Budgets:
        """What tenants, tags or all may spend in a day, a month, or ever: ``set``, ``list`` and ``remove``.

        >>> rag.budgets.set(SpendingBudget(name="acme", usd="5", per="day", tenant="acme"))   # doctest: +SKIP
        """
        self._check_schema()
        if not isinstance(self.ledger, PostgresLedger):
            raise InvalidArgument("budgets are kept with the ledger in the database: this RAG was given another ledger")
        return Budgets(self.store, tenant=self.tenant)

    @property
    def answers(self) -> Answers:
        """The answers that are kept for this RAG's tenant: what they saved, and how to forget them."""
        self._check_schema()
        flush = self.ledger.flush if isinstance(self.ledger, PostgresLedger) else lambda: None
        return Answers(self.store, tenant=self.tenant, flush=flush)

    def tune(
        self, labelled: Iterable[tuple[str, Grades]], *, collection: str | None = None, tenant: str | None = None
    ) -> Tuning:
        """Learn the dense leg's share of the score for a collection from questions and what answers them.

        ``labelled``: at least 20 pairs of a question and the grades, above 0, of documents by their id or of
        chunks by their number. Each is searched with several shares. The best is kept, and used by every later
        search of the collection, if its gain in nDCG@10 on held-out questions is no luck: its 99% interval lies
        above 0. Raises InvalidArgument for labels that cannot tell, and for a retriever of one's own.
        """
        self._check_schema()
        if not isinstance(self._retriever, HybridRetriever):
            raise InvalidArgument("the weight is that of the hybrid retriever: this RAG was given another one")
        trace = self._trace(tenant, None, None)
        name = checked_name(collection or self.collection, "collection")
        corpus_id = self._corpus_id(name, trace.tenant)
        with tracing(trace):
            return learn_weight(
                self.store,
                self._retriever,
                self.space,
                labelled,
                self._asker.vector,
                tenant=trace.tenant,
                collection=name,
                corpus_id=corpus_id,
            )

    def calibrate(
        self,
        labelled: LabelledRows,
        *,
        alpha: float = 0.05,
        delta: float = 0.1,
        collection: str | None = None,
        tenant: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Calibrated:
        """Fit the model of confidence on labelled questions and certify its threshold: with probability 1 - ``delta``
        at most the share ``alpha`` of the answers to such questions is wrong.

        ``labelled``: a JSONL file or rows, each a question with ``answers``, ``documents`` (their ids),
        ``answerable=False``, or ``right`` (the verdict on the answer of now), and perhaps a ``group`` that is to stay
        in one half. Every question is asked, of every model of the chain, and paid for. This RAG goes on as it was:
        give ``calibrated.confidence`` to a new one, as ``confidence=``. Where too little can be proven, that is the
        model there was, and ``calibrated.reason`` says why. Raises InvalidArgument for labels that contradict each
        other, and where this RAG judges by a confidence of another kind.
        """
        if not isinstance(self.confidence, LogisticConfidence):
            raise InvalidArgument("only a LogisticConfidence can be calibrated: this RAG was given one of another kind")
        labels = read_labels(labelled)
        owner = self._tenant(tenant)
        setup = self._setup_with(checked_name(collection or self.collection, "collection"), owner)
        rehearsal = Rehearsal(self.confidence, gate=0.0)
        if own := [step.id for step in self._asker.chain.reads if str(step.accept) != str(confident())]:
            raise InvalidArgument(
                f"the chain accepts what {own[0]} says by a rule of its own, of which a certificate would say nothing: "
                "calibrate with the rule confident()"
            )
        pieces = self._pieces | {"confidence": rehearsal, "answer_cache": None}
        beside = RAG(self.store, embedder=self.embedder, **pieces)
        beside._owned = []
        return calibrate(
            labels,
            rehearsal,
            partial(beside.ask, collection=collection, tenant=owner, tags=tags or {"purpose": "calibration"}),
            setup,
            alpha=alpha,
            delta=delta,
        )

    def confidence_moved(self, collection: str | None = None, *, tenant: str | None = None) -> tuple[str, ...]:
        """What is no longer as it was when the model of confidence was made: models, prompt, embedder, language, and
        the collection. Nothing where all is, and for a confidence of another kind."""
        if not isinstance(self.confidence, LogisticConfidence):
            return ()
        name = checked_name(collection or self.collection, "collection")
        return self.confidence.moved(self._setup_with(name, self._tenant(tenant)))

    def backfill_tokens(self, *, collection: str | None = None, tenant: str | None = None) -> int:
        """Give chunks that were ingested without ``late_interaction`` their token bits; returns how many got them."""
        self._check_schema()
        trace = self._trace(tenant, None, None)
        return backfill_token_bits(
            self.store,
            _token_model(self.embedder),
            tenant=trace.tenant,
            collection=checked_name(collection or self.collection, "collection"),
        )

    def rebuild_statistics(self, collection: str | None = None, *, tenant: str | None = None) -> None:
        """Count what BM25 needs of a collection anew, exactly; for when ``doctor`` finds that it is not as noted.

        Ingests of the collection wait meanwhile, searches go on. Raises InvalidArgument where there is none of
        that name.
        """
        self._check_schema()
        name = checked_name(collection or self.collection, "collection")
        owner = self._tenant(tenant)
        corpus = find_corpus(self.store, tenant=owner, collection=name)
        if corpus is None:
            raise InvalidArgument(f"there is no collection {name!r}: ingest into it first")
        rebuild_statistics(self.store, corpus.id, tenant=owner)

    def doctor(self) -> Diagnosis:
        """What is wrong with the database, and the commands that mend it. Changes nothing, and may be called at any
        time: it takes some seconds, and no statement of it more than 10.

        Looks at the writer as the role that this RAG connects as. A role under row-level security sees the
        collections of this RAG's tenant alone.
        """
        from ragdiet.doctor import diagnose

        return diagnose(self.store, self.space, tenant=self.tenant)

    def close(self) -> None:
        """Close the connections; the last user of an embedded server stops it. Safe to call again."""
        with ExitStack() as all_of_them:  # the others too where one fails
            for owned in reversed(self._owned):
                all_of_them.callback(owned.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_schema(self) -> None:
        if not self._schema_checked:
            self.store.run(lambda connection: check_schema(connection, self.space), tenant=None, read_only=True)
            self._schema_checked = True

    def _check_search(self, scope: Scope) -> None:
        """Once for each collection that has anything: whether its chunks have vectors of this embedder."""
        self._check_schema()
        key = (scope.tenant, scope.collection)
        if self._allow_building or not self._retriever.needs_vector or key in self._searchable:
            return
        if self.store.run(
            lambda connection: check_searchable(
                connection, self.space, tenant=scope.tenant, collection=scope.collection
            ),
            tenant=scope.tenant,
            read_only=True,
        ):
            if len(self._searchable) >= _MOST_REMEMBERED:
                self._searchable.clear()
            self._searchable.add(key)
            if isinstance(self.confidence, LogisticConfidence) and self.confidence.certified:
                self.confidence.judging(self._setup_with(scope.collection, scope.tenant))

    def _setup_with(self, collection: str, tenant: str) -> Setup:
        corpus = find_corpus(self.store, tenant=tenant, collection=collection)
        if corpus is None:
            return self._setup
        state = Corpus(tenant=tenant, collection=collection, version=corpus.version, chunks=corpus.chunks)
        return self._setup.model_copy(update={"corpus": state})

    def _embedder_named(self, embedder: str | Embedder) -> Embedder:
        if not isinstance(embedder, str):
            return embedder
        made = self._named.embedder(embedder, self.ledger)
        self._owned = [*(client for client in self._named.clients if client not in self._owned), *self._owned]
        return made

    def _beside(self, embedder: Embedder) -> RAG:
        """This RAG with another embedder, over the same connections; closing it closes nothing."""
        new = RAG(self.store, embedder=embedder, allow_building=True, **self._pieces)
        new._owned = []
        return new

    def _judge(
        self,
        new: RAG,
        gate: Callable[[RAG, RAG], bool] | Labelled | None,
        margin: float,
        collection: str | None,
        tenant: str,
    ) -> Callable[[], Verdict] | None:
        if gate is None:
            return None
        if callable(gate):
            return lambda: Verdict(reason="" if gate(self, new) else "the gate said no")
        old, other = (partial(rag.retrieve, collection=collection, tenant=tenant) for rag in (self, new))
        return judge_of(gate, old, other, margin)

    def _corpus_id(self, collection: str, tenant: str) -> int:
        corpus = find_corpus(self.store, tenant=tenant, collection=checked_name(collection, "collection"))
        if corpus is None:
            raise InvalidArgument(f"there is no collection {collection!r} yet: ingest into it first")
        return corpus.id

    def _trace(self, tenant: str | None, tags: Mapping[str, str] | None, prompt_id: str | None) -> Trace:
        return Trace(
            prompt_id=new_id() if prompt_id is None else checked_id(prompt_id),
            tenant=self._tenant(tenant),
            tags=dict(tags or {}),
        )

    def _tenant(self, tenant: str | None) -> str:
        return check_tenant(self.tenant if tenant is None else checked_tenant(tenant), self._tenants)

    def _scope(self, trace: Trace, collection: str | None, filter: FilterLike | None, k: int) -> Scope:
        return Scope(
            tenant=trace.tenant,
            collection=checked_name(collection or self.collection, "collection"),
            filter=as_filter(filter),
            k=k,
        )


def _checked_chain(chain: Chain | None, models: Sequence[Generator | str], research: bool) -> Chain:
    """The chain as it was given, or the one of the models."""
    if chain is None:
        return Chain.of(models or (ExtractiveReader(),), research=research)
    if models or not research:
        raise InvalidArgument("the chain says which models are asked, and whether to search again: give it alone")
    return chain


def _answer_settings(given: AnswerCache | Literal["auto"] | None, models: Sequence[Generator]) -> AnswerCache | None:
    if given != "auto":
        return given
    return AnswerCache() if any(isinstance(model, Priced) for model in models) else None


def _token_model(embedder: Embedder) -> Embedder:
    from ragdiet.embed import MiniLM

    return embedder if isinstance(embedder, MiniLM) else MiniLM()


class _Asked(TypedDict):
    budget: Budget | None
    max_cost: Decimal | None
    deadline: float | None
    history: tuple[Turn, ...]
    fresh: bool


class _Closeable(Protocol):
    def close(self) -> None: ...
