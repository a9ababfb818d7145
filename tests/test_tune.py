"""Learning the dense weight: what is learnt, what is refused, and what is left as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ragdiet.errors import InvalidArgument
from ragdiet.rag import RAG
from ragdiet.retrieve import HybridRetriever
from ragdiet.retrieve.learnt import keep_weight, learnt_weight
from ragdiet.retrieve.tune import WEIGHTS, choose, tune
from ragdiet.store import Database, find_corpus
from ragdiet.types import Document, Embedding, EmbedKind, Hit
from tests.embedders import WordEmbedder


def hit(number: int, document: str) -> Hit:
    return Hit(chunk_id=number, document_id=document, text="", score=0.0)


def search(question: str, weight: float) -> list[Hit]:
    """Puts the wanted document first from a weight of .7 on, else third."""
    others = [hit(8, "other"), hit(9, "more")]
    return [hit(1, question), *others] if weight >= 0.7 else [*others, hit(1, question)]


def test_a_gain_on_held_out_questions_is_learnt() -> None:
    learnt = tune([(str(number), {str(number): 1}) for number in range(30)], search, old_weight=0.5)
    assert learnt.is_better
    assert learnt.dense_weight == 0.7  # the nearest of those that serve alike
    assert (learnt.before, learnt.after) == (0.5, 1.0)
    assert learnt.gain_low == learnt.gain_high == learnt.gain == 0.5
    assert learnt.questions == 30


def test_labels_may_name_chunks() -> None:
    learnt = tune([(str(number), {1: 2}) for number in range(30)], search, old_weight=0.5)
    assert learnt.dense_weight == 0.7


def test_chunks_of_one_document_take_one_place() -> None:
    def twice(question: str, weight: float) -> list[Hit]:
        return [hit(8, "other"), hit(9, "other"), hit(1, question)]

    learnt = tune([(str(number), {str(number): 1}) for number in range(20)], twice, old_weight=0.5)
    assert learnt.before == pytest.approx(1 / np.log2(3))
    assert not learnt.is_better
    assert learnt.dense_weight == 0.5


def test_noise_is_not_learnt() -> None:
    tried = [choose(np.random.default_rng(seed).random((40, len(WEIGHTS))), WEIGHTS, 0.5) for seed in range(40)]
    assert sum(each.is_better for each in tried) <= 3
    # The best of nine columns of noise lies .07 over another one, by luck alone, where it was chosen.
    assert abs(np.mean([each.gain for each in tried])) < 0.03


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        ([("a", {"a": 1})] * 19, "19 labelled questions"),
        ([("a", {"a": 1})] * 19 + [("b", {"b": 0})], "'b' wants nothing"),
        ([("a", {"unknown": 1})] * 20, "check that the ids"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    labelled: list[tuple[str, dict[str | int, float]]], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        tune(labelled, search, old_weight=0.5)


def test_it_learns_from_a_real_corpus_and_is_kept(rag: RAG) -> None:
    animals = (
        "aardvark badger civet dingo ermine ferret gibbon hyena ibex jackal koala lemur marmot numbat ocelot "
        "possum quokka raccoon serval tapir"
    ).split()
    rag.ingest(Document(animal, f"The {animal} lives in the zoo and eats leaves.") for animal in animals)
    embedder = rag.embedder

    def real(question: str, weight: float) -> list[Hit]:
        vector = embedder.embed([question], kind="query").vectors[0]
        return list(HybridRetriever(rag.store, rag.space, dense_weight=weight).retrieve(question, vector, k=10))

    learnt = tune([(f"what does the {animal} eat", {animal: 1}) for animal in animals], real, old_weight=0.5)
    assert learnt.before == learnt.after == 1.0
    assert not learnt.is_better
    corpus = find_corpus(rag.store, tenant="", collection="default")
    assert corpus is not None
    with rag.store.transaction(tenant="") as connection:
        assert learnt_weight(connection, corpus.id, rag.space.name) is None
        for weight in (0.3, 0.7):
            keep_weight(connection, corpus.id, rag.space.name, dense_weight=weight, questions=20)
            assert learnt_weight(connection, corpus.id, rag.space.name) == weight
        assert learnt_weight(connection, corpus.id, "another") is None


def test_a_learnt_weight_is_used_by_every_later_search(database: Database) -> None:
    rag = RAG(database, embedder=Misleading())
    rag.migrate()
    rag.ingest([Document(f"{number}", f"Item {number} is called {name(number)}.") for number in range(30)])
    labelled = [(f"Which item is {name(number)}?", {str(number): 1.0}) for number in range(30)]
    tuning = rag.tune(labelled)
    assert tuning.is_better
    assert tuning.dense_weight < tuning.old_weight == 0.9
    again = rag.tune(labelled)
    assert (again.old_weight, again.is_better) == (tuning.dense_weight, False)
    hit = rag.retrieve(labelled[0][0])[0]
    assert hit.document_id == "0"


def name(number: int) -> str:
    return f"{'aeiou'[number % 5]}bra{'klmnop'[number // 5]}"


class Misleading(WordEmbedder):
    """Leads every question the same way, and is believed too much."""

    def __init__(self) -> None:
        super().__init__(name="misleading")
        self.space = replace(self.space, fusion_weight=0.9)

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        return super().embed(["Item" for _ in texts] if kind == "query" else texts, kind=kind)
