"""What logs, traces and metrics cost an ask: each question with them and without, one after the other."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from benchmarks.datasets import read_lines
from benchmarks.report import Row
from benchmarks.timing import percentiles, question_by_question
from ragdiet import Document
from ragdiet.observe import count_in_prometheus, log_to, send_to_opentelemetry, subscribe
from ragdiet.rag import RAG

_DOCUMENTS = 300
_QUESTIONS = 50
_ROUNDS = 4


def overhead(folder: Path) -> Row:
    """An ask of an embedded database and the extractive reader, which is the quickest there is; the log at INFO, every
    line kept, to a file; spans in batches. Each difference is of the same question, asked both ways in one round.
    ``processor`` is the time of all threads of this process, which a busy machine does not lengthen."""
    corpus = [
        row for row, _ in zip(read_lines(folder / "squad_v2" / "corpus.jsonl.gz"), range(_DOCUMENTS), strict=False)
    ]
    known = {row["id"] for row in corpus}
    questions = [
        row["text"] for row in read_lines(folder / "squad_v2" / "queries.jsonl") if str(row.get("doc")) in known
    ][:_QUESTIONS]
    with tempfile.TemporaryDirectory() as place, RAG.local(Path(place) / "rag") as rag:
        rag.ingest([Document(row["id"], row["text"], row.get("title")) for row in corpus])
        for question in questions:
            rag.ask(question)
        watch = _Watch(Path(place) / "ask.log")
        processor: dict[str, list[float]] = {"without": [], "with": []}

        def ask(name: str, question: str) -> float:
            began, began_processor = time.perf_counter(), time.process_time()
            rag.ask(question)
            taken = time.perf_counter() - began
            processor[name].append(time.process_time() - began_processor)
            return taken

        seconds = question_by_question(
            {"without": partial(ask, "without"), "with": watch.during(partial(ask, "with"))}, questions, _ROUNDS
        )
        lines = watch.close()
    rows = [
        {"clock": clock, "ask": name, **percentiles(of)}
        for clock, taken in (("wall", seconds), ("processor", processor))
        for name, of in (*taken.items(), ("difference of the same question", _differences(taken)))
    ]
    return {"asks": len(seconds["with"]), "lines": lines, "rows": rows}


def _differences(taken: Mapping[str, Sequence[float]]) -> list[float]:
    return [one - other for one, other in zip(taken["with"], taken["without"], strict=True)]


class _Watch:
    """All three, on while ``during`` runs. Turning them on and off is not what is measured."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = log_to(path)
        self._tracers = TracerProvider()
        self._tracers.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
        self._otel = send_to_opentelemetry(self._tracers, MeterProvider([InMemoryMetricReader()]))
        self._prom = count_in_prometheus(CollectorRegistry())
        self._otel.close()
        self._prom.close()
        self._off()

    def during(self, ask: Callable[[str], float]) -> Callable[[str], float]:
        """``ask`` while all is on."""

        def watched(question: str) -> float:
            ends = [subscribe(self._otel), subscribe(self._prom)]
            logging.getLogger().addHandler(self._log)
            logging.getLogger("ragdiet").setLevel(logging.INFO)
            taken = ask(question)
            for end in ends:
                end()
            self._off()
            return taken

        return watched

    def _off(self) -> None:
        logging.getLogger().removeHandler(self._log)
        logging.getLogger("ragdiet").setLevel(logging.NOTSET)

    def close(self) -> int:
        """Lines that were written."""
        self._log.close()
        self._tracers.shutdown()
        return len(self._path.read_text("ascii").splitlines())
