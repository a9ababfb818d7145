"""The steps that a chain is made of: plain values, each with what it needs to be taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from ragdiet.errors import InvalidArgument
from ragdiet.fallback.conditions import Accept, as_condition, confident
from ragdiet.fallback.doubt import Check, Relevance
from ragdiet.fallback.templates import Reason, checked_language, checked_templates

if TYPE_CHECKING:
    from ragdiet.protocols import Generator

_CONFIDENT = confident()


@dataclass(frozen=True, slots=True)
class Search:
    """The first search. Models are asked about hits that ``accept`` lets pass; this is gate 1."""

    name: ClassVar[str] = "retrieve"

    accept: Accept = field(default=_CONFIDENT, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "accept", as_condition(self.accept))


@dataclass(frozen=True, slots=True)
class Research:
    """Another search for what the one before did not bring: in the corpus's own words, ``wider`` times as many hits."""

    name: ClassVar[str] = "re-search"

    wider: int = field(default=3, kw_only=True)
    accept: Accept = field(default=_CONFIDENT, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.wider, int) or self.wider < 1:
            raise InvalidArgument(f"Research(wider={self.wider!r}): give a whole number, 1 or more")
        object.__setattr__(self, "accept", as_condition(self.accept))


@dataclass(frozen=True, slots=True)
class Step:
    """A model reads, and its reply is the answer where ``accept`` says so; this is gate 2.

    ``model`` is a generator, or with ``RAG.local`` and ``RAG.connect`` the name of one. ``share`` is the part of the
    time left that it may take, above 0; by default half where another model follows, so that one which hangs leaves
    time for the next, and all of it where none does. A reply that was cut off, that refuses or that names no source is
    no answer, whatever the condition. ``relevance`` is asked before the model is, and ``check`` about a reply that the
    condition alone does not accept, both in doubt only.
    ``declines`` is about a reply that says that the sources hold no answer: where it is met that settles the ask, which
    ends in the safe reply; else, and by default, the next step has its turn, whatever it costs.
    """

    name: ClassVar[str] = "read"

    model: Generator | str
    accept: Accept = field(default=_CONFIDENT, kw_only=True)
    share: float | None = field(default=None, kw_only=True)
    relevance: Relevance | None = field(default=None, kw_only=True)
    check: Check | None = field(default=None, kw_only=True)
    declines: Accept | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) and not callable(getattr(self.model, "generate", None)):
            raise InvalidArgument(
                f"Step({self.model!r}): give a generator, or the name of one such as 'local:extractive'"
            )
        if self.share is not None and not 0 < self.share <= 1:
            raise InvalidArgument(f"Step(share={self.share}): give a part of the time left, above 0, at most 1")
        object.__setattr__(self, "accept", as_condition(self.accept))
        if self.declines is not None:
            object.__setattr__(self, "declines", as_condition(self.declines))

    @property
    def id(self) -> str:
        """The model's id."""
        return self.model if isinstance(self.model, str) else self.model.model


@dataclass(frozen=True, slots=True)
class SafeReply:
    """The end where no answer could be stood by: why, and the nearest ``sources``.

    ``templates`` are your own words for the reasons you name; for the others, those that come with ragdiet in
    ``language``, by default that of the RAG. Each has a line with ``{sources}`` in it, which is left out where nothing
    was found, and another one. Raises BadTemplate.
    """

    name: ClassVar[str] = "safe reply"

    templates: Mapping[Reason, str] = field(default_factory=dict, kw_only=True)
    language: str | None = field(default=None, kw_only=True)
    sources: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.sources, int) or self.sources < 0:
            raise InvalidArgument(f"SafeReply(sources={self.sources!r}): give a whole number, 0 or more")
        if self.language is not None:
            checked_language(self.language)
        object.__setattr__(self, "templates", checked_templates(self.templates))


@dataclass(frozen=True, slots=True)
class Clarify:
    """Choices for a question that is not clear, in place of all that is left of the chain."""

    name: ClassVar[str] = "clarify"


ChainStep: TypeAlias = Search | Research | Step | SafeReply
