"""The vectors of questions, each paid for once."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING

from ragdiet.observe import current
from ragdiet.protocols import PricedEmbedder
from ragdiet.retrieve import without_exclusions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.protocols import Embedder


class QuestionVectors:
    """The vectors of a tenant's latest questions, so that no stage pays for one twice.

    A question's vector is that of its text without exclusions: an embedder would look for what they name.
    """

    _SIZE = 256

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, question: str) -> NDArray[np.float32]:
        text = without_exclusions(question)
        key = current().tenant, text  # else the ledger would tell that another tenant has asked the same
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
                return self._vectors[key]
        vector: NDArray[np.float32] = self._embedder.embed([text], kind="query").vectors[0]
        with self._lock:
            self._vectors[key] = vector
            if len(self._vectors) > self._SIZE:
                self._vectors.popitem(last=False)
        return vector

    def price(self, question: str) -> Decimal:
        """The most that the vector of a question may cost, USD; 0 where the embedder does not say."""
        text = without_exclusions(question)
        return self._embedder.quote_texts([text]).most if isinstance(self._embedder, PricedEmbedder) else Decimal(0)
