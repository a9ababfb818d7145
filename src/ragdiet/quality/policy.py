"""What an ingest does with text that is not worth keeping, or that had better not be kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from ragdiet.errors import InvalidArgument


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The policy of the quality gates.

    - ``duplicates``: a document whose text another document of the collection has, white space aside.
    - ``near_duplicates``: one that differs from another by small edits, none of them to a number or a "not".
    - ``boilerplate``: first and last lines that many documents of the collection share, and repeated chunks.
    - ``low_information``: chunks that can answer nothing: rules, tables of contents, encoded data.
    - ``encoding``: text decoded with the wrong charset is repaired, or its document rejected.
    - ``language``: whether each document's language is noted in its ``meta["lang"]``.
    - ``secrets``: keys, tokens, passwords: noted in ``meta["sensitive"]``, masked by ``*``, or their document rejected.
    - ``personal``: the same for e-mail addresses, telephone numbers, cards and the like.
    """

    duplicates: Literal["reject", "keep"] = "reject"
    near_duplicates: Literal["reject", "keep"] = "reject"
    boilerplate: Literal["drop", "keep"] = "drop"
    low_information: Literal["drop", "keep"] = "drop"
    encoding: Literal["repair", "reject", "keep"] = "repair"
    language: bool = True
    secrets: Literal["flag", "mask", "reject", "keep"] = "flag"
    personal: Literal["flag", "mask", "reject", "keep"] = "flag"

    def __post_init__(self) -> None:
        types = get_type_hints(Quality)
        for field in fields(self):
            value = getattr(self, field.name)
            choices = get_args(types[field.name]) or (True, False)
            # By type as well: 1 equals True, and is no choice.
            if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
                raise InvalidArgument(f"quality: {field.name} is one of {', '.join(map(repr, choices))}, not {value!r}")

    @property
    def version(self) -> str:
        """A short name that changes with the policy, as documents must then be screened anew."""
        return f"quality-1-{hashlib.blake2b(repr(self).encode(), digest_size=4).hexdigest()}"

    @classmethod
    def off(cls) -> Quality:
        """Keeps everything as it is."""
        return cls(
            duplicates="keep",
            near_duplicates="keep",
            boilerplate="keep",
            low_information="keep",
            encoding="keep",
            language=False,
            secrets="keep",
            personal="keep",
        )
