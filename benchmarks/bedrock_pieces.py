"""The pieces of ragdiet that call Bedrock, made for a stand-in, each with questions whose answers are known."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragdiet.account import Ledger, MemoryLedger, PriceBook, PriceRow
from ragdiet.bedrock import BedrockClient
from ragdiet.diet import SentenceDiet
from ragdiet.embed import bedrock_embedder
from ragdiet.generate import ConverseGenerator
from ragdiet.guard import BedrockGuardrail
from ragdiet.retrieve import BedrockReranker
from ragdiet.testing.bedrock import BedrockServer, Guardrail, Rates
from ragdiet.types import Generation, Hit, Prompt

REGION = "us-east-1"
CHAT = "us.amazon.nova-lite-v1:0"
EMBEDDERS = (
    "amazon.titan-embed-text-v2:0",
    "cohere.embed-english-v3",
    "cohere.embed-v4:0",
    "amazon.nova-2-multimodal-embeddings-v1:0",
)
RERANKER = "cohere.rerank-v3-5:0"
GUARDRAIL = "bench1"
_ITEM = re.compile(r"code of item (\d+)")
_POLICIES = {
    "topicPolicyUnits": Decimal("0.15"),
    "wordPolicyUnits": Decimal(0),
    "contextualGroundingPolicyUnits": Decimal("0.10"),
}

Asked: TypeAlias = Callable[[int], str]
"""Calls the operation for item n: "right" where the answer is that item's, "wrong" where it is another, or what a
model said in place of an answer, such as "guardrail_intervened"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``name`` is botocore's. ``made`` takes a client and a ledger."""

    name: str
    model: str
    made: Callable[[BedrockClient, MemoryLedger], Asked]


def stand_in(*, guardrails: Mapping[str, Guardrail] | None = None, **given: Any) -> BedrockServer:
    """A server whose bill is reckoned by the rates of the packaged price table, with arithmetic of its own."""
    return BedrockServer(
        region=REGION,
        rates={row.model: _rates(row) for row in PriceBook.default().rows if row.region in ("", REGION)},
        policy_rates=_POLICIES,
        guardrails=guardrails or {GUARDRAIL: Guardrail(topics={"Finance": ("stock tip",)})},
        **given,
    )


@contextmanager
def credentials(server: BedrockServer) -> Iterator[None]:
    """The stand-in's keys in the environment, and no others of AWS."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(server.environment)
    try:
        yield
    finally:
        for name in server.environment:
            del os.environ[name]
        os.environ.update(before)


def operations(client: BedrockClient, items: Sequence[int]) -> tuple[Operation, ...]:
    """One of each operation, to be asked for ``items``. Embeds each with ``client``, while nothing goes wrong yet."""
    return (
        Operation(name="Converse", model=CHAT, made=_converse),
        Operation(name="ConverseStream", model=CHAT, made=_stream),
        *(Operation(name="InvokeModel", model=model, made=_embedding(model, client, items)) for model in EMBEDDERS),
        Operation(name="Rerank", model=RERANKER, made=_reranking),
        Operation(name="ApplyGuardrail", model=GUARDRAIL, made=_guarding),
    )


def question(n: int) -> str:
    return f"What is the code of item {n}?"


def code(n: int) -> str:
    return f"K{n * 7919 + 11}"


def passage(n: int) -> str:
    return f"The code of item {n} is {code(n)}."


def prompt(n: int) -> Prompt:
    context = SentenceDiet().compress(question(n), [passage(n), "Codes are printed on labels."], budget=200)
    return Prompt(system="Answer from the sources.", question=question(n), context=context, max_tokens=60)


def given(client: BedrockClient, ledger: Ledger) -> dict[str, Any]:
    """What every piece of Bedrock takes."""
    return {"region": REGION, "ledger": ledger, "prices": PriceBook.default(), "client": client}


def _converse(client: BedrockClient, ledger: MemoryLedger) -> Asked:
    generator = ConverseGenerator(CHAT, **given(client, ledger))
    return lambda n: _said(generator.generate(prompt(n)), n)


def _stream(client: BedrockClient, ledger: MemoryLedger) -> Asked:
    generator = ConverseGenerator(CHAT, **given(client, ledger))

    def asked(n: int) -> str:
        stream = generator.stream(prompt(n))
        text = "".join(stream)
        return _said(stream.generation, n) if text == stream.generation.text else "wrong"

    return asked


def _said(generation: Generation, n: int) -> str:
    if code(n) in generation.text:
        return "right"
    if generation.stop_reason not in ("end_turn", "max_tokens", "stop_sequence"):
        return generation.stop_reason
    return "wrong" if generation.text.strip() else "empty"


def item_of(request: Mapping[str, Any]) -> int:
    """The item that a request to the stand-in is about."""
    found = _ITEM.search(json.dumps(request.get("queries") or request))
    assert found, request
    return int(found[1])


def _embedding(
    model: str, plain: BedrockClient, items: Sequence[int]
) -> Callable[[BedrockClient, MemoryLedger], Asked]:
    texts = [passage(n) for n in items]
    found = bedrock_embedder(model)(model, **given(plain, MemoryLedger())).embed(texts, kind="document").vectors
    known = dict(zip(items, found, strict=True))

    def made(client: BedrockClient, ledger: MemoryLedger) -> Asked:
        embedder = bedrock_embedder(model)(model, **given(client, ledger))

        def asked(n: int) -> str:
            found: NDArray[np.float32] = embedder.embed([passage(n)], kind="document").vectors
            return "right" if np.allclose(found[0], known[n], atol=1e-5) else "wrong"

        return asked

    return made


def _reranking(client: BedrockClient, ledger: MemoryLedger) -> Asked:
    reranker = BedrockReranker(RERANKER, **given(client, ledger))

    def asked(n: int) -> str:
        hits = [_hit(number) for number in (n + 1, n, n + 2)]
        return "right" if reranker.rerank(question(n), hits, k=3)[0].chunk_id == n else "wrong"

    return asked


def _guarding(client: BedrockClient, ledger: MemoryLedger) -> Asked:
    guardrail = BedrockGuardrail(GUARDRAIL, "1", **given(client, ledger))
    return lambda n: "right" if guardrail.check_input(question(n)).action == "allow" else "wrong"


def _hit(n: int) -> Hit:
    return Hit(chunk_id=n, document_id=str(n), text=passage(n), score=0.0)


def _rates(row: PriceRow) -> Rates:
    return Rates(
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write_5m=row.cache_write_5m,
        cache_write_1h=row.cache_write_1h,
        per_1000_units=row.per_1000_units,
        tiers=row.tiers,
    )
