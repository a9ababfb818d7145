"""Hits in the order of a reranking model on Bedrock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from ragdiet.account import Ledger, PriceBook, metered
from ragdiet.bedrock import BedrockClient, estimated_tokens, halves
from ragdiet.errors import BadReply, InvalidArgument, UnknownModel
from ragdiet.observe import current, tracing
from ragdiet.tokens import default_counter
from ragdiet.types import Hit, Usage

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter

MODELS = ("amazon.rerank-v1:0", "cohere.rerank-v3-5:0")
MOST_SOURCES = 1_000
MOST_CHARACTERS = 32_000

# AWS's price page: one query covers up to 100 documents, and question and document together, where they are longer
# than 512 tokens, count as several.
_DOCUMENTS_A_QUERY = 100
_TOKENS_A_DOCUMENT = 512


class BedrockReranker:
    """A model that reads question and passage together: ``amazon.rerank-v1:0`` or ``cohere.rerank-v3-5:0``.

    A hit is read with its title. One of more than 32,000 characters is read in parts, and scored as its best part.
    A query is billed for each 100 documents begun, of 512 tokens each; the reply holds no usage, so that the ledger
    says "estimated" where our count leaves open how many queries there were, and holds the greater number.
    """

    def __init__(
        self,
        model: str = MODELS[0],
        *,
        region: str,
        ledger: Ledger,
        prices: PriceBook,
        client: BedrockClient | None = None,
        counter: TokenCounter | None = None,
    ) -> None:
        if model not in MODELS:
            raise UnknownModel(f"BedrockReranker speaks to {', '.join(MODELS)}, not to {model!r}. Name one exactly.")
        if client is not None and client.region != region:
            raise InvalidArgument(f"the client is of the region {client.region}, the reranker of {region}: name one")
        self.name = self.model = model
        self.ledger = ledger
        self._region = region
        self._arn = model_arn(model, region)
        self._price = prices.price(model, region)
        self._client = client or BedrockClient(region)
        self._counter = counter or default_counter()

    def most(self, hits: int) -> Decimal:
        """What ordering so many hits may cost, USD, where each is of one part and 512 tokens at most."""
        return self._price.cost(Usage(units=math.ceil(hits / _DOCUMENTS_A_QUERY)))

    def rerank(self, question: str, hits: Sequence[Hit], *, k: int) -> Sequence[Hit]:
        """The best ``k``, with the model's relevance as their score, in [0, 1]."""
        owners, texts = [], []
        for place, hit in enumerate(hits):
            for part in _parts(f"{hit.title}\n{hit.text}" if hit.title else hit.text):
                owners.append(place)
                texts.append(part)
        wanted = k if len(texts) == len(hits) <= MOST_SOURCES else MOST_SOURCES
        best: dict[int, float] = {}
        with tracing(current()):  # one prompt_id for all requests, also outside of an ask
            for first in range(0, len(texts), MOST_SOURCES):
                for index, score in self._scores(question, texts[first : first + MOST_SOURCES], wanted):
                    place = owners[first + index]
                    best[place] = max(score, best.get(place, score))
        order = sorted(best, key=lambda place: (-best[place], place))
        return [replace(hits[place], score=best[place]) for place in order[:k]]

    def _scores(self, question: str, texts: Sequence[str], wanted: int) -> list[tuple[int, float]]:
        wanted = min(wanted, len(texts))
        request = {
            "queries": [{"type": "TEXT", "textQuery": {"text": question}}],
            "sources": [
                {
                    "type": "INLINE",
                    "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text}},
                }
                for text in texts
            ],
            "rerankingConfiguration": {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {
                    "modelConfiguration": {"modelArn": self._arn},
                    "numberOfResults": wanted,
                },
            },
        }
        asked, *counted = self._counter.count_batch([question, *texts])
        fewest = _queries(asked + own for own in counted)
        most = _queries(estimated_tokens(asked + own) for own in counted)
        found: list[tuple[int, float]] = []
        token: str | None = None
        while len(found) < wanted:
            page = request if token is None else {**request, "nextToken": token}
            attempt = partial(self._try, page, fewest, most)
            reply = self._client.run(self.model, attempt, tokens=asked + sum(counted))
            found += self._read(reply, len(texts))
            token = reply.get("nextToken")
            if not token:
                break
        if len({index for index, _ in found}) < len(found):
            raise self._bad("scored a source twice")
        return found

    def _try(self, request: Mapping[str, Any], fewest: int, most: int) -> Mapping[str, Any]:
        with metered(
            self.ledger,
            stage="rerank",
            model=self.model,
            price=self._price,
            worst=Usage(units=most),
            region=self._region,
        ) as call:
            reply = self._client.call("bedrock-agent-runtime", "rerank", request, model=self.model)
            call.settle(Usage(units=most), price=self._price if fewest == most else self._price.noted("estimated"))
            return reply

    def _read(self, reply: Mapping[str, Any], sources: int) -> list[tuple[int, float]]:
        found = []
        for result in reply.get("results") or ():
            index, score = result.get("index"), result.get("relevanceScore")
            if not isinstance(index, int) or not 0 <= index < sources:
                raise self._bad(f"scored source {index!r} of {sources}")
            if not isinstance(score, int | float) or not math.isfinite(score):
                raise self._bad(f"gave source {index} the score {score!r}")
            found.append((index, float(score)))
        if not found:
            raise self._bad("scored no source")
        return found

    def _bad(self, what: str) -> BadReply:
        return BadReply(f"{self.model} {what}. Ask again, or leave the reranker out.", code="InvalidReranking")


def model_arn(model: str, region: str) -> str:
    """The ARN of a foundation model, which is no account's.

    >>> model_arn("amazon.rerank-v1:0", "us-east-1")
    'arn:aws:bedrock:us-east-1::foundation-model/amazon.rerank-v1:0'
    """
    partition = "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"
    return f"arn:{partition}:bedrock:{region}::foundation-model/{model}"


def _parts(text: str) -> list[str]:
    if len(text) <= MOST_CHARACTERS:
        return [text]
    return [part for half in halves(text) for part in _parts(half)]


def _queries(tokens: Iterable[int]) -> int:
    documents = sum(max(1, -(-own // _TOKENS_A_DOCUMENT)) for own in tokens)
    return max(1, -(-documents // _DOCUMENTS_A_QUERY))
