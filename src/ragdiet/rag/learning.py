"""The verbs of a RAG that learn from labels and from what people say of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ragdiet.account import rehearsing
from ragdiet.arguments import checked_name
from ragdiet.confidence import Calibrated, LogisticConfidence, Rehearsal, calibrate, read_labels
from ragdiet.confidence import Labelled as LabelledRows
from ragdiet.errors import InvalidArgument
from ragdiet.fallback import Step, confident, unlikely
from ragdiet.observe import tracing
from ragdiet.rag.questions import Questions
from ragdiet.retrieve import HybridRetriever, learn_weight

if TYPE_CHECKING:
    from ragdiet.evaluation import Evaluation, LabelledQuestion
    from ragdiet.retrieve import Grades, Tuning


class Learning(Questions):
    """Labels, feedback and failures."""

    def feedback(self, prompt_id: str, *, good: bool, note: str = "", tenant: str | None = None) -> None:
        """What somebody thought of an answer. One that was not liked is kept as a case, with ``note``, in ``failures``,
        and is not given again: who asks the same is answered anew.

        The last word counts. Raises UnknownPrompt where this tenant asked nothing under that prompt_id.
        """
        self._check_schema()
        if not good:  # first: what fails after it is said again
            self._answers_of(self._tenant(tenant)).forget(prompt_id)
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
        with rehearsing():
            return evaluate(
                lambda question, collection, of: self.ask(
                    question, collection=collection, tenant=owner if of is None else of, fresh=True
                ),
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
            learnt = learn_weight(
                self.store,
                self._retriever,
                self.space,
                labelled,
                self._asker.vector,
                tenant=trace.tenant,
                collection=name,
                corpus_id=corpus_id,
            )
        self._answers_of(trace.tenant).clear(name)  # they were found with the weight from before
        return learnt

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
        if own := [step.id for step in self._asker.chain.reads if _is_own(step)]:
            raise InvalidArgument(
                f"the chain judges what {own[0]} says by a rule of its own, of which a certificate would say nothing: "
                "calibrate with the rules confident() and unlikely()"
            )
        # A refusal that unlikely() believes is followed by no reply that confident() would let pass.
        chain = self._pieces["chain"].unbelieving()
        pieces = self._pieces | {"chain": chain, "confidence": rehearsal, "answer_cache": None}
        from ragdiet.rag.rag import RAG

        beside = RAG(self.store, embedder=self.embedder, **pieces)
        beside._owned = []
        with rehearsing():
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


def _is_own(step: Step) -> bool:
    """Whether it accepts or declines by another rule than the confidence model's threshold."""
    declines = step.declines is not None and str(step.declines) != str(unlikely())
    return declines or str(step.accept) != str(confident())
