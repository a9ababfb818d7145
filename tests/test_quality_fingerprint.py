from __future__ import annotations

import importlib
import pydoc
import random
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.quality.fingerprint import BANDS, NEAR, Fingerprint, are_near, fingerprint, similarity

MODULES = (
    "argparse asyncio collections csv datetime decimal difflib heapq json logging pathlib random sqlite3 statistics"
)


def documentation(name: str) -> str:
    return pydoc.plain(pydoc.render_doc(importlib.import_module(name)))


@pytest.fixture(scope="module")
def passages() -> list[str]:
    """Passages of 60 to 600 words of the standard library's documentation, no two of the same place."""
    source = random.Random(1)
    found: list[str] = []
    for name in MODULES.split():
        words = re.findall(r"\S+\s*", documentation(name))
        found += ["".join(words[at : at + source.randrange(60, 600)]) for at in range(0, len(words) - 600, 600)]
    assert len(found) > 100
    return found


def share_found(passages: list[str], edit: Callable[[str], str | None]) -> float:
    """Share of the edited passages that bands and signatures call near duplicates of what they were."""
    pairs = [(passage, edited) for passage in passages if (edited := edit(passage)) is not None]
    prints = [(fingerprint(one), fingerprint(other)) for one, other in pairs]
    assert len(prints) > 50
    return sum(bool(set(one.bands) & set(other.bands)) and are_near(one, other) for one, other in prints) / len(prints)


def test_white_space_alone_makes_no_other_text() -> None:
    one, other = fingerprint("Four  weeks\n\tnotice. Cafe\u0301 "), fingerprint(" Four weeks notice. Café")
    assert one.text_hash == other.text_hash
    assert one.text_hash != fingerprint("Four weeks notice. café").text_hash
    assert len(one.text_hash) == 16


@given(st.text())
def test_any_text_has_one_fingerprint(text: str) -> None:
    one = fingerprint(text)
    assert one == fingerprint(text)
    assert (len(one.signature), len(one.facts)) == (512, 16)
    assert len(one.bands) in (0, BANDS)
    assert all(-(2**63) <= band < 2**63 for band in one.bands)


def test_edits_that_say_nothing_new_are_near(passages: list[str]) -> None:
    assert share_found(passages, str.upper) == 1
    assert share_found(passages, lambda passage: re.sub(r"[,.;](?=\s)", "", passage)) == 1
    assert share_found(passages, lambda passage: passage.replace("\n", "\n\n  ")) == 1


def test_one_other_number_or_one_not_is_never_near(passages: list[str]) -> None:
    source = random.Random(2)

    def another_number(passage: str) -> str | None:
        numbers = list(re.finditer(r"\d+", passage))
        if not numbers:
            return None
        match = source.choice(numbers)
        return f"{passage[: match.start()]}{int(match[0]) + 1}{passage[match.end() :]}"

    def negated(word: str) -> Callable[[str], str]:
        def edit(passage: str) -> str:
            words = passage.split(" ")
            words.insert(source.randrange(len(words)), word)
            return " ".join(words)

        return edit

    assert share_found(passages, another_number) == 0
    for word in ("not", "nicht", "ne", "不", "don't"):
        assert share_found(passages, negated(word)) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [("costs 3 to 5", "costs 5 to 3"), ("at -5 degrees", "at 5 degrees"), ("it's done", "it isn't done"),
     ("version 3.11", "version 31.1"), ("can fly", "cannot fly")],
)  # fmt: skip
def test_facts_differ(one: str, other: str) -> None:
    padding = "the ordinary words around it are all the same in both of these two texts and so are these here " * 4
    a, b = fingerprint(padding + one), fingerprint(padding + other)
    assert a.bands
    assert a.facts != b.facts
    assert not are_near(a, b)


def test_contracted_or_not_a_curly_quote_is_no_fact() -> None:
    assert fingerprint("it doesn't").facts != fingerprint("it does").facts
    assert fingerprint("3 IS NOT 4").facts == fingerprint("3 is not 4.").facts


def test_other_texts_are_no_candidates() -> None:
    prints = [fingerprint(documentation(name)) for name in MODULES.split()]
    for place, one in enumerate(prints):
        assert not any(set(one.bands) & set(other.bands) for other in prints[place + 1 :])


def test_a_short_text_is_never_a_near_duplicate() -> None:
    short = "The notice period is four weeks to the end of the month. "
    assert fingerprint(short).bands == ()
    assert not are_near(fingerprint(short), fingerprint(short.upper()))
    assert fingerprint(f"{short} Unless the contract says something else, and it may do so for you, it is the one "
                       "that holds for all of us here.").bands  # fmt: skip


def test_scripts_without_spaces_have_words_too() -> None:
    text = "契約書に別の定めがない限り、解約の予告期間は暦月の末日までの四週間とします。書面で通知してください。" * 3
    assert are_near(fingerprint(text + "敬具"), fingerprint(text))


def test_similarity_estimates_jaccard() -> None:
    """By construction: runs of three words shared by both over all of them."""
    source = random.Random(3)
    words = [f"w{source.randrange(10**9)}" for _ in range(4_000)]
    for shared in (1_000, 2_000, 3_000):
        one = words[:shared] + words[3_000 : 3_000 + (3_000 - shared) // 2]
        other = words[:shared] + words[3_500 : 3_500 + (3_000 - shared) // 2]
        a, b = ({tuple(ws[i : i + 3]) for i in range(len(ws) - 2)} for ws in (one, other))
        jaccard = len(a & b) / len(a | b)
        estimate = similarity(fingerprint(" ".join(one)).signature, fingerprint(" ".join(other)).signature)
        assert estimate == pytest.approx(jaccard, abs=0.13)  # three standard deviations of 128 minima


def test_bands_find_what_is_similar_as_the_curve_says() -> None:
    source = random.Random(4)
    found = {0.5: 0, 0.9: 0}
    for similar in found:
        for _ in range(200):
            minima = [source.randrange(2**32) for _ in range(128)]
            others = [m if source.random() < similar else source.randrange(2**32) for m in minima]
            one, other = (_of_minima(values) for values in (minima, others))
            found[similar] += bool(set(one.bands) & set(other.bands))
    assert found[0.9] >= 198  # .9999
    assert found[0.5] <= 30  # .06


def test_a_band_is_known_by_its_place() -> None:
    assert len(set(_of_minima([5] * 128).bands)) == BANDS


def _of_minima(minima: list[int]) -> Fingerprint:
    import numpy as np

    from ragdiet.quality.fingerprint import _bands

    signature = np.array(minima, dtype="<u4")
    return Fingerprint(text_hash=b"", signature=signature.tobytes(), bands=_bands(signature), facts=b"")


def test_slices_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    text = documentation("decimal")
    whole = fingerprint(text)
    monkeypatch.setattr("ragdiet.quality.fingerprint._SLICE", 100)
    assert fingerprint(text) == whole


def test_the_longest_document_takes_seconds() -> None:
    text = (documentation("argparse") * 200)[:10_000_000]
    began = time.process_time()
    assert fingerprint(text).bands
    fingerprint("x" * 10_000_000)
    assert time.process_time() - began < 10


def test_near_is_what_the_bands_are_made_for() -> None:
    assert 1 - (1 - NEAR**8) ** BANDS > 0.99
