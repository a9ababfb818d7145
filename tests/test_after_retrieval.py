"""After the first fetch: neighbours and sections are slices of the document, rerankers are held to their promise."""

from __future__ import annotations

import inspect
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet.chunk import FixedChunker, RecursiveChunker
from ragdiet.errors import BadReply, InvalidArgument
from ragdiet.protocols import Reranker
from ragdiet.rag import RAG
from ragdiet.retrieve import parent_section, reranked, with_neighbours
from ragdiet.retrieve.neighbours import _joined, _Near, _run
from ragdiet.sentences import split_sentences
from ragdiet.store import Database
from ragdiet.types import Document, Hit, Hits
from tests.embedders import SentenceWordEmbedder

TEXT = inspect.getdoc(statistics) or ""
HEADED = "# One\n\nAlpha is first. It leads.\n\n# Two\n\n" + "\n\n".join(
    f"Paragraph {number} of the second part tells of beta and of {number} things." for number in range(12)
)


@pytest.fixture
def chunked(database: Database) -> RAG:
    rag = RAG(database, embedder=SentenceWordEmbedder(), chunker=FixedChunker(40, overlap=10))
    rag.ingest([Document("statistics", TEXT), Document("short", "The median alone.")])
    return rag


def assert_slice(hit: Hit, text: str) -> None:
    """As long as the document's slice, the same but for white space, and every sentence word for word."""
    source = text[hit.start : hit.end]
    assert len(hit.text) == len(source)
    assert all(one == other or (one == "\n" and other.isspace()) for one, other in zip(hit.text, source, strict=True))
    ends = 0
    for start, end in hit.sentences:
        assert ends <= start < end
        assert hit.text[start:end] == source[start:end]
        ends = end


_PROSE = st.lists(
    st.sampled_from(["Alpha is one. ", "Beta, the second, is longer than that! ", "gamma\n", "\n\n", "  ", "# Four\n"]),
    min_size=1,
    max_size=60,
).map("".join)


@settings(max_examples=60, deadline=None)
@given(_PROSE, st.integers(8, 20), st.integers(0, 4), st.booleans())
def test_joined_chunks_are_a_slice_of_the_document(text: str, size: int, overlap: int, recursive: bool) -> None:
    chunker = RecursiveChunker(size=size) if recursive else FixedChunker(size, overlap=overlap)
    chunks = chunker.chunk(Document("d", text))
    run = [
        _Near(
            id=chunk.ordinal,
            ordinal=chunk.ordinal,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            tokens=chunk.tokens,
            sentences=tuple(split_sentences(chunk.text)),
            vectors=np.ones((len(split_sentences(chunk.text)), 2), np.float16),
        )
        for chunk in chunks
    ]
    if len(run) < 2:
        return
    hit = _joined(Hit(chunk_id=0, document_id="d", text=run[0].text, score=1.0), run)
    assert (hit.start, hit.end) == (chunks[0].start, max(chunk.end for chunk in chunks))
    assert_slice(hit, text)
    assert hit.sentence_vectors is not None
    assert len(hit.sentence_vectors) == len(hit.sentences)
    said = {place for start, end in hit.sentences for place in range(start, end)}
    assert all(place in said for place, sign in enumerate(hit.text) if not sign.isspace())


@pytest.mark.parametrize(
    ("start", "ordinal", "joins"),
    [(12, 1, True), (10, 1, True), (200, 1, True), (211, 1, False), (0, 2, False), (-1, 1, False)],
)
def test_only_what_follows_in_the_text_is_joined(start: int, ordinal: int, joins: bool) -> None:
    own = _Near(1, 0, "own text. ", 0, 10, 2, ((0, 9),), None)
    other = _Near(2, ordinal, "other text.", start, start + 11, 2, ((0, 11),), None)
    hit = Hit(chunk_id=1, document_id="d", text=own.text, score=1.0, end=10, tokens=2, sentences=own.sentences)
    taken = {1}
    run = _run([own, other], hit, taken)
    assert run == ([own, other] if joins else [own])
    assert taken == ({1, 2} if joins else {1})
    assert (_joined(hit, run) == hit) != joins


def test_neighbours_are_joined_to_each_hit(chunked: RAG, database: Database) -> None:
    hits = chunked.retrieve("median of grouped data", k=4)
    with database.transaction(tenant=None) as connection:
        grown = with_neighbours(connection, hits, chunked.space, before=2, after=1)
        same = with_neighbours(connection, hits, chunked.space, before=0, after=0)
    assert same == hits
    assert [(hit.chunk_id, hit.score) for hit in grown] == [(hit.chunk_id, hit.score) for hit in hits]
    assert any(len(one.text) > 2 * len(other.text) for one, other in zip(grown, hits, strict=True))
    for one, other in zip(grown, hits, strict=True):
        assert other.text in one.text
        assert (one.start <= other.start, other.end <= one.end) == (True, True)
        assert_slice(one, TEXT if one.document_id == "statistics" else "The median alone.")
        assert one.sentence_vectors is not None
        assert len(one.sentence_vectors) == len(one.sentences)


def test_a_chunk_stands_in_one_hit_alone(chunked: RAG, database: Database) -> None:
    hits = chunked.retrieve("statistics", k=1_000)
    with database.transaction(tenant=None) as connection:
        assert with_neighbours(connection, hits, chunked.space, before=3, after=3) == hits
        few = with_neighbours(connection, hits[:3], chunked.space, before=3, after=3)
    size = {hit.chunk_id: hit.tokens for hit in hits}
    assert sum(hit.tokens for hit in few) <= sum(size.values()) + len(few)


def test_hits_that_are_gone_stay_as_they_are(chunked: RAG, database: Database) -> None:
    gone = Hits([replace(chunked.retrieve("median", k=1)[0], chunk_id=10**9)])
    with database.transaction(tenant=None) as connection:
        assert with_neighbours(connection, gone, chunked.space) == gone
        assert parent_section(connection, gone, chunked.space, most_tokens=500) == gone
        assert with_neighbours(connection, Hits(), chunked.space) == ()


def test_parent_section(database: Database) -> None:
    rag = RAG(database, embedder=SentenceWordEmbedder(), chunker=RecursiveChunker(size=24))
    offsets = [(HEADED.index("# One"), 1, "One"), (HEADED.index("# Two"), 1, "Two")]
    rag.ingest([Document("headed", HEADED, meta={"headings": offsets}), Document("plain", "Beta stands alone here.")])
    hits = rag.retrieve("paragraph of beta", k=5)
    with database.transaction(tenant=None) as connection:
        whole = parent_section(connection, hits, rag.space, most_tokens=10_000)
        small = parent_section(connection, hits[:1], rag.space, most_tokens=80)
        own = parent_section(connection, hits, rag.space, most_tokens=1)
    two = next(hit for hit in whole if hit.meta.get("heading") == "Two")
    assert two.text == HEADED[HEADED.index("# Two") :]
    assert_slice(two, HEADED)
    assert [hit.text for hit in whole if hit.document_id == "plain"] in ([], ["Beta stands alone here."])
    assert len(whole) < len(hits)
    assert hits[0].tokens < small[0].tokens <= 80
    assert hits[0].text in small[0].text
    assert own == hits


@pytest.mark.parametrize("before", [-1, 101])
def test_neighbours_that_cannot_be(chunked: RAG, database: Database, before: int) -> None:
    with database.transaction(tenant=None) as connection:
        with pytest.raises(InvalidArgument, match="0 to 100"):
            with_neighbours(connection, (), chunked.space, before=before)
        with pytest.raises(InvalidArgument, match="at least 1"):
            parent_section(connection, (), chunked.space, most_tokens=0)


class ByRule:
    """A reranker that does as it is told."""

    def __init__(self, rule: Callable[[Sequence[Hit], int], Sequence[Hit]]) -> None:
        self._rule = rule

    def rerank(self, question: str, hits: Sequence[Hit], *, k: int) -> Sequence[Hit]:
        return self._rule(hits, k)


HITS = Hits(Hit(chunk_id=number, document_id="d", text=f"text {number}", score=-number) for number in range(5))


def test_reranked_hits() -> None:
    backwards = ByRule(lambda hits, k: [replace(hit, score=float(hit.chunk_id)) for hit in reversed(hits)][:k])
    assert isinstance(backwards, Reranker)
    assert [hit.chunk_id for hit in reranked(backwards, "q", HITS, 3)] == [4, 3, 2]
    assert reranked(backwards, "q", (), 3) == ()
    with pytest.raises(InvalidArgument, match="1 hit or more"):
        reranked(backwards, "q", HITS, 0)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (lambda hits, k: hits, "gave 5 hits where at most 3"),
        (lambda hits, k: [hits[0], hits[0]], "twice"),
        (lambda hits, k: [replace(hits[0], chunk_id=77)], "none of the 5"),
        (lambda hits, k: [replace(hits[0], text="made up")], "none of the 5"),
        (lambda hits, k: [replace(hits[0], score=float("nan"))], "the score nan"),
        (lambda hits, k: [replace(hits[0], score=float("inf"))], "the score inf"),
    ],
)
def test_rerankers_that_break_their_promise(rule: Callable[[Sequence[Hit], int], Sequence[Hit]], problem: str) -> None:
    with pytest.raises(BadReply, match=problem):
        reranked(ByRule(rule), "q", HITS, 3)
