"""Amazon Nova Multimodal Embeddings, for texts: one a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ragdiet.testing.bedrock.models.schema import malformed, one_of, require_keys
from ragdiet.testing.bedrock.models.vectors import text_vector
from ragdiet.testing.bedrock.refusal import invalid
from ragdiet.testing.bedrock.tokens import Tokenizer

PURPOSES = frozenset(
    {
        "GENERIC_INDEX",
        "GENERIC_RETRIEVAL",
        "TEXT_RETRIEVAL",
        "IMAGE_RETRIEVAL",
        "VIDEO_RETRIEVAL",
        "DOCUMENT_RETRIEVAL",
        "AUDIO_RETRIEVAL",
        "CLASSIFICATION",
        "CLUSTERING",
    }
)
_AT = "#/singleEmbeddingParams"


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaMultimodal:
    """``amazon.nova-2-multimodal-embeddings-v1:0``: 256 to 3,072 dimensions, 8,192 tokens or 50,000 characters."""

    tokenizer: Tokenizer = field(default_factory=Tokenizer)

    dimensions: ClassVar[tuple[int, ...]] = (256, 384, 1024, 3072)
    most_tokens: ClassVar[int] = 8_192
    most_characters: ClassVar[int] = 50_000

    def invoke(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """The reply and its tokens. Refused beyond the model's limits, in Bedrock's words."""
        require_keys(
            body, {"schemaVersion", "taskType", "singleEmbeddingParams"}, ("taskType", "singleEmbeddingParams")
        )
        one_of(body, "schemaVersion", ("nova-multimodal-embed-v1",))
        one_of(body, "taskType", ("SINGLE_EMBEDDING",))
        given = body["singleEmbeddingParams"]
        if not isinstance(given, dict):
            raise malformed(f"{_AT}: expected type: JSONObject")
        require_keys(given, {"embeddingPurpose", "embeddingDimension", "text"}, ("embeddingPurpose", "text"), at=_AT)
        purpose = one_of(given, "embeddingPurpose", PURPOSES, at=_AT)
        dimensions = one_of(given, "embeddingDimension", self.dimensions, 3072, at=_AT)
        text, kept = self._texts(given["text"])
        kind = "document" if purpose == "GENERIC_INDEX" else "query" if purpose.endswith("RETRIEVAL") else purpose
        made: dict[str, Any] = {
            "embeddingType": "TEXT",
            "embedding": text_vector(kept, dimensions, kind=kind).tolist(),
        }
        if len(kept) < len(text):
            made["truncatedCharLength"] = len(kept)
        return {"embeddings": [made]}, self.tokenizer.count(kept)

    def _texts(self, given: Any) -> tuple[str, str]:
        """The text, and what is left of it where it is too long."""
        at = f"{_AT}/text"
        if not isinstance(given, dict):
            raise malformed(f"{at}: expected type: JSONObject")
        require_keys(given, {"truncationMode", "value"}, ("truncationMode", "value"), at=at)
        mode, text = one_of(given, "truncationMode", ("START", "END", "NONE"), at=at), given["value"]
        if not isinstance(text, str):
            raise malformed(f"{at}/value: expected type: String")
        if not text.strip():
            raise malformed(f"{at}/value: expected minLength: 1, actual: 0")
        if len(text) > self.most_characters:
            raise malformed(f"{at}/value: expected maxLength: {self.most_characters}, actual: {len(text)}")
        tokens = self.tokenizer.count(text)
        if tokens <= self.most_tokens:
            return text, text
        if mode == "NONE":
            raise invalid(f"Too many input tokens. Max input tokens: {self.most_tokens}, input token count: {tokens}")
        cut = self.tokenizer.first if mode == "END" else self.tokenizer.last
        return text, cut(text, self.most_tokens)
