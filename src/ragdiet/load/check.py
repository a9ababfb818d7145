"""What every document must be before it goes on: storable text with something in it, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ragdiet.errors import BadEncoding, EmptyDocument, InvalidArgument
from ragdiet.types import Document

_VISIBLE = re.compile(r"[^\s\xad\u200b-\u200f\u2060\ufeff]")
_LONGEST_ID = 2_000  # bytes; a btree entry of PostgreSQL holds no more than 2,704


def checked(document: Document) -> Document:
    """``document`` itself, if PostgreSQL can store it and there is something to index.

    Raises InvalidArgument for a field of the wrong type, an id that is empty or too long, and ``meta``
    that is not JSON; BadEncoding for NUL characters and lone surrogates; EmptyDocument for blank text.
    """
    for field in ("id", "text", "title", "uri"):
        value = getattr(document, field)
        if isinstance(value, str):
            _check_text(value, f"its {field}")
        elif value is not None or field in ("id", "text"):
            raise InvalidArgument(f"its {field} is of type {type(value).__name__}: give a str")
    if not document.id.strip():
        raise InvalidArgument("it has no id: give it one that is the same each time it is ingested")
    if len(document.id.encode()) > _LONGEST_ID:
        raise InvalidArgument(f"its id is longer than {_LONGEST_ID:,} bytes: give it a shorter one")
    if not _VISIBLE.search(document.text):
        raise EmptyDocument("it holds no text: leave it out, or fill it")
    _check_meta(document.meta)
    return document


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        raise BadEncoding(f"{where} holds a NUL character, which PostgreSQL cannot store: remove it")
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadEncoding(
            f"{where} holds a lone surrogate at character {error.start:,}, which is no text: decode its source again, "
            "without errors='surrogateescape'"
        ) from error


def _check_meta(meta: object) -> None:
    advice = "give a mapping of str to JSON values"
    if not isinstance(meta, Mapping):
        raise InvalidArgument(f"its meta is of type {type(meta).__name__}: {advice}")
    try:
        json.dumps(dict(meta), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"its meta is not JSON ({error}): {advice}") from error
    pending: list[Any] = [meta]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            _check_text(value, "its meta")
        elif isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise InvalidArgument(f"its meta has a key that is no str: {advice}")
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            pending += value
