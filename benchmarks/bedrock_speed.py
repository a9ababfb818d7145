"""Calls a second beside bare boto3 with threads, aiobotocore and litellm; the first token; what an ask adds.

The stand-in and each contestant have a process of their own, and share the machine's cores. Contestants are asked in
turn, round after round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks.bedrock_calls import CONTESTANTS, MOST_TOKENS
from benchmarks.bedrock_pieces import CHAT, REGION, credentials, given, prompt, stand_in
from benchmarks.report import Row
from benchmarks.timing import in_turn, percentiles, question_by_question
from ragdiet.account import MemoryLedger
from ragdiet.bedrock import BedrockClient
from ragdiet.generate import ConverseGenerator
from ragdiet.testing.bedrock import BedrockServer

CLIENTS = (16, 64)
GOAL = 0.9
"""Calls a second over those of bare boto3 with threads."""

_ROOT = Path(__file__).parents[1]
_PEERS = ("aiobotocore", "litellm")


def measure(calls: int, rounds: int, peers: str | None) -> Row:
    """``peers`` is a Python that has aiobotocore and litellm, or None."""
    with stand_in(process=True, keep_requests=False) as server, credentials(server):
        return {
            "throughput": _throughput(server, calls, rounds, peers),
            "first_token": _first_token(server, rounds),
        }


def _throughput(server: BedrockServer, calls: int, rounds: int, peers: str | None) -> list[Row]:
    pythons = {name: peers if name in _PEERS else sys.executable for name in CONTESTANTS}
    rows: list[Row] = []
    with ExitStack() as running:
        children = {
            name: running.enter_context(_child(python, name, server.url)) for name, python in pythons.items() if python
        }
        for clients in CLIENTS:
            for child in children.values():
                child(clients * 4, clients)  # connections are open, and code is read, before the clock starts
            cpu: dict[str, list[float]] = {name: [] for name in children}
            contestants = {name: _timed(child, calls, clients, cpu[name]) for name, child in children.items()}
            seconds = in_turn(contestants, rounds)
            bare = median(seconds["boto3_threads"])
            rows += [
                {
                    "clients": clients,
                    "contestant": name,
                    "calls_a_second": round(calls / median(taken)),
                    "over_boto3_threads": round(bare / median(taken), 3),
                    "cpu_ms_a_call": round(1000 * median(cpu[name]) / calls, 2),
                    "seconds": [round(one, 3) for one in taken],
                }
                for name, taken in seconds.items()
            ]
    return rows


def _timed(
    child: Callable[[int, int], Mapping[str, float]], calls: int, clients: int, cpu: list[float]
) -> Callable[[], float]:
    def run() -> float:
        taken = child(calls, clients)
        cpu.append(taken["cpu_seconds"])
        return taken["seconds"]

    return run


@contextmanager
def _child(python: str, contestant: str, url: str) -> Iterator[Callable[[int, int], Mapping[str, float]]]:
    path = os.pathsep.join([str(_ROOT), *sys.path]) if python == sys.executable else str(_ROOT)
    with subprocess.Popen(
        [python, "-m", "benchmarks.bedrock_calls", contestant, url, CHAT],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(calls: int, clients: int) -> Mapping[str, float]:
            assert process.stdin
            assert process.stdout
            if process.poll() is None:
                process.stdin.write(f"{calls} {clients}\n")
                process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{contestant} failed in {python}; what it wrote is above")
            return dict(json.loads(line))

        yield run


def _first_token(server: BedrockServer, rounds: int) -> Row:
    """Milliseconds to the first text of a stream, by ragdiet and by bare boto3, question by question."""
    client = BedrockClient(REGION, endpoint_url=server.url)
    generator = ConverseGenerator(CHAT, **given(client, MemoryLedger()))
    runtime = client.service("bedrock-runtime")

    def ours(n: int) -> float:
        began = time.perf_counter()
        stream = generator.stream(prompts[n])
        pieces = iter(stream)  # letting go of it leaves the stream, which is not what is timed
        next(pieces)
        seconds = time.perf_counter() - began
        stream.close()
        return seconds

    def bare(n: int) -> float:
        request = {
            "messages": [{"role": "user", "content": [{"text": f"{prompts[n].context.text}\n{prompts[n].question}"}]}],
            "inferenceConfig": {"maxTokens": MOST_TOKENS},
        }
        began = time.perf_counter()
        events = iter(runtime.converse_stream(modelId=CHAT, **request)["stream"])
        next(event for event in events if "contentBlockDelta" in event)
        seconds = time.perf_counter() - began
        for _ in events:  # the connection goes back to the pool when its stream is read to the end
            pass
        return seconds

    prompts = [prompt(n) for n in range(100)]
    taken = question_by_question({"ragdiet": ours, "boto3": bare}, range(len(prompts)), rounds)
    client.close()
    times = {name: percentiles(seconds) for name, seconds in taken.items()}
    return {
        "added_p50_ms": round(times["ragdiet"]["p50_ms"] - times["boto3"]["p50_ms"], 2),
        "times": [{"contestant": name, **one} for name, one in times.items()],
    }
