"""The verbs of a RAG that learn from labels and from what people say of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ragdiet.arguments import checked_name
from ragdiet.errors import InvalidArgument
from ragdiet.observe import tracing
from ragdiet.rag.questions import Questions
from ragdiet.retrieve import HybridRetriever, learn_weight

if TYPE_CHECKING:
    from ragdiet.evaluation import Evaluation, LabelledQuestion
    from ragdiet.retrieve import Grades, Tuning


class Learning(Questions):
    """Labels, feedback and failures."""

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
