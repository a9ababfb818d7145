"""The chain: what it saves at which accuracy, and what becomes of an ask while one of its steps fails.

    python -m benchmarks.chain --data FOLDER [--database local] [--out chain.json]

- chain: questions of SQuAD 2, half of them without an answer, read by two models of the Bedrock stand-in at Bedrock's
  prices, whose accuracy is known: each gives the sentence that holds the answer, or says that there is none, so often,
  and else another sentence of its sources, cited. Always the small one, always the big one, and chains of both. An ask
  is right that gives the answer, or declines where there is none.
- faults: each fault of Bedrock and of the wires at each step, for the whole of an ask with a deadline: the outcome, the
  reason, whether its price is the sum of its rows, and the seconds beyond the deadline.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count, islice
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks import database
from benchmarks.bedrock_pieces import CHAT, GUARDRAIL, REGION, RERANKER, credentials, given, stand_in
from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from benchmarks.report import Row, shown
from ragdiet import RAG, Answer, Chain, Document, Research, Search, Step, confident
from ragdiet.account import MemoryLedger
from ragdiet.bedrock import BedrockClient, BreakerPolicy, RetryPolicy
from ragdiet.embed import MiniLM, TitanEmbedder
from ragdiet.generate import ConverseGenerator
from ragdiet.gold import holds
from ragdiet.guard import BedrockGuardrail
from ragdiet.retrieve import BedrockReranker
from ragdiet.sentences import split_sentences
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, ChatModel, Fault, Tokenizer
from ragdiet.testing.bedrock.models.extract import REFUSAL, extract
from ragdiet.testing.bedrock.named_faults import faults_of

BIG = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SECOND = "us.amazon.nova-pro-v1:0"
RIGHT = {CHAT: 0.75, BIG: 0.92}
"""Share of the questions that each model gets right whose sources hold the answer, or to which there is none."""

_SET = "squad_v2"
_DOCUMENTS, _QUESTIONS = 60, 60
_THRESHOLDS = (0.6, 0.8)
_DEADLINE = 2.0
_RETRY = RetryPolicy(attempts=3, base_delay=0.05, max_delay=0.5, deadline=10.0)
_HANGS = {"no first byte for a minute": Fault(delay=60.0), "stalls for a minute": Fault(stall=60.0)}
_BLOCK = re.compile(r"^(?=\[\d+\])", re.MULTILINE)
_NUMBER = re.compile(r"\[(\d+)\]")
_VISITORS = count(1)
_ANIMALS = "fox heron badger owl otter lynx".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    database.add_argument(parser)
    arguments = parser.parse_args()
    summary = {"chain": chain(data_folder(arguments.data), arguments.database), "faults": faults(arguments.database)}
    for name, section in summary.items():
        print(f"\n{name}", shown(section), sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def chain(data: Path, where: str = "local") -> Row:
    """USD and accuracy of always-small, always-big and the chains of both."""
    documents = [
        Document(row["id"], row["text"], row["title"])
        for row in islice(read_lines(data / _SET / "corpus.jsonl.gz"), _DOCUMENTS)
    ]
    articles = {document.id.rpartition("-")[0] for document in documents}
    rows = [row for row in read_lines(data / _SET / "queries.jsonl") if row["article"] in articles]
    random.Random(0).shuffle(rows)
    of_kind = [[row for row in rows if row["answerable"] is kind][: _QUESTIONS // 2] for kind in (True, False)]
    asked = [row for kind in of_kind for row in kind]
    gold = {row["text"]: tuple(row["answers"]) if row["answerable"] else () for row in asked}
    table: list[Row] = []
    with (
        stand_in(chat={model: _played(model, gold) for model in RIGHT}, keep_requests=False) as server,
        credentials(server),
        database.databases(where) as databases,
        databases.fresh(MiniLM().space) as dsn,
        closing(BedrockClient(REGION, endpoint_url=server.url)) as client,
        closing(Database(dsn)) as store,
    ):
        ledger = MemoryLedger()
        small, big = (ConverseGenerator(model, **given(client, ledger)) for model in (CHAT, BIG))
        ask = partial(_asked, store, documents, ledger, gold)
        for name, model in (("always small", small), ("always big", big)):
            table.append({"policy": name, **ask(Chain([Search(accept=_yes), Step(model, accept=_yes)]))})
        table.append({"policy": "the default chain", **ask(Chain([Research(), Step(small), Step(big)]))})
        for threshold in _THRESHOLDS:
            steps = [Research(), Step(small, accept=confident(threshold)), Step(big, accept=_yes)]
            table.append({"policy": f"small where confidence is {threshold:.2f}, else big", **ask(Chain(steps))})
    always = table[1]
    for row in table:
        row["of always big's USD"] = round(row["usd a thousand"] / always["usd a thousand"], 3)
    good = [row for row in table[2:] if row["right"] >= always["right"]]
    return {
        "questions": len(asked),
        "right where sources hold it": RIGHT,
        "share of always big's USD at its accuracy": min((row["of always big's USD"] for row in good), default=None),
        "policies": table,
    }


def faults(where: str = "local") -> Row:
    """Each fault at each step, always."""
    table: list[Row] = []
    well: list[float] = []
    with (
        stand_in(process=True) as server,
        credentials(server),
        database.databases(where) as databases,
        _titan_space(databases, server) as dsn,
    ):
        steps: Mapping[str, tuple[str, Mapping[str, str]]] = {
            "guard": ("ApplyGuardrail", {}),
            "embed": ("InvokeModel", {}),
            "rerank": ("Rerank", {}),
            "first model": ("Converse", {"model": CHAT}),
            "first model, streamed": ("ConverseStream", {"model": CHAT}),
            "both models": ("Converse", {}),
        }
        for step, (operation, only) in steps.items():
            ledger = MemoryLedger()
            with _opened(dsn, server, ledger) as rag:
                _timed(rag, operation)  # connections are open now
                well.append(_timed(rag, operation)[1])
                for name, fault in {**faults_of(operation), **_HANGS}.items():
                    server.reset()
                    server.always(fault, operation=operation, **only)
                    table.append({"step": step, "fault": name, **_fault(rag, ledger, operation)})
                server.reset()
    late = [row["late"] for row in table]
    return {
        "asks": len(table),
        "exceptions": sum(str(row["outcome"]).startswith("raised") for row in table),
        "prices_that_are_not_their_rows": sum(not row["adds_up"] for row in table),
        "wrong_answers": sum(row["wrong"] for row in table),
        "seconds_while_all_is_well_p50": round(median(well), 2),
        "most_seconds_past_the_deadline": round(max(late), 3),
        "over_250_ms_past_it": sum(seconds > 0.25 for seconds in late),
        "outcomes": [
            {
                "step": step,
                **Counter(f"{row['outcome']} {row['reason']}".strip() for row in table if row["step"] == step),
            }
            for step in steps
        ],
        "table": table,
    }


def _yes(_: object) -> bool:
    return True


def _asked(
    store: Database,
    documents: Sequence[Document],
    ledger: MemoryLedger,
    gold: Mapping[str, tuple[str, ...]],
    steps: Chain,
) -> Row:
    rag = RAG(store, embedder=MiniLM(), chain=steps, ledger=ledger)
    rag.ingest(documents)
    answers = {question: rag.ask(question) for question in gold}
    right = [
        holds(answer.text, gold[question])
        if gold[question] and answer.outcome == "answered"
        else not gold[question] and answer.outcome != "answered"
        for question, answer in answers.items()
    ]
    given_out = [was for was, answer in zip(right, answers.values(), strict=True) if answer.outcome == "answered"]
    return {
        "right": round(mean(right), 3),
        "answered": len(given_out),
        "right of those answered": round(mean(given_out), 3) if given_out else None,
        "asked big": sum(any(each.model == BIG for each in answer.attempts) for answer in answers.values()),
        "asked no model": sum(all(each.model is None for each in answer.attempts) for answer in answers.values()),
        "usd a thousand": round(1000 * mean(float(answer.cost) for answer in answers.values()), 4),
    }


def _played(model: str, gold: Mapping[str, tuple[str, ...]]) -> ChatModel:
    return ChatModel(reply=partial(_said, model=model, gold=gold), tokenizer=Tokenizer(1.3 if model == CHAT else 1.5))


def _said(message: str, model: str, gold: Mapping[str, tuple[str, ...]]) -> str:
    """Right so often as the model is, by a lot that is the same whenever it is asked the question."""
    sources, _, question = message.rpartition("Question:")
    question = question.strip().partition("\n")[0]
    answers = gold.get(question, ())
    wrong = extract(message)
    if random.Random(zlib.crc32(f"{model} {question}".encode())).random() >= RIGHT[model]:
        while answers and holds(wrong, answers):
            message = message.replace(wrong.rpartition(" [")[0], "")
            wrong = extract(message)
        return wrong
    for block in _BLOCK.split(sources):
        if number := _NUMBER.match(block):
            for start, end in split_sentences(text := block[number.end() :]):
                if answers and holds(text[start:end], answers):
                    return f"{text[start:end].strip().rpartition(chr(10))[2]} [{number[1]}]"
    return REFUSAL


def _fault(rag: RAG, ledger: MemoryLedger, operation: str) -> Row:
    try:
        answer, seconds = _timed(rag, operation)
    except Exception as error:  # noqa: BLE001  # that none comes is what is measured
        return {
            "outcome": f"raised {type(error).__name__}",
            "reason": "",
            "wrong": False,
            "adds_up": False,
            "late": 0.0,
        }
    (row,) = [ask for ask in ledger.asks if ask.prompt_id == answer.prompt_id]
    own = sum(call.cost for call in ledger.calls if call.prompt_id == answer.prompt_id)
    return {
        "outcome": answer.outcome,
        "reason": row.reason,
        "wrong": answer.outcome == "answered" and "9:11" not in answer.text,
        "adds_up": answer.cost == own,
        "late": max(0.0, seconds - _DEADLINE),
        "usd": f"{answer.cost:f}",
    }


def _timed(rag: RAG, operation: str) -> tuple[Answer, float]:
    """An ask in words of its own, so that its vector is not remembered, and its seconds."""
    question = f"At what hour is the heron fed, visitor {next(_VISITORS)} asks?"
    began = time.perf_counter()
    if operation == "ConverseStream":
        answer = rag.ask(question, deadline=_DEADLINE, stream=True).answer
    else:
        answer = rag.ask(question, deadline=_DEADLINE)
    return answer, time.perf_counter() - began


@contextmanager
def _titan_space(databases: database.Databases, server: BedrockServer) -> Iterator[str]:
    with closing(BedrockClient(REGION, endpoint_url=server.url)) as client:
        space = TitanEmbedder(**given(client, MemoryLedger())).space
    with databases.fresh(space) as dsn:
        with _opened(dsn, server, MemoryLedger()) as rag:
            passages = (f"The {animal} is fed at 9:1{n} by its keeper." for n, animal in enumerate(_ANIMALS))
            rag.ingest([Document(animal, passage) for animal, passage in zip(_ANIMALS, passages, strict=True)])
        yield dsn


def _client(server: BedrockServer) -> BedrockClient:
    """One whose breaker stays closed: each fault is met anew."""
    never = BreakerPolicy(in_a_row=10_000, window=10_000)
    return BedrockClient(REGION, endpoint_url=server.url, retry=_RETRY, breaker=never)


@contextmanager
def _opened(dsn: str, server: BedrockServer, ledger: MemoryLedger) -> Iterator[RAG]:
    with ExitStack() as open_:
        client = open_.enter_context(closing(_client(server)))
        store = open_.enter_context(closing(Database(dsn)))
        pieces: dict[str, Any] = given(client, ledger)
        yield open_.enter_context(
            RAG(
                store,
                embedder=TitanEmbedder(**pieces),
                chain=Chain(
                    [
                        Search(accept=_yes),
                        *(Step(ConverseGenerator(model, **pieces), accept=_yes) for model in (CHAT, SECOND)),
                    ]
                ),
                reranker=BedrockReranker(RERANKER, **pieces),
                guards=[BedrockGuardrail(GUARDRAIL, "1", **pieces)],
                ledger=ledger,
                clarify=False,
            )
        )


if __name__ == "__main__":
    main()
