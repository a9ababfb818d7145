"""What is seen of an ask: what the log hides, and what it costs to look.

    python -m benchmarks.observe --data FOLDER [--out observe.json]

- masking: values in Presidio's texts, and values made here, logged in the ways that programs log: recall and precision
  by kind of what is in the file afterwards;
- full_run: personal data and secrets in documents, questions, tags and errors, all loggers at DEBUG: what is in it;
- overhead: an ask with logs, OpenTelemetry and Prometheus beside one without, question by question.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.datasets import data_folder, read_lines
from benchmarks.gates import KINDS
from benchmarks.guard_values import made_texts
from benchmarks.machine import machine
from benchmarks.observe_run import full_run
from benchmarks.observe_speed import overhead
from benchmarks.report import Row, shown
from ragdiet.observe import log_to

Way: TypeAlias = Callable[[logging.Logger, str], None]
_MARK = re.compile("<([A-Z_]+)>")


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with its values: kind, start, end."""

    text: str
    values: tuple[tuple[str, int, int], ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    summary = {"masking": masking(folder), "full_run": full_run(folder), "overhead": overhead(folder)}
    for name, section in summary.items():
        print(f"\n{name}", shown(section), sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def masking(folder: Path) -> Row:
    """Recall and precision by kind, of Presidio's texts and of those made here; recall of all by the way of logging."""
    sets = {
        "presidio": presidio_texts(folder),
        "made": [Marked(text, ((kind, start, end),)) for kind, text, start, end in made_texts()],
    }
    everything = [text for texts in sets.values() for text in texts]
    return {
        **{name: by_kind(texts, logged(texts, WAYS["message"])) for name, texts in sets.items()},
        "ways": [{"way": name, **recall(everything, logged(everything, way))} for name, way in WAYS.items()],
    }


def recall(texts: Sequence[Marked], lines: Sequence[str]) -> Row:
    hidden = [each for text, line in zip(texts, lines, strict=True) for each in hidden_values(text, line)]
    return {"values": len(hidden), "recall": round(sum(hidden) / len(hidden), 4)}


def presidio_texts(folder: Path) -> list[Marked]:
    """Kinds with a form of their own; names, places and ages have none."""
    return [
        Marked(
            row["text"],
            tuple((KINDS[s["type"]], s["start"], s["end"]) for s in row["spans"] if s["type"] in KINDS),
        )
        for row in read_lines(folder / "pii_presidio" / "pii.jsonl")
    ]


def _raised(logger: logging.Logger, text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("it went wrong")


WAYS: Mapping[str, Way] = {
    "message": lambda logger, text: logger.info("%s", text),
    "JSON in a message": lambda logger, text: logger.info("sent %s", json.dumps({"inputText": text})),
    "bytes in a message": lambda logger, text: logger.info("body %r", text.encode()),
    "extra field": lambda logger, text: logger.info("asked", extra={"question": text}),
    "nested field": lambda logger, text: logger.info("asked", extra={"request": {"turns": [text]}}),
    "exception": _raised,
}


def logged(texts: Sequence[Marked], way: Way) -> list[str]:
    """What is in the file of each text."""
    logger = logging.getLogger("benchmark")
    logger.setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ask.log"
        log = log_to(path, logger="benchmark")
        for text in texts:
            way(logger, text.text)
        log.close()
        assert not log.lost
        return [" ".join(_strings(json.loads(line))) for line in path.read_text("ascii").splitlines()]


def _strings(line: object) -> Iterator[str]:
    if isinstance(line, str):
        yield line
    elif isinstance(line, dict | list):
        for each in line.values() if isinstance(line, dict) else line:
            yield from _strings(each)


def hidden_values(text: Marked, line: str) -> Iterator[bool]:
    """Of each value whether nothing of it is there: neither the whole nor any four or more characters of it between
    signs that stand nowhere else in the text."""
    for _, start, end in text.values:
        value, rest, line = text.text[start:end], text.text[:start] + text.text[end:], _MARK.sub("", line)
        pieces = [piece for piece in re.split(r"[^\w]+", value) if len(piece) >= 4 and piece not in rest]
        yield value not in line and not any(piece in line for piece in pieces)


def by_kind(texts: Sequence[Marked], lines: Sequence[str]) -> list[Row]:
    """A false mark is one that no value of its kind accounts for."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, line in zip(texts, lines, strict=True):
        for (kind, _, _), is_hidden in zip(text.values, hidden_values(text, line), strict=True):
            counts[kind]["values"] += 1
            counts[kind]["hidden"] += is_hidden
        true = Counter(kind for kind, _, _ in text.values)
        marks = Counter(mark.lower() for mark in _MARK.findall(line))
        for kind, count in marks.items():
            counts[kind]["marks"] += count
            counts[kind]["right"] += min(count, true[kind])
    return [
        {
            "kind": kind,
            "values": count["values"],
            "recall": round(count["hidden"] / count["values"], 4) if count["values"] else None,
            "precision": round(count["right"] / count["marks"], 4) if count["marks"] else None,
        }
        for kind, count in sorted(counts.items())
    ]


if __name__ == "__main__":
    main()
