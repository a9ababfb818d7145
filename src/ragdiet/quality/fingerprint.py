"""Which documents say the same: an exact hash, and MinHash signatures with bands to find them by.

MinHash: A. Z. Broder, "On the resemblance and containment of documents" (1997). Of two sets the share of
equal minima under many hash functions estimates their Jaccard similarity; here the sets are the runs of
three words. Bands: with 16 bands of 8 minima two documents of similarity s share a band with probability
1 - (1 - s^8)^16: .06 at .5, .61 at .7, .95 at .8, .9999 at .9. A shared band makes a candidate, the
signatures decide. Their estimate has a standard deviation of sqrt(s (1 - s) / 128), .027 at .9.

Similar is not the same: two price lists may differ in one figure only. ``facts`` tells them apart.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.9
"""Estimated Jaccard similarity from which on two documents of equal facts are near duplicates."""

PERMUTATIONS = 128
BANDS = 16
SHINGLE = 3
"""Words in a row."""

FEWEST_WORDS = 32
"""A text of fewer words is never a near duplicate: in so few each one counts."""

_SLICE = 1 << 20  # characters tokenised at a time
_BLOCK = 1 << 10  # shingles hashed at a time: 128 x 1,024 x 8 bytes stay in the processor's cache
# Scripts written without spaces: each character is a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]++(?:['’][^\W{_UNSPACED}]++)?+|[-−](?<!\w[-−])(?=[0-9])")
_NEGATIONS = frozenset(
    "not no never none nor neither nobody nothing cannot without except unless "
    "nicht kein keine keinen keiner keinem keines nie niemals ohne ne pas jamais aucun aucune sans "
    "nunca jamás sin ningún ninguna ninguno non mai senza nessun nessuno não sem nenhum nenhuma "
    "niet geen nooit zonder inte aldrig utan ikke aldri uden nie bez nigdy не ни нет без никогда değil "
    "不 没 沒 無 无 未 非 否 لا لم لن ليس नहीं".split()
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``text_hash``: blake2b, 16 bytes, of the text with white space made single. ``signature``: 128 minima,
    little-endian uint32. ``bands``: signed 64-bit numbers, none for a text too short. ``facts``: 16 bytes,
    equal where two texts have the same numbers and negations in the same order."""

    text_hash: bytes
    signature: bytes
    bands: tuple[int, ...]
    facts: bytes


def fingerprint(text: str) -> Fingerprint:
    """The fingerprint of a document's text. Besides a normalised copy of the text it takes some 60 MB at most."""
    minima = np.full(PERMUTATIONS, 0xFFFFFFFF, dtype=np.uint64)
    facts = hashlib.blake2b(digest_size=16)
    hashes = np.empty(0, dtype=np.uint64)
    count = 0
    for words in _words(text):
        numbers = {word: zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in set(words)}
        telling = {word for word in numbers if _is_fact(word)}
        facts.update("".join(f"{word}\0" for word in words if word in telling).encode("utf-8", "surrogatepass"))
        # The last two words of the slice before begin the first runs of this one.
        carried = hashes[-(SHINGLE - 1) :]
        hashes = np.concatenate([carried, np.fromiter(map(numbers.__getitem__, words), np.uint64, len(words))])
        count += len(words)
        _lower(minima, _shingles(hashes))
    signature = minima.astype("<u4")
    return Fingerprint(
        text_hash=_text_hash(text),
        signature=signature.tobytes(),
        bands=_bands(signature) if count >= FEWEST_WORDS else (),
        facts=facts.digest(),
    )


def similarity(one: bytes, other: bytes) -> float:
    """Estimated Jaccard similarity, in [0, 1], of the texts of two signatures."""
    return float(np.mean(np.frombuffer(one, dtype="<u4") == np.frombuffer(other, dtype="<u4")))


def are_near(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two texts are the same but for small edits that touch no number and no negation."""
    return bool(
        one.bands and other.bands and one.facts == other.facts and similarity(one.signature, other.signature) >= NEAR
    )


def _text_hash(text: str) -> bytes:
    normalised = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()
    return hashlib.blake2b(normalised.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _words(text: str) -> Iterator[list[str]]:
    """Case-folded words, by slices of the text that end at white space where there is some."""
    start = 0
    while start < len(text):
        end = min(len(text), start + _SLICE)
        if end < len(text):
            end = max(text.rfind(" ", start, end), text.rfind("\n", start, end), start) + 1
            end = end if end > start + 1 else start + _SLICE
        yield _WORD.findall(unicodedata.normalize("NFC", text[start:end]).casefold())
        start = end


def _is_fact(word: str) -> bool:
    return word in _NEGATIONS or word in "-−" or word.endswith(("n't", "n’t")) or any(map(str.isdigit, word))


def _shingles(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One well mixed number for each run of three words: uint64, (words - 2,)."""
    if len(hashes) < SHINGLE:
        return np.empty(0, dtype=np.uint64)
    mixed = np.zeros(len(hashes) - SHINGLE + 1, dtype=np.uint64)
    for place in range(SHINGLE):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + hashes[place : place + len(mixed)]
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def _lower(minima: NDArray[np.uint64], shingles: NDArray[np.uint64]) -> None:
    """Lower each of the 128 minima to what the shingles hash to: the high half of a x + b modulo 2^64."""
    for start in range(0, len(shingles), _BLOCK):
        values = _FACTORS * shingles[None, start : start + _BLOCK]
        values += _TERMS
        np.minimum(minima, values.min(axis=1) >> np.uint64(32), out=minima)


def _bands(signature: NDArray[np.uint32]) -> tuple[int, ...]:
    rows = signature.reshape(BANDS, -1)
    return tuple(
        int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8, salt=bytes([number])).digest(), signed=True)
        for number, row in enumerate(rows)
    )


_RANDOM = np.random.Generator(np.random.PCG64(20_240_229))  # fixed: signatures are stored
_FACTORS = _RANDOM.integers(1 << 63, size=(PERMUTATIONS, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_TERMS = _RANDOM.integers(1 << 63, size=(PERMUTATIONS, 1), dtype=np.uint64)
