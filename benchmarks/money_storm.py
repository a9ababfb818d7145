"""Thousands of asks while a fifth of all requests fails, and asker and database are killed: whether the ledger holds.

The stand-in for Bedrock lives in a process of its own, so that its bill survives. Afterwards every request on it is
held against a row of the ledger, ask by ask in their order: `python -m benchmarks.money_storm`.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
from tests.clusters import Server, clusters

from benchmarks.bedrock_faults import charged
from benchmarks.bedrock_pieces import REGION, credentials, given, stand_in
from benchmarks.machine import machine
from benchmarks.money_asker import fill
from benchmarks.report import Row, shown
from ragdiet.account import MemoryLedger, PostgresLedger
from ragdiet.bedrock import BedrockClient
from ragdiet.embed import TitanEmbedder
from ragdiet.store import Database, migrate
from ragdiet.testing.bedrock import Served
from ragdiet.testing.bedrock.named_faults import faults_of

RATE = 0.2
THREADS = 32
DOWN = 4.0
"""Seconds for which a killed database stays away: longer than the ledger waits for it."""

_TICKET = re.compile(r"Ticket (t\d+r\d+)")
_LOOK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row of the ledger."""

    prompt_id: str
    status: str
    cost: Decimal
    error: str


def storm(
    asks: int = 10_000, *, process_kills: int = 5, database_kills: int = 2, threads: int = THREADS, seed: int = 1
) -> Row:
    """What ledger and bill say of each other. The kills are spread over the asks; where both are killed, the asker of
    one in three dies while its database is away."""
    with (
        tempfile.TemporaryDirectory() as folder,
        stand_in(process=True) as server,
        credentials(server),
        closing(BedrockClient(REGION, endpoint_url=server.url, read_timeout=30.0)) as client,
        clusters(lambda dsn: migrate(dsn, TitanEmbedder(**given(client, MemoryLedger())).space)) as made,
    ):
        database = made.primary(settings="fsync = on\nmax_connections = 60")
        fill(database.dsn, client)
        server.reset()
        for operation in ("Converse", "ConverseStream", "InvokeModel"):
            server.at_random(RATE, *faults_of(operation).values(), seed=seed, operation=operation)
        askers = Askers(Path(folder), database, server.url, threads, asks)
        began = time.perf_counter()
        askers.run_through(_events(process_kills, database_kills))
        seconds = time.perf_counter() - began
        with closing(Database(database.dsn)) as store, closing(PostgresLedger(store, spool=askers.spool)) as ledger:
            ledger.flush()
            abandoned = ledger.sweep(older_than=timedelta(microseconds=1))
        found = {
            "asks": asks,
            "threads": threads,
            "processes_killed": process_kills,
            "databases_killed": database_kills,
            "seconds": round(seconds, 1),
            "rows_that_waited_on_disk": askers.spooled,
            "abandoned_calls": abandoned,
            "left_in_spool": len([*askers.spool.glob("*")]),
        }
        return found | books(_kept(database.dsn), server.calls) | _answers(database.dsn, askers.said())


class Askers:
    """One process of `money_asker` after the other, each going on where the last one died."""

    def __init__(self, folder: Path, database: Server, endpoint: str, threads: int, asks: int) -> None:
        self.spool = folder / "spool"
        self.spooled = 0
        self._log = folder / "log"
        self._log.touch()
        self._database = database
        self._endpoint = endpoint
        self._threads = threads
        self._asks = asks
        self._run = 0
        self._process: subprocess.Popen[bytes] | None = None

    def run_through(self, events: Sequence[str]) -> None:
        """Ask everything, with ``events`` spread over it."""
        self._start()
        for number, event in enumerate(events, 1):
            self._wait(lambda number=number: len(self.said()) >= self._asks * number / (len(events) + 1))
            if event == "process":
                self._kill()
                self._start()
                continue
            self._database.kill()
            time.sleep(DOWN)
            self._look_at_spool()
            if event == "both":
                self._kill()
            self._database.start()
            if event == "both":
                self._start()
        assert self._process
        if self._process.wait():
            raise RuntimeError("the asker failed: see its traceback")

    def said(self) -> list[Mapping[str, str]]:
        """What the askers have logged."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._process and self._process.poll() is not None:
                raise RuntimeError("the asker ended by itself: see its traceback")
            time.sleep(_LOOK)

    def _start(self) -> None:
        answered = {int(line["prompt_id"][1:].split("r")[0]) for line in self.said()}
        self._run += 1
        given = {
            "dsn": self._database.dsn,
            "endpoint": self._endpoint,
            "spool": self.spool,
            "log": self._log,
            "run": self._run,
            "threads": self._threads,
        }
        command = [sys.executable, "-m", "benchmarks.money_asker"]
        for name, value in given.items():
            command += [f"--{name}", str(value)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert self._process.stdin
        left = [number for number in range(self._asks) if number not in answered]
        self._process.stdin.write(" ".join(map(str, left)).encode())
        self._process.stdin.close()

    def _kill(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _look_at_spool(self) -> None:
        self.spooled += sum(path.read_bytes().count(b"\n") for path in self.spool.glob("*.jsonl"))


def books(rows: Sequence[Kept], served: Sequence[Served]) -> Row:
    """Rows held against requests, ask by ask in their order.

    A row without a request is accounted for only as ``unknown``: the process died before the request was out. A request
    without a row is lost; a row too many, or a settled one without a request, is one too many.
    """
    own: dict[str, list[Kept]] = defaultdict(list)
    sent: dict[str, list[Served]] = defaultdict(list)
    for row in rows:
        own[row.prompt_id].append(row)
    for request in sorted(served, key=lambda one: one.at):
        sent[ticket_of(request)].append(request)
    lost = double = differing = 0
    settled = billed = Decimal(0)
    for prompt_id in own.keys() | sent.keys():
        calls, requests = own[prompt_id], sent[prompt_id]
        if len(calls) == len(requests) + 1 and calls[-1].status == "unknown":
            calls = calls[:-1]
        lost += max(0, len(requests) - len(calls))
        double += max(0, len(calls) - len(requests))
        for call, request in zip(calls, requests, strict=False):
            cost = charged(request)
            if call.status == "done":
                settled, billed = settled + call.cost, billed + cost
            differing += call.cost != cost if call.status in ("done", "failed") else call.cost < cost
    statuses = Counter(row.status for row in rows)
    return {
        "requests": len(served),
        "rows": [{"status": name, "rows": count} for name, count in sorted(statuses.items())],
        "lost_rows": lost,
        "double_rows": double,
        "rows_that_differ_from_their_request": differing,
        "settled_usd": f"{settled:f}",
        "billed_for_them_usd": f"{billed:f}",
        "difference_usd": f"{billed - settled:f}",
        "unknown_usd_at_most": f"{sum((row.cost for row in rows if row.status == 'unknown'), Decimal(0)):f}",
        "bill_usd": f"{sum(map(charged, served), Decimal(0)):f}",
    }


def ticket_of(request: Served) -> str:
    """The ask that a request to the stand-in belongs to."""
    found = _TICKET.search(json.dumps(request.request))
    assert found, request
    return found[1]


def _kept(dsn: str) -> list[Kept]:
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT prompt_id, status, cost, error FROM ragdiet.call WHERE price <> 'local: free' "
            "ORDER BY started_at, call_id"
        )
        return [Kept(prompt_id=row[0], status=row[1], cost=row[2], error=row[3]) for row in found]


def _answers(dsn: str, said: Sequence[Mapping[str, str]]) -> Row:
    """What the askers gave out, held against the rows of the asks and the sums of their calls."""
    with psycopg.connect(dsn) as connection:
        asks = dict(connection.execute("SELECT prompt_id, cost FROM ragdiet.ask").fetchall())
        sums = dict(connection.execute("SELECT prompt_id, sum(cost) FROM ragdiet.call GROUP BY 1").fetchall())
    given = {line["prompt_id"]: Decimal(line["cost"]) for line in said if "cost" in line}
    return {
        "outcomes": [
            {"outcome": name, "asks": count} for name, count in Counter(line["outcome"] for line in said).most_common()
        ],
        "answers": len(given),
        "answers_without_a_row": len(given.keys() - asks.keys()),
        "answers_whose_cost_is_not_their_rows": sum(
            not (cost == asks.get(prompt_id) == sums.get(prompt_id)) for prompt_id, cost in given.items()
        ),
    }


def _events(process_kills: int, database_kills: int) -> list[str]:
    """Kills in turn; one in both is of a process whose database is away."""
    events = ["process"] * process_kills
    for number in range(database_kills):
        at = (number + 1) * len(events) // (database_kills + 1)
        if number and process_kills:
            events[at] = "both"
        else:
            events.insert(at, "database")
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="not used: the documents are made here")
    parser.add_argument("--asks", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    summary = storm(arguments.asks)
    print(shown(summary))
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


if __name__ == "__main__":
    main()
