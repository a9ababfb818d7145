"""Calls Converse over and over through one client library, in a process of its own.

    python -m benchmarks.bedrock_calls CONTESTANT URL MODEL      (by `bedrock_speed`, in the contestant's Python)

Reads how many calls and how many of them at a time a line, and prints a line of JSON with the seconds that they took
and those of this process's own CPU. Each contestant asks the same short question; ragdiet writes a ledger row a call,
in memory, as none of the others do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat
from typing import Any, TypeAlias

REGION = "us-east-1"
QUESTION = "How long is the notice period for permanent staff?"
PASSAGE = "The notice period for permanent staff is three months. It is one month during probation."
MOST_TOKENS = 100
MOST_CLIENTS = 64

Run: TypeAlias = Callable[[int, int], None]
"""Makes so many calls, so many at a time; raises where one of them fails."""


def boto3_threads(url: str, model: str) -> Run:
    import boto3
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=MOST_CLIENTS)
    client: Any = boto3.client("bedrock-runtime", region_name=REGION, endpoint_url=url, config=config)
    request = _request()

    def once() -> None:
        reply = client.converse(modelId=model, **request)
        assert reply["usage"]["inputTokens"]

    return _threaded(once)


def ragdiet(url: str, model: str) -> Run:
    from ragdiet.account import MemoryLedger, PriceBook
    from ragdiet.bedrock import BedrockClient
    from ragdiet.diet import SentenceDiet
    from ragdiet.generate import ConverseGenerator
    from ragdiet.types import Prompt

    generator = ConverseGenerator(
        model,
        region=REGION,
        ledger=MemoryLedger(),
        prices=PriceBook.default(),
        client=BedrockClient(REGION, endpoint_url=url, max_connections=MOST_CLIENTS),
    )
    context = SentenceDiet().compress(QUESTION, [PASSAGE], budget=200)
    prompt = Prompt(system=_SYSTEM, question=QUESTION, context=context, max_tokens=MOST_TOKENS)

    def once() -> None:
        assert generator.generate(prompt).usage.input_tokens

    return _threaded(once)


def aiobotocore(url: str, model: str) -> Run:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    request = _request()

    async def all_of(calls: int, clients: int) -> None:
        config = AioConfig(retries={"total_max_attempts": 1}, max_pool_connections=MOST_CLIENTS)
        async with get_session().create_client(
            "bedrock-runtime", region_name=REGION, endpoint_url=url, config=config
        ) as client:

            async def once() -> None:
                reply = await client.converse(modelId=model, **request)
                assert reply["usage"]["inputTokens"]

            await _side_by_side(once, calls, clients)

    return lambda calls, clients: asyncio.run(all_of(calls, clients))


def litellm(url: str, model: str) -> Run:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network while it is imported
    import litellm as library

    library.suppress_debug_info = True

    async def once() -> None:
        reply = await library.acompletion(
            model=f"bedrock/converse/{model}",
            messages=[
                {"role": "system", "content": _SYSTEM},
                {"role": "user", "content": f"{PASSAGE}\n\n{QUESTION}"},
            ],
            max_tokens=MOST_TOKENS,
            temperature=0.0,
            num_retries=0,
            aws_region_name=REGION,
            aws_bedrock_runtime_endpoint=url,
        )
        assert reply.usage.prompt_tokens

    return lambda calls, clients: asyncio.run(_side_by_side(once, calls, clients))


CONTESTANTS: dict[str, Callable[[str, str], Run]] = {
    "boto3_threads": boto3_threads,
    "ragdiet": ragdiet,
    "aiobotocore": aiobotocore,
    "litellm": litellm,
}

_SYSTEM = "Answer from the passages alone and cite them."


def _request() -> dict[str, Any]:
    return {
        "system": [{"text": _SYSTEM}],
        "messages": [{"role": "user", "content": [{"text": f"{PASSAGE}\n\n{QUESTION}"}]}],
        "inferenceConfig": {"maxTokens": MOST_TOKENS, "temperature": 0.0},
    }


def _threaded(once: Callable[[], None]) -> Run:
    def run(calls: int, clients: int) -> None:
        left = iter(range(calls))
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                once()

        with ThreadPoolExecutor(clients) as pool:
            for finished in [pool.submit(work) for _ in range(clients)]:
                finished.result()

    return run


async def _side_by_side(once: Callable[[], Any], calls: int, clients: int) -> None:
    left: Iterator[None] = islice(repeat(None), calls)

    async def work() -> None:
        for _ in left:
            await once()

    await asyncio.gather(*(work() for _ in range(clients)))


def main() -> None:
    contestant, url, model = sys.argv[1:]
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints
    run = CONTESTANTS[contestant](url, model)
    for line in sys.stdin:
        calls, clients = map(int, line.split())
        began, cpu = time.perf_counter(), time.process_time()
        run(calls, clients)
        taken = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps(taken), file=replies, flush=True)


if __name__ == "__main__":
    main()
