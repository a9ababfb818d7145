"""RAG: the door most programs use. Its verbs stand in the files beside this one; here it is put together."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ragdiet.account import Accounted, Calibration, PostgresLedger, PostgresRatios
from ragdiet.analysis import analyzer
from ragdiet.answers import AnswerCache, KeptAnswers, identity
from ragdiet.arguments import checked_name, checked_tenant
from ragdiet.ask import Asker
from ragdiet.bedrock import Breaker
from ragdiet.chunk import RecursiveChunker
from ragdiet.clarify import Clarifier
from ragdiet.confidence import LogisticConfidence, Setup
from ragdiet.diet import SentenceDiet
from ragdiet.errors import InvalidArgument
from ragdiet.failures import Failures
from ragdiet.fallback import Chain
from ragdiet.generate import ExtractiveReader, prompt_version, system_text
from ragdiet.guard import Guards, InjectionGuard, Masking, check_models, checked_list
from ragdiet.ingest import Ingestor
from ragdiet.named import Named
from ragdiet.outgoing import Outgoing, models_sent_to
from ragdiet.protocols import Priced
from ragdiet.quality import Quality
from ragdiet.rag.documents import Documents
from ragdiet.rag.door import Closeable, token_model
from ragdiet.rag.learning import Learning
from ragdiet.rag.money import Money
from ragdiet.rag.spaces import EmbeddingSpaces
from ragdiet.retrieve import CorpusRewriter, HybridRetriever
from ragdiet.store import Collections, Database
from ragdiet.tokens import default_counter

if TYPE_CHECKING:
    from ragdiet.account import Ledger, PriceBook
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
    from ragdiet.types import Example


DEFAULT_COLLECTION = "default"
DEFAULT_LANGUAGE = "english"


class RAG(Documents, EmbeddingSpaces, Money, Learning):
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
    plain values that they hold, or by an attribute ``cache_identity``. With ``keep_failures=False`` nothing is kept of
    what asks see and do, and none becomes a case in ``failures``.
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
        keep_failures: bool = True,
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
        rerankers = (*([reranker] if reranker else []), *chain.rerankers)
        check_models(models_sent_to(embedder, generators, rerankers), checked_list(allowed_models, "allowed_models"))
        self.ledger = ledger or PostgresLedger(store, spool=spool)
        self._owned: list[Closeable] = [self.ledger, store] if isinstance(self.ledger, PostgresLedger) else [store]
        self._schema_checked = False
        self._searchable: set[tuple[str, str]] = set()
        self._allow_building = allow_building
        self._named = Named(None, None)
        masking = masking or Masking()
        self.failures = Failures(store, self, self._tenant, masking.for_record)
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
            "keep_failures": keep_failures,
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
        tokens = token_model(embedder) if late_interaction else None
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
            token_model=tokens,
        )
        self._collections = Collections(store, self.space)
        self._retriever = retriever or HybridRetriever(store, self.space, token_model=tokens)
        rewriter = rewriter or CorpusRewriter(store)
        compressor = compressor or SentenceDiet(language=language)
        answered_by = (chain, self.space, self._retriever, rewriter, reranker, compressor, confidence)
        self._asker = Asker(
            embedder=embedder,
            retriever=self._retriever,
            rewriter=rewriter,
            reranker=self._outgoing.reranker(reranker) if reranker else None,
            sent=self._outgoing.reranker,
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
            keeps_records=keep_failures,
            answers=KeptAnswers(store, settings) if settings else None,
            similar=settings.threshold(self.space, language) if settings else None,
            identity=identity((version("ragdiet"), *answered_by, system, examples, language, clarify, guards, masking)),
            ready=self._check_search,
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
