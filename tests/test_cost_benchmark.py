"""The cost, diet and likelihood benchmarks' own arithmetic, on cases small enough to be worked by hand."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import cost, diet, diet_speed, diet_systems, nll
from benchmarks.cost_passages import Asked, joined, pieces, survives
from benchmarks.diet_peers import nearest, page
from benchmarks.diet_tasks import Task, answering, as_hit, retained, spread
from benchmarks.peers import runner
from benchmarks.report import Row

from ragdiet.diet import compress

FIRST = "The mill was built in 1871."
SECOND = "It burnt down in 1902. The owner rebuilt it in 1904."
MILL = f"{FIRST}\n\n{SECOND}"
GOLD = ("mill", len(FIRST) + 2, len(MILL))


def found(*texts: str) -> list[tuple[str, int, int]]:
    return [("mill", MILL.index(text), MILL.index(text) + len(text)) for text in texts]


def asked(*answers: str) -> Asked:
    return Asked(question="When?", answers=answers, gold=(GOLD,))


def test_an_answer_survives_only_in_its_gold_passage() -> None:
    texts = {"mill": MILL, "barn": MILL}
    assert survives(asked("1902"), texts, found(SECOND))
    assert survives(asked("1902"), texts, found("It burnt down in 1902."))
    assert survives(asked("nowhere", "in THE 1904"), texts, found("rebuilt it in 1904."))  # any form, normalised
    assert not survives(asked("1871"), texts, found(FIRST, SECOND))  # retrieved, but another paragraph's
    assert not survives(asked("1902"), texts, [("barn", *GOLD[1:])])  # the same words in another document
    assert not survives(asked("1902"), texts, found("The owner rebuilt it in 1904."))
    assert not survives(asked("190"), texts, found(SECOND))  # whole words only
    assert not survives(asked("the"), texts, found(SECOND))  # nothing is left of this form


def test_pieces_are_cut_at_the_gold_passage_and_joined_over_white_space() -> None:
    start, end = GOLD[1:]
    assert pieces(MILL, GOLD, found("in 1871.\n\nIt burnt")) == [(start, start + len("It burnt"))]
    assert pieces(MILL, GOLD, found("The owner", "It burnt down in 1902.")) == [(start, MILL.index(" rebuilt"))]
    assert pieces(MILL, GOLD, found(SECOND, "burnt")) == [(start, end)]  # an overlap counts once
    assert len(pieces(MILL, GOLD, found("It burnt", "in 1902."))) == 2
    assert survives(asked("down in 1902"), {"mill": MILL}, found("It burnt down", "in 1902."))
    assert not survives(asked("It burnt in 1902"), {"mill": MILL}, found("It burnt", "in 1902."))  # a gap between


def test_passages_of_a_title_become_one_document(tmp_path: Path) -> None:
    corpus = [
        {"id": "a", "title": "Mill", "text": FIRST},
        {"id": "b", "title": "Barn", "text": "It was red."},
        {"id": "c", "title": "Mill", "text": SECOND},
    ]
    queries = [
        {"id": "q1", "text": "When did the mill burn down?", "answers": ["1902"], "answerable": True},
        {"id": "q2", "text": "When was it built?", "answers": ["1902"], "answerable": True},  # not in its passage
        {"id": "q3", "text": "Who paid?", "answers": [], "answerable": False},
    ]
    with gzip.open(tmp_path / "corpus.jsonl.gz", "wt") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in corpus)
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    (tmp_path / "qrels.tsv").write_text("question\tdocument\tgrade\nq1\tc\t1\nq2\ta\t1\n")
    documents, questions = joined(tmp_path, limit=10)
    assert [(one.id, one.text) for one in documents] == [("Mill", MILL), ("Barn", "It was red.")]
    assert [(one.question, one.gold) for one in questions] == [(queries[0]["text"], (("Mill", *GOLD[1:]),))]


def test_the_sweep_ends_at_the_first_budget_that_is_enough() -> None:
    kept = {40: 50.0, 60: 80.0, 80: 75.0, 100: 90.0, 120: 95.0}
    rows = list(cost.sweep(lambda budget: {"budget": budget, "retention": kept[budget]}, kept, enough=85.0))
    assert [row["budget"] for row in rows] == [40, 60, 80, 100]
    assert len(list(cost.sweep(lambda budget: {"retention": kept[budget]}, kept, enough=100.0))) == len(kept)


def row(system: str, retention: float, context: float, prompt: float) -> Row:
    return {"system": system, "retention": retention, "context_tokens": context, "prompt_tokens": prompt}


def test_ratios_are_those_of_the_first_budget_with_equal_retention() -> None:
    peers = [row("dear", 80.0, 1_000, 1_060), row("cheap", 70.0, 400, 460), row("best", 99.0, 2_000, 2_060)]
    own = [row("ours 50", 60.0, 50, 200), row("ours 80", 70.0, 80, 230), row("ours 100", 85.0, 100, 250)]
    found = cost.verdict(peers, own)
    assert [one["ours"] for one in found["at_equal_retention"]] == ["ours 100", "ours 80", None]
    assert [one["our_prompt_tokens"] for one in found["at_equal_retention"]] == [250, 230, None]
    assert [one["share_of_context_tokens"] for one in found["at_equal_retention"]] == [0.1, 0.2, None]
    assert [one["share_of_prompt_tokens"] for one in found["at_equal_retention"]] == [0.236, 0.5, None]
    assert (found["cheapest_peer"], found["met_by_context_tokens"], found["met_by_prompt_tokens"]) == (
        "cheap",
        True,
        False,
    )


def test_a_row_has_means_and_the_price_of_a_thousand_prompts() -> None:
    """600 and 1,400 tokens: a million for 1,000 questions, so the model's rate for a million."""
    made = cost.figures("x", [True, False], [540, 1_340], [600, 1_400])
    assert (made["retention"], made["context_tokens"], made["prompt_tokens"]) == (50.0, 940.0, 1_000.0)
    assert [made[f"usd_{name}"] for name in cost.MODELS] == ["0.0600", "1.1000", "3.3000"]


def test_each_prompt_is_priced_alone() -> None:
    """Of Sonnet 4.5 a prompt of over 200,000 tokens costs double; many short ones together do not."""
    made = cost.figures("x", [True] * 300, [1_000] * 300, [1_000] * 300)
    assert made["usd_Sonnet 4.5"] == "3.3000"


def test_a_number_that_was_cut_is_another_one() -> None:
    source = diet.digit_strings("built in 1871 for 12,500 pounds")
    assert source == {"1871", "12", "500"}
    assert diet.digit_strings("1871, 12 and 187") - source == {"187"}


def task() -> Task:
    hits = [as_hit(str(n), f"t{n}", f"text {n} " * 5, n) for n in range(4)]
    return Task(question="Which?", answers=("2",), hits=tuple(hits), gold=(2,))


def test_prompts_are_enlarged_to_a_size_and_timed() -> None:
    assert len(diet_speed.enlarged([task()], 1).hits) == 1
    larger = diet_speed.enlarged([task(), task()], 60)
    assert diet_speed.tokens(larger) >= 60 > diet_speed.tokens(replace(larger, hits=larger.hits[:-1]))
    assert len({hit.document_id for hit in larger.hits}) == len(larger.hits)
    found = diet_speed.of_size([task()], 50)
    assert found["p50_ms"] > 0
    assert found["peak_memory_mb"] > 0


def test_of_excerpts_the_share_of_characters_counts() -> None:
    first, second = "It is 4 euros.", "Dogs ride free."
    hits = [replace(as_hit("fees", "", f"{first} {second}", 0), start=100)]
    excerpts = tuple(answering(hits, [("fees", 100, 100 + len(first)), ("fees", 120, 125), ("rules", 100, 105)]))
    assert excerpts == ((0, first, 100, 100 + len(first)), (0, second, 120, 125))
    made = replace(task(), answers=(), gold=(), hits=tuple(hits), excerpts=excerpts)
    assert retained(made, {0: f"{first} {second}"}) == 1
    assert retained(made, {0: first}) == pytest.approx(len(first) / (len(first) + 5))
    assert retained(made, {}) == 0
    overlapping = replace(made, excerpts=(*excerpts, (1, first, 100, 100 + len(first))))
    assert (
        retained(overlapping, {1: first}) == retained(overlapping, {0: first, 1: first}) == retained(made, {0: first})
    )
    cut = replace(made, excerpts=(*excerpts, (1, "4 euros.", 106, 114)))  # the chunk begins within the sentence
    assert retained(cut, {0: first, 1: "4 euros."}) == retained(made, {0: first})
    assert retained(cut, {1: "4 euros."}) == pytest.approx(8 / (len(first) + 5))


def test_what_a_document_says_twice_may_be_left_in_either_place() -> None:
    fee, note = "The fee is\n4 euros.", "The fee is 4 euros."
    hits = [
        as_hit("fees", "", fee, 0),
        replace(as_hit("fees", "", f"Note. {note}", 1), start=500),
        as_hit("rules", "", fee, 2),
    ]
    excerpts = tuple(answering(hits, [("fees", 0, len(fee))]))
    assert excerpts == ((0, fee, 0, len(fee)), (1, fee, 0, len(fee)))
    made = replace(task(), answers=(), gold=(), hits=tuple(hits), excerpts=excerpts)
    assert retained(made, {0: fee}) == retained(made, {1: note}) == retained(made, {0: fee, 1: note}) == 1
    assert retained(made, {1: "Note.", 2: fee}) == 0


def test_a_title_counts_only_where_it_is_written() -> None:
    assert retained(task(), {2: "t2\nnothing"}) == 0
    assert retained(replace(task(), answers=("t2",)), {2: "t2\nnothing"}) == 1
    assert retained(replace(task(), answers=("t2",)), {2: "nothing"}) == 0


def test_what_is_not_kept_is_counted() -> None:
    made = Task(question="Fee?", answers=(), hits=(as_hit("a", "Fees", "The fee is 40 euros.", 0),), gold=())
    context = compress("Fee?", made.hits, 100)
    found = diet_systems.Guarantees()
    found.watch(made, 100, context)
    assert found == diet_systems.Guarantees(prompts=1, digit_strings=1)
    found.watch(made, 5, replace(context, text=context.text.replace("40", "4")))
    assert (found.corrupted_digit_strings, found.broken_citations, found.overruns) == (1, 1, 1)


def test_weights_are_chosen_on_the_other_half() -> None:
    def row(system: str, name: str, even: float, odd: float) -> Row:
        return {"system": system, "set": name, "questions": 2, "even": [even], "odd": [odd]}

    names = ("nq", "macro")
    rows = [row("diet", name, 50.0, 40.0) for name in names] + [row("x", name, 60.0, 10.0) for name in names]
    made = diet.chosen(rows)[0]
    assert (made["even"], made["odd"], made["retention"]) == ([50.0], [10.0], [30.0])


def test_parts_are_merged_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "diet.json"
    diet.merge(path, {"retention": [1], "terms": [2]}, {"retention", "terms"})
    diet.merge(path, {"terms": [3]}, {"terms"})
    written = json.loads(path.read_text())
    assert written["summary"] == {"retention": [1], "terms": [3]}
    assert set(written["machines"]) == {"retention", "terms"}


def test_gold_passages_go_to_either_end() -> None:
    order = [[hit.chunk_id for hit in nll.reordered(task(), gold_first=first)] for first in (True, False)]
    assert order == [[2, 0, 1, 3], [0, 1, 3, 2]]
    assert page(task().hits[:2]).splitlines()[::2] == ["[1] t0", "[2] t1"]


def test_likelihoods_are_compared_question_by_question() -> None:
    values = {"gold first": [1.0, 4.0], "gold last": [3.0, 2.0], nll.OURS: [1.0, 1.0]}
    found = nll.summed(values, {name: [10, 20] for name in values})
    by_name = {one["context"]: one for one in found["contexts"]}
    assert by_name[nll.BEST]["nll"] == 1.5
    assert (by_name[nll.BEST]["ours_minus"], by_name[nll.BEST]["standard_error"]) == (-0.5, 0.5)
    assert found["no_worse_than_best_ordering"]
    assert "better_than_long_llmlingua" not in found
    worse = nll.summed(
        {**values, nll.LONG_LLMLINGUA: [0.5, 0.5]}, {name: [1, 1] for name in [*values, nll.LONG_LLMLINGUA]}
    )
    assert not worse["better_than_long_llmlingua"]


def test_the_nearest_passages_stay_as_far_as_they_fit() -> None:
    scores = (0.1, 0.9, 0.5, 0.3)
    hits = tuple(replace(hit, dense_score=score) for hit, score in zip(task().hits, scores, strict=True))
    ranked, found = replace(task(), hits=hits), {0: "short", 1: "short", 2: "long " * 50, 3: "short"}
    assert list(nearest(ranked, found, 10**6)) == [1, 2, 3, 0]
    assert list(nearest(ranked, found, 30)) == [1]  # the second is too long, and none is taken in its place
    assert nearest(ranked, found, 1) == {}


def test_a_subset_is_spread_over_the_set() -> None:
    assert spread(list(range(10)), 3) == [0, 3, 6]
    assert spread([1, 2], 5) == [1, 2]


def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ImportError: no such compressor' >&2\nexit 1\n")
    python.chmod(0o755)
    with (
        runner.answering(str(python), "splitters") as peer,
        pytest.raises(RuntimeError, match="no such compressor"),
    ):
        peer.ask({})
