"""Texts in many requests at a time: vectors in the texts' order, and what is refused as too long halved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeAlias

from numpy.typing import NDArray

from ragdiet.bedrock import halves, is_too_long
from ragdiet.embed.decode import mean_vector
from ragdiet.errors import ModelInputError

if TYPE_CHECKING:
    import numpy as np

    from ragdiet.protocols import TokenCounter

_log = logging.getLogger("ragdiet.embed")

_SHORTEST = 64
"""Characters: a text that is no longer and is refused as too long is refused for another reason."""

Vectors: TypeAlias = "list[NDArray[np.float32]]"
Send: TypeAlias = Callable[[Sequence[str], Sequence[int]], tuple[Vectors, int]]
"""One request, tried as often as it takes: texts and our counts of them to their vectors and the tokens billed."""


class Batches:
    """Sends texts by ``send``, those of one of ``groups`` together, ``concurrency`` groups at a time."""

    def __init__(
        self,
        send: Send,
        *,
        groups: Callable[[Sequence[int]], Iterable[range]],
        concurrency: int,
        counter: TokenCounter,
        model: str,
    ) -> None:
        self._send = send
        self._groups = groups
        self._concurrency = concurrency
        self._counter = counter
        self._model = model

    def vectors(self, parts: Sequence[Sequence[str]]) -> tuple[Vectors, int]:
        """A vector for each text, given as the parts that it is sent in, and the tokens billed. That of several parts
        is their mean, weighted by their tokens. At the first error the requests not yet begun are not sent."""
        flat = [part for own in parts for part in own]
        counted = self._counter.count_batch(flat)
        found, billed = self._all(flat, counted)
        vectors, first = [], 0
        for own in parts:
            if len(own) > 1:
                _tell_of(self._model, sum(map(len, own)), len(own))
            places = slice(first, first + len(own))
            vectors.append(mean_vector(found[places], counted[places]) if len(own) > 1 else found[first])
            first += len(own)
        return vectors, billed

    def _all(self, texts: Sequence[str], counted: Sequence[int]) -> tuple[Vectors, int]:
        def one(places: range) -> tuple[Vectors, int]:
            return self._request(texts[places.start : places.stop], counted[places.start : places.stop])

        groups = list(self._groups(counted))
        if len(groups) < 2:
            made = [one(places) for places in groups]
        else:
            with ThreadPoolExecutor(min(self._concurrency, len(groups)), thread_name_prefix="embed") as pool:
                # Each thread runs in a copy of this context, or its ledger rows would lose their prompt_id.
                futures = [pool.submit(copy_context().run, one, places) for places in groups]
                try:
                    for future in as_completed(futures):
                        future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
            made = [future.result() for future in futures]
        return [vector for vectors, _ in made for vector in vectors], sum(tokens for _, tokens in made)

    def _request(self, texts: Sequence[str], counted: Sequence[int]) -> tuple[Vectors, int]:
        """One request; or where the model says of it that a text is too long, those of its halves."""
        try:
            return self._send(texts, counted)
        except ModelInputError as error:
            if not is_too_long(error) or (len(texts) == 1 and len(texts[0]) <= _SHORTEST):
                raise
        if len(texts) > 1:
            middle = len(texts) // 2
            left, billed_left = self._request(texts[:middle], counted[:middle])
            right, billed_right = self._request(texts[middle:], counted[middle:])
            return left + right, billed_left + billed_right
        _tell_of(self._model, len(texts[0]), 2)
        parts = halves(texts[0])
        own = self._counter.count_batch(parts)
        found, billed = self._all(parts, own)
        return [mean_vector(found, own)], billed


def _tell_of(model: str, characters: int, parts: int) -> None:
    _log.warning(
        "a text of %s characters is too long for %s and is embedded in %d parts, as their mean: smaller chunks are "
        "found more exactly",
        f"{characters:,}",
        model,
        parts,
    )
