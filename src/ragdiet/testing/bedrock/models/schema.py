"""How InvokeModel answers a body that breaks a model's own JSON schema."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ragdiet.testing.bedrock.refusal import Refused, invalid


def malformed(*problems: str) -> Refused:
    """All problems in one message, one after the other without a separator, as Bedrock writes them."""
    return invalid(f"Malformed input request: {''.join(problems)}, please reformat your input and try again.")


def require_keys(body: Mapping[str, Any], known: Collection[str], required: Sequence[str], *, at: str = "#") -> None:
    """Refused where a required key is missing, or one is there that the model does not know."""
    problems = [f"{at}: required key [{key}] not found" for key in required if key not in body]
    problems += [f"{at}: extraneous key [{key[:100]}] is not permitted" for key in body if key not in known]
    if problems:
        raise malformed(*problems)


def one_of(body: Mapping[str, Any], key: str, values: Collection[object], default: Any = None, *, at: str = "#") -> Any:
    """``body[key]``, or ``default`` where it is not given. Refused where it is none of ``values``."""
    value = body.get(key, default)
    if key in body and (isinstance(value, (bool, list, dict)) or value not in values):
        raise malformed(f"{at}/{key}: {str(value)[:100]} is not a valid enum value")
    return value


def text_list(body: Mapping[str, Any], key: str, *, most: int, characters: int | None) -> list[str]:
    """``body[key]``, strings that are neither empty, nor too many, nor too long."""
    texts = body[key]
    if not isinstance(texts, list):
        raise malformed(f"#/{key}: expected type: JSONArray, found: {type(texts).__name__}")
    if len(texts) > most:
        raise malformed(f"#/{key}: expected maximum item count: {most}, found: {len(texts)}")
    if not texts:
        raise malformed(f"#/{key}: expected minimum item count: 1, found: 0")
    problems = []
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            problems.append(f"#/{key}/{number}: expected type: String, found: {type(text).__name__}")
        elif not text.strip():
            problems.append(f"#/{key}/{number}: expected minLength: 1, actual: 0")
        elif characters is not None and len(text) > characters:
            problems.append(f"#/{key}/{number}: expected maxLength: {characters}, actual: {len(text)}")
    if problems:
        raise malformed(*problems)
    return texts
