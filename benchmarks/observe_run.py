"""A full run with personal data and secrets wherever a user can put them, and then a look at its log."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bedrock_asks import Trusting
from benchmarks.bedrock_pieces import REGION, credentials, stand_in
from benchmarks.datasets import read_lines
from benchmarks.gates import KINDS
from benchmarks.guard_values import MANY, SENTENCES, made_texts
from benchmarks.report import Row
from ragdiet import Document
from ragdiet.errors import RagdietError
from ragdiet.observe import log_to
from ragdiet.rag import RAG
from ragdiet.sensitive import find
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.testing.bedrock import BedrockServer, Fault

_MODELS = ("us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0")
_DOCUMENTS = 150
_ASKS = 60


def full_run(folder: Path) -> Row:
    """Values in documents and their names, in questions and tags, in what Bedrock and an application say when they
    fail; every logger at DEBUG, botocore's and its bodies too. What only its name tells (a password, some telephone
    numbers) stands with it: alone it is any word or number."""
    texts = [*_texts(folder)]
    planted = {value for _, values in texts for value in values}
    with tempfile.TemporaryDirectory() as place, _all_at_debug(), stand_in(chat=_MODELS) as server, credentials(server):
        path = Path(place) / "ask.log"
        with EmbeddedServer.start(Path(place) / "server") as postgres:
            log = log_to(path, level="DEBUG")
            outcomes = _run(postgres.dsn, server, texts)
            log.close()
        keys = {server.keys.access_key, server.keys.secret_key}
        lines = path.read_text("ascii").splitlines()
    shown = "\n".join(lines) + "\n".join(str(json.loads(line)) for line in lines)
    return {
        "values": len(planted),
        "values_in_the_log": sorted(value for value in planted | keys if value in shown),
        "lines": len(lines),
        "lines_lost": log.lost,
        "lines_that_could_not_be_masked": shown.count("could not be masked") // 2,
        "loggers": len({json.loads(line).get("logger") for line in lines}),
        "outcomes": outcomes,
    }


def _texts(folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Presidio's texts that have values with a form, and one of each kind in each sentence made here."""
    for row in read_lines(folder / "pii_presidio" / "pii.jsonl"):
        values = tuple(span["value"] for span in row["spans"] if span["type"] in KINDS)
        if values:
            yield row["text"], values
    for number, (_, text, start, end) in enumerate(made_texts()):
        if number % MANY < len(SENTENCES):
            yield text, (text[start:end],)


def _run(dsn: str, server: BedrockServer, texts: list[tuple[str, tuple[str, ...]]]) -> dict[str, int]:
    outcomes: dict[str, int] = {}
    application = logging.getLogger("application")
    with RAG.connect(
        dsn,
        region=REGION,
        embedder="bedrock:amazon.titan-embed-text-v2:0",
        models=[f"bedrock:{model}" for model in _MODELS],
        confidence=Trusting(),
    ) as rag:
        rag.migrate()
        documents = [
            Document(f"file {number} of {_told(text, values)}", text, title=_told(text, values))
            for number, (text, values) in enumerate(texts[::2][:_DOCUMENTS])
        ]
        rag.ingest(documents)
        step = max(1, len(texts) // _ASKS)
        for number, (text, values) in enumerate(texts[::step]):
            question, value = f"What do we know of this: {text}", _told(text, values)
            if number % 3 == 1:
                server.script(Fault(code="ValidationException", message=f"cannot use {text}"))
            if number % 3 == 2:
                server.script(*[Fault(code="ServiceUnavailableException", message=value)] * 2)
            try:
                if number % 2:
                    outcome = rag.ask(question, tags={"from": value}).outcome
                else:
                    outcome = rag.ask(question, stream=True, tags={"from": value}).answer.outcome
            except RagdietError as error:
                outcome = type(error).__name__
                application.exception("the question was %r", question)
            application.info("answered %s", value, extra={"user": value, "request": {"question": question}})
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def _told(text: str, values: tuple[str, ...]) -> str:
    """A value alone, or where that says nothing the text that tells what it is."""
    found = find(values[0])
    return values[0] if found and found[0].end - found[0].start == len(values[0]) else text


@contextmanager
def _all_at_debug() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
