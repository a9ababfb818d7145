"""The quality gates: what they find, what they wrongly find, and what they cost.

    python -m benchmarks.gates --data FOLDER [--out results.json]

- sensitive data: recall and precision by kind on Presidio's generated texts, findings in real documents;
- information: chunks of real documents and of the standard library's sources that each rule drops;
- fingerprints: edited passages of the standard library's documentation called near duplicates;
- seconds a megabyte of each gate.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pydoc
import random
import re
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from ragdiet import Document, RecursiveChunker
from ragdiet.load import load
from ragdiet.quality.encoding import repair_document
from ragdiet.quality.fingerprint import are_near, fingerprint
from ragdiet.quality.information import why_uninformative
from ragdiet.quality.language import language
from ragdiet.sensitive import find

KINDS = {
    "CREDIT_CARD": "credit_card",
    "IBAN_CODE": "iban",
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "US_SSN": "us_ssn",
}
MODULES = (
    "argparse asyncio collections csv datetime decimal difflib email enum functools heapq inspect itertools json "
    "logging os pathlib pickle random re shutil socket sqlite3 ssl statistics string subprocess tarfile tempfile "
    "textwrap threading typing unittest urllib uuid zipfile"
).split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256], help="tokens of the chunks")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    documents = [*load(folder / "real_docs", rejected=lambda rejection: print(f"rejected: {rejection.uri}"))]
    sources = [*standard_library()]
    summary = {
        "sensitive": sensitive(folder / "pii_presidio" / "pii.jsonl"),
        "sensitive_in_documents": findings("real_docs", documents) | findings("standard library", sources),
        "information": [dropped(size, [*documents, *sources]) for size in arguments.sizes],
        "near_duplicates": near_duplicates(),
        "milliseconds_a_megabyte": speeds(documents),
    }
    print_tables(summary)
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def standard_library() -> Iterator[Document]:
    """The sources of Python's own modules, their tests left out."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        if not {"site-packages", "test", "tests", "lib2to3"} & {*path.relative_to(root).parts}:
            text = path.read_text(encoding="utf-8", errors="replace")
            if text.strip():
                yield Document(str(path.relative_to(root)), text)


def sensitive(path: Path) -> list[dict[str, object]]:
    """A row for each kind. Found is a span that holds the whole true one; a false alarm touches no true one."""
    rows = {kind: Counter[str]() for kind in KINDS.values()}
    for row in read_lines(path):
        found = find(row["text"])
        true = [(KINDS[span["type"]], span["start"], span["end"]) for span in row["spans"] if span["type"] in KINDS]
        for kind, start, end in true:
            rows[kind]["spans"] += 1
            rows[kind]["found"] += any(f.kind == kind and f.start <= start and end <= f.end for f in found)
        for finding in found:
            if not any(
                finding.kind == kind and finding.start < end and start < finding.end for kind, start, end in true
            ):
                rows.setdefault(finding.kind, Counter())["false"] += 1
    return [
        {
            "kind": kind,
            "spans": row["spans"],
            "recall": round(row["found"] / row["spans"], 4) if row["spans"] else None,
            "precision": round(row["found"] / (row["found"] + row["false"]), 4) if row["found"] else None,
        }
        for kind, row in sorted(rows.items())
    ]


def findings(name: str, documents: list[Document]) -> dict[str, dict[str, int]]:
    """Findings by kind: to be read, since nobody has marked these texts."""
    return {name: dict(Counter(finding.kind for document in documents for finding in find(document.text)))}


def dropped(size: int, documents: list[Document]) -> dict[str, object]:
    """How many chunks of ``size`` tokens each rule drops, and where each stands."""
    chunker = RecursiveChunker(size=size)
    reasons: Counter[str] = Counter()
    examples: list[str] = []
    count = 0
    for document in documents:
        for chunk in chunker.chunk(document):
            count += 1
            if reason := why_uninformative(chunk.text, chunk.tokens):
                reasons[reason] += 1
                examples.append(f"{reason}: {document.id} ({chunk.start}-{chunk.end})")
    return {"size": size, "chunks": count, "dropped": dict(reasons), "examples": examples}


def near_duplicates() -> list[dict[str, object]]:
    """Of passages of 60 to 600 words, the share whose edited copy shares a band and is called near."""
    source = random.Random(1)
    passages: list[str] = []
    for name in MODULES:
        words = re.findall(r"\S+\s*", pydoc.plain(pydoc.render_doc(importlib.import_module(name))))
        passages += ["".join(words[at : at + source.randrange(60, 600)]) for at in range(0, len(words) - 600, 600)]

    def number(passage: str) -> str | None:
        numbers = [*re.finditer(r"\d+", passage)]
        if not numbers:
            return None
        match = source.choice(numbers)
        return f"{passage[: match.start()]}{int(match[0]) + 1}{passage[match.end() :]}"

    def inserted(word: str) -> Callable[[str], str]:
        def edit(passage: str) -> str:
            place = source.choice([match.end() for match in re.finditer(r"\s", passage)])
            return f"{passage[:place]}{word} {passage[place:]}"

        return edit

    paragraph = " This paragraph of a dozen and a half ordinary words was added at the end by somebody who cared."
    edits: dict[str, Callable[[str], str | None]] = {
        "case": str.upper,
        "white space": lambda passage: re.sub(r"\s", "\n\n  ", passage),
        "punctuation": lambda passage: re.sub(r"[,.;:](?=\s)", "", passage),
        "one word more": inserted("indeed"),
        "a paragraph more": lambda passage: passage + paragraph,
        "one number changed": number,
        "one 'not' more": inserted("not"),
    }
    prints = [fingerprint(passage) for passage in passages]
    rows: list[dict[str, object]] = []
    for name, edit in edits.items():
        edited = [(own, fingerprint(text)) for own, p in zip(prints, passages, strict=True) if (text := edit(p))]
        near = sum(not set(one.bands).isdisjoint(other.bands) and are_near(one, other) for one, other in edited)
        rows.append({"edit": name, "passages": len(edited), "near": round(near / len(edited), 4)})
    pairs = [(one, other) for place, one in enumerate(prints) for other in prints[place + 1 :]]
    near = sum(are_near(one, other) for one, other in pairs)
    return [*rows, {"edit": "other passages", "passages": len(pairs), "near": round(near / len(pairs), 6)}]


def speeds(documents: list[Document]) -> dict[str, float]:
    """Processor time over the real documents, after one call that loads what a gate needs."""
    megabytes = sum(len(document.text) for document in documents) / 1e6
    gates: dict[str, Callable[[Document], object]] = {
        "sensitive": lambda document: find(document.text),
        "fingerprint": lambda document: fingerprint(document.text),
        "encoding": repair_document,
        "language": lambda document: language(document.text),
        "information": lambda document: [
            why_uninformative(document.text[at : at + 1_000], 250) for at in range(0, len(document.text), 1_000)
        ],
    }
    taken = {}
    for name, gate in gates.items():
        gate(documents[0])
        began = time.process_time()
        for document in documents:
            gate(document)
        taken[name] = round((time.process_time() - began) * 1e3 / megabytes, 1)
    return taken


def print_tables(summary: dict[str, object]) -> None:
    for part, rows in summary.items():
        print(f"\n{part}")
        for row in rows if isinstance(rows, list) else [rows]:
            shown = {key: value for key, value in row.items() if key != "examples"}
            print("  " + "  ".join(f"{key} {value}" for key, value in shown.items()))
            for example in row.get("examples", ()):
                print(f"    {example}")


if __name__ == "__main__":
    main()
