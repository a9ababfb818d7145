"""Terms as numbers: what the keyword index stores of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

TERM_SPACE = 1_000_000_000
"""Terms are numbered 1 to this: the greatest dimension of pgvector's sparsevec."""


def term_number(term: str) -> int:
    """A stable number in 1..1e9 for a term. Two of a million terms meet about 500 times."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest()) % TERM_SPACE + 1


def term_numbers(terms: Iterable[str]) -> Counter[int]:
    """Occurrences by term number."""
    return Counter(map(term_number, terms))
