"""Titan Text Embeddings V2: one text a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ragdiet.testing.bedrock.models.schema import malformed, one_of, require_keys
from ragdiet.testing.bedrock.models.vectors import text_vector
from ragdiet.testing.bedrock.refusal import invalid
from ragdiet.testing.bedrock.tokens import Tokenizer

DIMENSIONS = (1024, 512, 256)
MOST_CHARACTERS = 50_000
MOST_TOKENS = 8_192

_KEYS = frozenset({"inputText", "dimensions", "normalize", "embeddingTypes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TitanText:
    """``amazon.titan-embed-text-v2:0``."""

    tokenizer: Tokenizer = field(default_factory=Tokenizer)

    def invoke(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """The reply and its tokens. Refused beyond the model's limits, in Bedrock's words."""
        text, dimensions = self._checked(body)
        tokens = self.tokenizer.count(text)
        if tokens > MOST_TOKENS:
            raise invalid(
                f"400 Bad Request: Too many input tokens. Max input tokens: {MOST_TOKENS}, "
                f"request input token count: {tokens} "
            )
        vector = text_vector(text, dimensions, unit=body.get("normalize", True))
        types = body.get("embeddingTypes", ["float"])
        by_type: dict[str, list[Any]] = {}
        if "float" in types:
            by_type["float"] = vector.tolist()
        if "binary" in types:
            by_type["binary"] = (vector > 0).astype(int).tolist()
        reply: dict[str, Any] = {"embeddingsByType": by_type, "inputTextTokenCount": tokens}
        if "float" in by_type:
            reply = {"embedding": by_type["float"], **reply}
        return reply, tokens

    def _checked(self, body: Mapping[str, Any]) -> tuple[str, int]:
        require_keys(body, _KEYS, ("inputText",))
        text = body["inputText"]
        if not isinstance(text, str):
            raise malformed("#/inputText: expected type: String")
        if not text.strip():
            raise malformed("#/inputText: expected minLength: 1, actual: 0")
        if len(text) > MOST_CHARACTERS:
            raise malformed(f"#/inputText: expected maxLength: {MOST_CHARACTERS}, actual: {len(text)}")
        if not isinstance(body.get("normalize", True), bool):
            raise malformed("#/normalize: expected type: Boolean")
        types = body.get("embeddingTypes", ["float"])
        if not isinstance(types, list) or not types or set(map(str, types)) - {"float", "binary"}:
            raise malformed("#/embeddingTypes: not a list of float and binary")
        return text, one_of(body, "dimensions", DIMENSIONS, 1024)
