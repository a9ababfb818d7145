"""The verbs of a RAG for its embedding spaces: another embedder, without a gap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ragdiet.ingest import Reembedder, Verdict, judge_of
from ragdiet.observe import tracing
from ragdiet.rag.questions import Questions
from ragdiet.store import Spaces
from ragdiet.tokens import default_counter

if TYPE_CHECKING:
    from ragdiet.ingest import Labelled, Reembedded
    from ragdiet.protocols import Embedder
    from ragdiet.rag.rag import RAG
    from ragdiet.types import ReembedReport, SpaceStatus


class EmbeddingSpaces(Questions):
    """Embedding spaces."""

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

    def _embedder_named(self, embedder: str | Embedder) -> Embedder:
        if not isinstance(embedder, str):
            return embedder
        made = self._named.embedder(embedder, self.ledger)
        self._owned = [*(client for client in self._named.clients if client not in self._owned), *self._owned]
        return made

    def _beside(self, embedder: Embedder) -> RAG:
        """This RAG with another embedder, over the same connections; closing it closes nothing."""
        from ragdiet.rag.rag import RAG

        # Answers are not compared by what is kept of them, and no threshold may be certified for the other embedder.
        new = RAG(self.store, embedder=embedder, allow_building=True, **self._pieces | {"answer_cache": None})
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
            return partial(self._asked, gate, new)
        old, other = (partial(rag.retrieve, collection=collection, tenant=tenant) for rag in (self, new))
        return judge_of(gate, old, other, margin)

    def _asked(self, gate: Callable[[RAG, RAG], bool], new: RAG) -> Verdict:
        from ragdiet.rag.rag import RAG

        assert isinstance(self, RAG)
        return Verdict(reason="" if gate(self, new) else "the gate said no")
