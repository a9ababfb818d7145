"""The chain: what it saves at which accuracy, and what becomes of an ask while one of its steps fails.

    python -m benchmarks.chain --data FOLDER [--database local] [--out chain.json]

- chain: questions of SQuAD 2, half of them without an answer, and two models of known accuracy at Bedrock's prices
  (benchmarks/chain_money): always the small one, always the big one, the default chain, and chains whose thresholds are
  chosen on one half of the questions and reported on the other. An ask is right that gives the answer, or declines
  where there is none; why the big model was asked is told by the kind of the small one's reply.
- checks: what Bedrock's contextual grounding and its reranker save, asked in doubt, by how well they judge
  (benchmarks/chain_checks).
- faults: each fault of Bedrock and of the wires at each step, for the whole of an ask with a deadline: the outcome, the
  reason, whether its price is the sum of its rows, and the seconds beyond the deadline.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import database
from benchmarks.bedrock_pieces import CHAT, GUARDRAIL, REGION, RERANKER, credentials, given, stand_in
from benchmarks.chain_checks import checks
from benchmarks.chain_money import chain
from benchmarks.datasets import data_folder
from benchmarks.machine import machine
from benchmarks.report import Row, shown
from ragdiet import RAG, Answer, Chain, Document, Search, Step
from ragdiet.account import MemoryLedger
from ragdiet.bedrock import BedrockClient, BreakerPolicy, RetryPolicy
from ragdiet.embed import TitanEmbedder
from ragdiet.generate import ConverseGenerator
from ragdiet.guard import BedrockGuardrail
from ragdiet.retrieve import BedrockReranker
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, Fault
from ragdiet.testing.bedrock.named_faults import faults_of

SECOND = "us.amazon.nova-pro-v1:0"
_DEADLINE = 2.0
_RETRY = RetryPolicy(attempts=3, base_delay=0.05, max_delay=0.5, deadline=10.0)
_HANGS = {"no first byte for a minute": Fault(delay=60.0), "stalls for a minute": Fault(stall=60.0)}
_VISITORS = count(1)
_ANIMALS = "fox heron badger owl otter lynx".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    database.add_argument(parser)
    arguments = parser.parse_args()
    folder, where = data_folder(arguments.data), arguments.database
    summary = {"chain": chain(folder, where), "checks": checks(folder, where), "faults": faults(where)}
    for name, section in summary.items():
        print(f"\n{name}", shown(section), sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


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
