"""The reader that costs nothing: it answers with the best sentences of the context, cited."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.types import Generation, Sentence, Usage

if TYPE_CHECKING:
    from ragdiet.types import Prompt

# A second sentence is quoted only when it scores nearly as well as the best.
_NEAR_BEST = 0.9
# A heading names what the question is about and says nothing of it.
_HEADING = re.compile(r"#{1,6} |[=\-~^*#]{3,}$")


class ExtractiveReader:
    """Quotes the context's best sentence, and up to ``sentences`` that score nearly as well. Of
    these only those that hold most of the question's numbers: asked about item 7, it is silent on item 2.
    """

    model = "local:extractive"
    is_local = True

    def __init__(self, *, sentences: int = 2) -> None:
        self._sentences = sentences

    def generate(self, prompt: Prompt) -> Generation:
        """The reply is empty when the context is."""
        began = time.perf_counter()
        kept = prompt.context.kept
        prose = [sentence for sentence in kept if not _HEADING.match(sentence.text)] or kept
        ranked = sorted(prose, key=lambda sentence: -sentence.score)
        near = [sentence for sentence in ranked if sentence.score >= _NEAR_BEST * ranked[0].score]
        asked = _numbers(prompt.question)
        met = [len(asked & _numbers(sentence.text)) for sentence in near]
        fit = [sentence for sentence, count in zip(near, met, strict=True) if count == max(met)]
        chosen = {id(sentence) for sentence in fit[: self._sentences]}
        quoted = [sentence for sentence in kept if id(sentence) in chosen]
        return Generation(
            text=" ".join(map(_quote, quoted)),
            model=self.model,
            served=self.model,
            usage=Usage(),
            stop_reason="end_turn",
            cost=Decimal(0),
            seconds=time.perf_counter() - began,
        )


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


def _quote(sentence: Sentence) -> str:
    return f"{' '.join(sentence.text.split())} [{sentence.source}]"
