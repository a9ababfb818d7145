"""Embedders, generators and rerankers by name, such as ``bedrock:us.amazon.nova-lite-v1:0``: exact ids, no patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragdiet.errors import InvalidArgument, UnknownModel
from ragdiet.generate import SMOLLM2, ExtractiveReader, LlamaGenerator

if TYPE_CHECKING:
    from ragdiet.account import Calibration, Ledger, PriceBook
    from ragdiet.bedrock import BedrockClient
    from ragdiet.protocols import Embedder, Generator, Reranker


class Named:
    """Embedders, generators and rerankers by name: ``provider:exact id``. Those of Bedrock share one client, and
    ``calibration`` where it is set."""

    def __init__(self, region: str | None, prices: PriceBook | None) -> None:
        self._region = region
        self._prices = prices
        self.calibration: Calibration | None = None
        self.clients: list[BedrockClient] = []

    def embedder(self, name: str, ledger: Ledger) -> Embedder:
        provider, _, model = name.partition(":")
        if name == "local:minilm":
            from ragdiet.embed import MiniLM

            return MiniLM()
        if provider == "bedrock":
            from ragdiet.embed import bedrock_embedder

            return bedrock_embedder(model)(model, **self._bedrock(name, ledger), calibration=self.calibration)
        raise UnknownModel(f"no embedder {name!r}: give 'local:minilm' or 'bedrock:amazon.titan-embed-text-v2:0'")

    def generator(self, name: str, ledger: Ledger) -> Generator:
        provider, _, model = name.partition(":")
        if name == ExtractiveReader.model:
            return ExtractiveReader()
        if name == SMOLLM2:
            return LlamaGenerator.smollm2()
        if provider == "bedrock":
            from ragdiet.generate import ConverseGenerator

            return ConverseGenerator(model, **self._bedrock(name, ledger), calibration=self.calibration)
        raise UnknownModel(
            f"no model {name!r}: give 'local:extractive', {SMOLLM2!r}, or 'bedrock:' and an exact model id"
        )

    def reranker(self, name: str, ledger: Ledger) -> Reranker:
        provider, _, model = name.partition(":")
        if provider == "bedrock":
            from ragdiet.retrieve import BedrockReranker

            return BedrockReranker(model, **self._bedrock(name, ledger))
        raise UnknownModel(f"no reranker {name!r}: give 'bedrock:amazon.rerank-v1:0' or an object with rerank(...)")

    @property
    def prices(self) -> PriceBook:
        from ragdiet.account import PriceBook

        return self._prices or PriceBook.default()

    def _bedrock(self, name: str, ledger: Ledger) -> dict[str, Any]:
        from ragdiet.bedrock import BedrockClient

        if not self._region:
            raise InvalidArgument(f"{name} needs the AWS region that serves it, such as region='us-east-1'")
        if not self.clients:
            self.clients.append(BedrockClient(self._region))
        return {
            "region": self._region,
            "ledger": ledger,
            "prices": self.prices,
            "client": self.clients[0],
        }
