"""How answers are kept, and from when on a question is near enough to another for its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ragdiet.errors import InvalidArgument, NotCertified

if TYPE_CHECKING:
    from ragdiet.types import Space


class Similar(BaseModel):
    """A certified threshold, for questions embedded by ``embedder``: from this ``cosine`` on, and past the gate, two
    ask the same. ``card`` says on which pairs, and what was found."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    embedder: str
    cosine: float
    card: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCache:
    """Answers that are given again to the same question of the same tenant, as long as the collection does not change.

    ``ttl`` is how long at most, ``most`` how many a tenant has, the latest ones. ``similar=True`` also gives the answer
    of a question that asks the same in other words: English questions alone, and only with an embedder for which it is
    certified that at most 0.5% of such answers are another question's. For other embedders give the cosine from which
    on two questions count as near, measured by yourself: ``similar=0.9``.
    """

    ttl: timedelta = timedelta(days=1)
    most: int = 10_000
    similar: bool | float = False

    def __post_init__(self) -> None:
        if self.ttl <= timedelta(0):
            raise InvalidArgument(f"ttl is {self.ttl}: give a time above 0, or answer_cache=None to keep no answers")
        if isinstance(self.most, bool) or self.most < 1:
            raise InvalidArgument(f"most is {self.most}: give 1 or more, or answer_cache=None to keep no answers")
        if not isinstance(self.similar, bool) and not 0 < self.similar <= 1:
            raise InvalidArgument(f"similar is {self.similar}: give True, False, or a cosine above 0 and at most 1")

    def threshold(self, space: Space, language: str) -> float | None:
        """The cosine from which on a question is near enough; None where words must be the same.

        Raises NotCertified for a model whose vectors nobody has measured, InvalidArgument for a language that the gate
        cannot read.
        """
        if self.similar is False:
            return None
        if language != "english":
            raise InvalidArgument(
                f"similar questions are told apart in English alone, and the language is {language!r}: leave similar "
                "out"
            )
        if self.similar is not True:
            return float(self.similar)
        certified = certified_threshold()
        if space.model != certified.embedder:
            raise NotCertified(
                f"no cosine is certified for questions embedded by {space.model}, only for {certified.embedder}: give "
                "one that you have measured, such as AnswerCache(similar=0.9), or leave similar out",
                model=space.model,
            )
        return certified.cosine


@cache
def certified_threshold() -> Similar:
    """The one that comes with ragdiet; ``python -m benchmarks.money_answers`` makes it anew."""
    return Similar.model_validate_json(files("ragdiet.answers").joinpath("similar.json").read_text("utf-8"))
