"""How often a follow-up question is understood, and how often one that stands alone is taken for one.

    python -m benchmarks.follow_ups --data FOLDER [--out results.json]

``dialogues``: an exchange and a question after it, each with what should become of it, in ``benchmarks/dialogues``:
earlier question | its answer | the question | as it stands alone; nothing where it does already, "?" where only a
reader of the history can tell. "written_with_the_rules": the rules were made to fit. "before_reading_them" and
"before_changing_them": by someone who had not read the rules, or had, and then used to mend them. "held_out": after
that; one rule was mended by it (see docs/measurements.md for what came out at first sight).

A question "rewritten wrongly" is answered wrongly and matters most. One "taken to stand alone" that leans is searched
without what it leans on. "history kept" costs tokens: the last exchange goes along where that was not needed.

``alone``: questions of people, which were asked one by one, each after the one before it in its file as though that had
just been answered: the share that is taken for a follow-up, and the share that is rewritten.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.datasets import data_folder
from benchmarks.machine import machine
from benchmarks.questions import questions
from benchmarks.report import Row, shown
from ragdiet.diet import follow_up
from ragdiet.diet.history import FollowUp
from ragdiet.tokens import default_counter
from ragdiet.types import Turn

WRITTEN = ("written_with_the_rules", "before_reading_them", "before_changing_them", "held_out")
SETS = ("squad_v2", "nq_lost_in_the_middle", "hotpotqa_distractor")
_FOLDER = Path(__file__).parent / "dialogues"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``whole``: the question as it stands alone, "" where it does already, "?" where it cannot be rewritten."""

    before: str
    answer: str
    question: str
    whole: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    data = data_folder(arguments.data)
    summary = {
        "dialogues": [{"written": name, **judged(list(cases(name)))} for name in WRITTEN],
        "alone": [{"set": name, **taken(list(questions(data, name)))} for name in SETS],
    }
    print(shown(summary))
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n", "utf-8")


def cases(written: str) -> Iterator[Case]:
    for line in (_FOLDER / f"{written}.txt").read_text("utf-8").splitlines():
        before, answer, question, whole = line.split("|")
        yield Case(before=before, answer=answer, question=question, whole=whole)


def made_of(case: Case) -> str:
    """What becomes of its question, told as ``whole`` is."""
    made = _after(case.before, case.answer, case.question)
    if made.history:
        return "?"
    return made.question if made.reason else ""


def verdict(case: Case) -> str:
    made = made_of(case)
    if made == case.whole:
        return "right"
    return {"?": "history kept", "": "taken to stand alone"}.get(made, "rewritten wrongly")


def judged(found: Sequence[Case]) -> Row:
    counted = Counter(map(verdict, found))
    return {
        "dialogues": len(found),
        **{kind: counted[kind] for kind in ("right", "rewritten wrongly", "taken to stand alone", "history kept")},
    }


def taken(asked: Sequence[str]) -> Row:
    pairs = list(pairwise(asked))
    made = [_after(before, "Yes [1].", question) for before, question in pairs]
    return {
        "questions": len(pairs),
        "taken_for_follow_ups": round(sum(bool(one.reason) for one in made) / len(pairs), 4),
        "rewritten": sum(one.question != question for one, (_, question) in zip(made, pairs, strict=True)),
    }


def _after(before: str, answer: str, question: str) -> FollowUp:
    turns = [Turn(role="user", text=before), Turn(role="assistant", text=answer)]
    return follow_up(question, turns, default_counter())


if __name__ == "__main__":
    main()
