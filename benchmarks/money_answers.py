"""How often a kept answer is found for a question in other words, and how often for another question.

    python -m benchmarks.money_answers --data FOLDER --out results.json [--peers PYTHON] [--write]

Of the questions of people to five sets one in three to a passage, 260 in each half, is known: its answer is kept. Asked
are questions made of the known ones by rules (see ``benchmarks.pairs_made``): in other words, for which the known one's
answer is right, and asking for something else, for which any answer is false; and the other questions to the same
passages, for which any answer is false too. What was made and is one of the set's own questions but for articles,
capitals and contractions is left out. What is found is found among all known questions of the half, as a cache
would.

The cosine threshold is certified on one half of the passages (by a hash): the lowest at which, with probability 0.9, at
most 0.5% of the answers given are false, by ``ragdiet.certify``, and at most 0.5% of the other questions get any. All
other figures are of the other half. ``--write`` puts the threshold with its card into the package. GPTCache runs its
own code with its defaults, over the same vectors as all others, in the Python that ``--peers`` names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import ragdiet.answers
from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from benchmarks.pairs_made import NEAR_MISSES, PARAPHRASES, names_in
from benchmarks.report import Row, shown
from ragdiet.answers import agree, certified_threshold, normalised
from ragdiet.certify import certify, upper_bound
from ragdiet.embed import MiniLM

SETS = ("squad_v2", "nq_lost_in_the_middle", "chunking_evaluation", "cranfield", "hotpotqa_distractor")
ALPHA, DELTA = 0.005, 0.1
THRESHOLDS = [round(0.99 - 0.01 * step, 2) for step in range(50)]
_SAME_PASSAGE = "other question, same passage"
_NEAREST = 5
_KNOWN = 260

Finder: TypeAlias = Callable[["Half"], list[int | None]]
"""The known question whose answer each asked one gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, how it was made, and the known one that it asks the same as (None: as none)."""

    text: str
    kind: str
    same_as: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Known and asked questions. ``cosines`` and ``nearest`` are of each asked one's nearest known ones,
    ``passed`` is the first of them that the gate lets pass."""

    known: Sequence[str]
    asked: Sequence[Asked]
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]]
    cosines: NDArray[np.float32]
    nearest: NDArray[np.int64]
    passed: Sequence[tuple[int | None, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peers", default="none", help="a Python that has gptcache and faiss-cpu, or 'none'")
    parser.add_argument("--write", action="store_true", help="put the certified threshold into the package")
    arguments = parser.parse_args()
    summary = answers(data_folder(arguments.data), peers=arguments.peers, write=arguments.write)
    print(shown(summary))
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def answers(data: Path, *, peers: str = "none", write: bool = False) -> Row:
    """All figures."""
    embedder = MiniLM()
    fitted, held_out = (half(data, embedder, is_fitted_on=first) for first in (True, False))
    certificate = certified(fitted)
    if write:
        if certificate is None:
            sys.exit("NOT CERTIFIED: no threshold can be vouched for, and none was written")
        _write(certificate, fitted, embedder.space.model)
    threshold = certified_threshold().cosine
    finders: dict[str, Finder] = {
        "the same question (exact)": exact,
        f"ours: cosine {threshold} and the gate": partial(gated, threshold=threshold),
        "the gate alone": partial(gated, threshold=-1.0),
        **{f"cosine {limit}": partial(near, threshold=limit) for limit in (0.7, 0.8, 0.9, 0.95)},
    }
    rows = [measured(name, held_out, finder(held_out)) for name, finder in finders.items()]
    kinds = by_kind(held_out, gated(held_out, threshold=threshold))
    said = "not run: give --peers"
    if peers != "none":
        found, said = gptcache(peers, held_out)
        rows.append(measured("GPTCache, its defaults", held_out, found))
    return {
        "false_hits_at_most": ALPHA,
        "met": rows[1]["false_of_hits"] <= ALPHA and rows[1]["false_of_other_questions"] <= ALPHA,
        "certified": certificate,
        "known": len(held_out.known),
        "paraphrases": sum(each.same_as is not None for each in held_out.asked),
        "other_questions": sum(each.same_as is None for each in held_out.asked),
        "gptcache": said,
        "caches": rows,
        "ours_by_kind": kinds,
        "for_example": examples(held_out, gated(held_out, threshold=threshold)),
    }


def half(data: Path, embedder: MiniLM, *, is_fitted_on: bool) -> Half:
    """The questions of one half of the passages, and those made of them."""
    known: list[str] = []
    asked: list[Asked] = []
    passages = [each for each in by_passage(data) if _is_fitted_on("\0".join(each[:2])) == is_fitted_on]
    random.Random(5).shuffle(passages)
    chance = random.Random(7 if is_fitted_on else 11)
    every = {_plain(question) for _, _, questions in passages for question in questions}
    names = {
        name: names_in([q for other, _, questions in passages if other == name for q in questions]) for name in SETS
    }
    for name, _, questions in passages:
        if len(known) >= _KNOWN:
            break
        for place, question in enumerate(questions):
            if place % 3:
                asked.append(Asked(text=question, kind=_SAME_PASSAGE, same_as=None))
                continue
            known.append(question)
            for makers, same_as in ((PARAPHRASES, len(known) - 1), (NEAR_MISSES, None)):
                for kind, make in makers.items():
                    text = make(question, chance, names[name])
                    if text and text != question and (same_as is not None or _plain(text) not in every):
                        asked.append(Asked(text=text, kind=kind, same_as=same_as))
    vectors = (_vectors(embedder, known), _vectors(embedder, [each.text for each in asked]))
    cosines = vectors[1] @ vectors[0].T
    nearest = np.argsort(-cosines, axis=1)[:, :_NEAREST]
    best = np.take_along_axis(cosines, nearest, axis=1)
    return Half(
        known=known,
        asked=asked,
        vectors=vectors,
        cosines=best,
        nearest=nearest,
        passed=[first_passed(each, known, places, row) for each, places, row in zip(asked, nearest, best, strict=True)],
    )


def by_passage(data: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Set, passage, and the questions to it, each question once: two that differ in capitals are one that was asked
    twice."""
    seen: set[str] = set()
    for name in SETS:
        passages: dict[str, list[str]] = {}
        for passage, question in _questions(data, name):
            if (key := normalised(question).casefold()) not in seen:
                seen.add(key)
                passages.setdefault(passage, []).append(question)
        yield from ((name, passage, questions) for passage, questions in passages.items())


def _questions(data: Path, name: str) -> Iterator[tuple[str, str]]:
    if name == "hotpotqa_distractor":
        yield from ((row["question"],) * 2 for row in read_lines(data / name / "contexts.jsonl.gz"))
    else:
        for row in read_lines(data / name / "queries.jsonl"):
            yield str(row.get("doc") or row["id"]), " ".join(row["text"].split())


def _plain(question: str) -> str:
    """By which a question that was made is known to be one of the set's own, and no other one."""
    text = normalised(question).casefold().replace("can't", "can not").replace("n't", " not")
    return " ".join(word for word in text.split() if word not in ("the", "a", "an"))


def _is_fitted_on(passage: str) -> bool:
    return hashlib.sha256(passage.encode()).digest()[0] % 2 == 0


def _vectors(embedder: MiniLM, texts: Sequence[str]) -> NDArray[np.float32]:
    parts = [embedder.embed(texts[at : at + 512], kind="query").vectors for at in range(0, len(texts), 512)]
    return np.concatenate(parts).astype(np.float16).astype(np.float32)  # as they are stored


def exact(pairs: Half) -> list[int | None]:
    places = {normalised(question): place for place, question in enumerate(pairs.known)}
    return [places.get(normalised(each.text)) for each in pairs.asked]


def near(pairs: Half, threshold: float) -> list[int | None]:
    rows = zip(pairs.nearest[:, 0], pairs.cosines[:, 0], strict=True)
    return [int(place) if cosine >= threshold else None for place, cosine in rows]


def gated(pairs: Half, threshold: float) -> list[int | None]:
    """As ``ask`` does it: of the nearest, the first that the gate lets pass."""
    return [place if place is not None and cosine >= threshold else None for place, cosine in pairs.passed]


def first_passed(
    asked: Asked, known: Sequence[str], places: NDArray[np.int64], cosines: NDArray[np.float32]
) -> tuple[int | None, float]:
    rows = zip(places, cosines, strict=True)
    passing = ((int(place), float(cosine)) for place, cosine in rows if agree(asked.text, known[place]))
    return next(passing, (None, -1.0))


def gptcache(python: str, pairs: Half) -> tuple[list[int | None], str]:
    """What GPTCache finds, and which it is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vectors.npz"
        np.savez(file, known=pairs.vectors[0], asked=pairs.vectors[1])
        done = subprocess.run(
            [python, "-m", "benchmarks.peers.gptcache_hits", str(file)],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(f"GPTCache failed: {done.stderr.strip()[-400:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    how = "put and get, SearchDistanceEvaluation, sqlite, faiss"
    vectors = "MiniLM's vectors in place of its ONNX model's, which needs a download"
    return said["hits"], f"gptcache {said['version']}, threshold {said['threshold']}, {how}; {vectors}"


def certified(pairs: Half) -> dict[str, Any] | None:
    """The lowest threshold that both bounds vouch for."""
    hits = [
        (cosine, place == each.same_as)
        for each, (place, cosine) in zip(pairs.asked, pairs.passed, strict=True)
        if place is not None
    ]
    made = certify(
        [cosine for cosine, _ in hits],
        [is_right for _, is_right in hits],
        alpha=ALPHA,
        delta=DELTA,
        thresholds=THRESHOLDS,
    )
    if made is None:
        return None
    others = [
        place for each, place in zip(pairs.asked, gated(pairs, made.threshold), strict=True) if each.same_as is None
    ]
    given = sum(place is not None for place in others)
    bound = upper_bound(given, len(others), DELTA)
    return (
        {
            "cosine": made.threshold,
            "alpha": ALPHA,
            "delta": DELTA,
            "hits": made.passed,
            "false_hits": made.wrong,
            "bound_of_false_among_hits": round(made.bound, 5),
            "other_questions": len(others),
            "that_got_an_answer": given,
            "bound_of_that": round(bound, 5),
        }
        if bound <= ALPHA
        else None
    )


def measured(name: str, pairs: Half, found: Sequence[int | None]) -> Row:
    right = wrong = given = 0
    for each, place in zip(pairs.asked, found, strict=True):
        if place is None:
            continue
        if each.same_as is None:
            given += 1
        elif place == each.same_as:
            right += 1
        else:
            wrong += 1
    same = sum(each.same_as is not None for each in pairs.asked)
    others = len(pairs.asked) - same
    hits = right + wrong + given
    return {
        "cache": name,
        "hit_rate": round(right / same, 4),
        "hits": hits,
        "false_hits": wrong + given,
        "false_of_hits": round((wrong + given) / max(1, hits), 5),
        "false_of_other_questions": round(given / others, 5),
    }


def by_kind(pairs: Half, found: Sequence[int | None]) -> list[Row]:
    asked = Counter(each.kind for each in pairs.asked)
    hit = Counter(each.kind for each, place in zip(pairs.asked, found, strict=True) if place is not None)
    return [
        {
            "kind": kind,
            "is_same": kind in PARAPHRASES,
            "asked": asked[kind],
            "share_hit": round(hit[kind] / asked[kind], 4),
        }
        for kind in (*PARAPHRASES, *NEAR_MISSES, _SAME_PASSAGE)
        if asked[kind]
    ]


def examples(pairs: Half, found: Sequence[int | None]) -> list[str]:
    """False hits, a few."""
    false = [
        f"{each.kind}: {each.text} <- {pairs.known[place]}"
        for each, place in zip(pairs.asked, found, strict=True)
        if place is not None and place != each.same_as
    ]
    return false[:8]


def _write(certificate: dict[str, Any], pairs: Half, model: str) -> None:
    about = {
        "date": machine()["date"],
        "made_by": "python -m benchmarks.money_answers --write",
        "data": f"questions to {', '.join(SETS)}, half of the passages: {len(pairs.known)} known, and made of them "
        f"{sum(each.same_as is not None for each in pairs.asked)} in other words and "
        f"{sum(each.same_as is None for each in pairs.asked)} that ask for something else",
        **{name: value for name, value in certificate.items() if name != "cosine"},
    }
    text = json.dumps({"embedder": model, "cosine": certificate["cosine"], "card": about}, indent=1) + "\n"
    Path(ragdiet.answers.__file__).with_name("similar.json").write_text(text)
    certified_threshold.cache_clear()


if __name__ == "__main__":
    main()
