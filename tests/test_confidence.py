"""Confidence: the signals by hand-made values, and what the default model makes of plain cases."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet.confidence import LogisticConfidence
from ragdiet.confidence.signals import (
    ANSWER_SIGNALS,
    RETRIEVAL_SIGNALS,
    TOPIC_SIGNALS,
    Reading,
    answer_margin,
    answer_signals,
    best_cosine,
    cited_sentences,
    cosine_margin,
    legs_agree,
    phrases_kept,
    retrieval_signals,
    support,
)
from ragdiet.confidence.wording import is_negated, opposites, specifics, subject_terms, words_of
from ragdiet.diet import SentenceDiet
from ragdiet.errors import InvalidArgument, SourceNotFound
from ragdiet.generate import SYSTEM, ExtractiveReader
from ragdiet.protocols import Confidence
from ragdiet.types import Context, Generation, Hit, Prompt, Sentence, Source, Space, Usage

NOTICE = "The notice period is 30 days for staff. Managers give 90 days. Notice must be given in writing to Ada Lovell."
LUNCH = "Lunch is served in the canteen from noon. Guests pay at the till. Vegetarian dishes are marked with a leaf."
PARKING = "Cars park behind the warehouse. Bicycles have a shed of their own. The gate closes at nine in the evening."
TEXTS = (NOTICE, LUNCH, PARKING)


def hit(text: str, *, n: int = 1, dense: float = 0.0, rank: int | None = None, title: str | None = None) -> Hit:
    return Hit(
        chunk_id=n,
        document_id=f"d{n}",
        text=text,
        score=dense,
        dense_score=dense,
        dense_rank=rank,
        keyword_rank=rank,
        title=title,
    )


def found(*cosines: float) -> tuple[Hit, ...]:
    pairs = enumerate(zip(TEXTS, cosines, strict=True), start=1)
    return tuple(hit(text, n=n, dense=cosine, rank=n) for n, (text, cosine) in pairs)


def reply(text: str, stop_reason: str = "end_turn") -> Generation:
    return Generation(
        text=text, model="m", served="m", usage=Usage(), stop_reason=stop_reason, cost=Decimal(0), seconds=0.0
    )


def context(*texts: str, title: str | None = None) -> Context:
    """One block for each text, numbered from 1, its one sentence scored by its place."""
    kept = tuple(
        Sentence(document_id=f"d{n}", text=text, start=0, end=len(text), score=1 / n, source=n, chunk_id=n)
        for n, text in enumerate(texts, start=1)
    )
    sources = tuple(Source(n=n, document_id=f"d{n}", chunk_id=n, title=title) for n in range(1, len(texts) + 1))
    return Context(text="\n".join(texts), tokens=10, tokens_before=10, kept=kept, dropped=(), sources=sources)


def asked(question: str, hits: tuple[Hit, ...]) -> tuple[Context, Generation]:
    """What the default diet and reader make of the hits."""
    dieted = SentenceDiet().compress(question, hits, budget=200)
    return dieted, ExtractiveReader().generate(Prompt(system=SYSTEM, question=question, context=dieted))


# Wording


def test_a_question_is_about_its_words_without_those_that_shape_it() -> None:
    assert subject_terms("How long is the notice period?") == ("notic", "period")
    assert subject_terms("Who are they?") == ("who",)  # rather its own words than none


def test_names_numbers_identifiers_and_quotations_are_specific() -> None:
    question = 'Does Ada of Northam set max_retries and chunkSize to 2.5 in "slow mode" with os.path?'
    expected = [
        {"ada"},
        {"northam"},
        {"max_retries", "max", "retri"},
        {"chunksiz", "chunk", "size"},
        {"2.5"},
        {"slow", "mode"},
        {"os.path", "os", "path"},
    ]
    assert [set(named) for named in specifics(question)] == expected
    assert specifics("what is the notice period") == ()


def test_a_word_before_the_question_mark_is_not_specific_for_its_capital_alone() -> None:
    assert specifics("Which fee applies?") == ()
    assert specifics("Lunch costs what?") == ()
    assert specifics("WHICH FEE APPLIES TO STAFF?") == ()


@pytest.mark.parametrize("text", ["It isn't paid", "It cannot be", "never late", "without notice", "It isn’t"])
def test_denials_are_seen(text: str) -> None:
    assert is_negated(text)


@pytest.mark.parametrize("text", ["It is noted", "the northern nose", "notice"])
def test_words_that_only_begin_like_a_denial_are_none(text: str) -> None:
    assert not is_negated(text)


def test_denials_and_names_are_those_of_the_language() -> None:
    assert is_negated("Das wird nicht bezahlt", "german") is True
    assert is_negated("Das wird bezahlt", "german") is False
    assert is_negated("Se ei ole", "finnish") is None
    assert specifics("Wer gibt Ada die 90 Tage?", "german") == (frozenset({"90"}),)
    assert subject_terms("Wie lang ist die Kündigungsfrist?", "german")[-1].startswith("kundig")


def test_signals_of_words_are_unknown_in_a_language_without_them() -> None:
    signals = retrieval_signals(Reading("Mikä on ensimmäinen merkki?", found(0.5, 0.4, 0.3), "finnish"))
    assert math.isnan(signals["negation_missing"])
    assert math.isnan(signals["opposite_said"])
    assert signals["sentence_coverage"] == 0.0


def test_opposites_hold_both_ways() -> None:
    table = opposites()
    assert "retreat" in table["advanc"]
    assert all(stem in table[other] for stem, others in table.items() for other in others)
    assert all(stem not in others for stem, others in table.items())


def test_a_number_is_the_same_with_and_without_its_commas() -> None:
    assert "1250000" in words_of("It cost 1,250,000 crowns.")
    assert "3.5" in words_of("a 3.5 share")


# Signals of the hits


def test_the_best_cosine_leaves_out_what_no_vector_scored() -> None:
    assert best_cosine(found(0.2, 0.7, 0.1)) == 0.7
    assert math.isnan(best_cosine(found(0.0, 0.0, 0.0)))
    assert best_cosine(found(math.nan, 0.3, math.inf)) == 0.3
    assert math.isnan(best_cosine(found(math.nan, math.inf, 0.0)))
    assert best_cosine(found(-0.4, 0.0, 0.0)) == 0.0


def test_the_margin_is_the_best_over_the_mean_of_the_rest() -> None:
    assert cosine_margin(found(0.3, 0.8, 0.1)) == pytest.approx(0.6)
    assert math.isnan(cosine_margin([hit(NOTICE, dense=0.8)]))


def test_legs_agree_where_one_hit_is_high_in_both() -> None:
    hits = [Hit(chunk_id=n, document_id="d", text="x", score=0, dense_rank=d, keyword_rank=k) for n, d, k in
            [(1, 1, 4), (2, 2, 2), (3, 3, None)]]  # fmt: skip
    assert legs_agree(hits, hits) == 0.5
    assert legs_agree(hits[:1], hits) == 0.25
    assert legs_agree([], hits) == 0.0
    assert math.isnan(legs_agree(hits[2:], hits[2:]))


def test_what_no_hit_has_counts_most_against_coverage() -> None:
    reading = Reading("notice canteen zeppelin", found(0.5, 0.4, 0.3))
    rare, common = reading.importance["zeppelin"], reading.importance["notic"]
    assert rare > common
    assert reading.coverage(words_of("notice canteen")) < 2 / 3
    assert reading.coverage(words_of("zeppelins, notices and canteens")) == pytest.approx(1.0)
    assert reading.coverage(frozenset()) == 0.0


def test_specifics_count_only_where_the_question_has_some() -> None:
    hits = found(0.5, 0.4, 0.3)
    assert Reading("Who gives Ada 90 days?", hits).missing_specifics(words_of("Ada has 60 days")) == 1.0
    assert Reading("Who gives Ada 90 days?", hits).missing_specifics(words_of("Ada has 90 days")) == 0.0
    assert math.isnan(Reading("who gives notice", hits).missing_specifics(words_of("Ada")))


def test_opposites_and_denials_are_held_against_a_sentence() -> None:
    reading = Reading("What is not the first sign?", found(0.5, 0.4, 0.3))
    assert reading.has_opposite(words_of("The last sign")) == 1.0
    assert reading.has_opposite(words_of("The first and last sign")) == 0.0
    assert reading.lacks_negation("It is a sign.") == 1.0
    assert reading.lacks_negation("It is no sign.") == 0.0
    assert Reading("What is the sign?", reading.hits).lacks_negation("It is no sign.") == 0.0


def test_titles_count_as_said() -> None:
    hits = (hit("It is 30 days.", title="Notice period"),)
    assert retrieval_signals(Reading("What is the notice period?", hits))["sentence_coverage"] == pytest.approx(1.0)


def test_hits_after_the_tenth_change_nothing() -> None:
    few = tuple(hit(f"Rule {n} of the house.", n=n, dense=0.5 / n, rank=n) for n in range(1, 11))
    more = (*few, hit(NOTICE, n=99, dense=0.9, rank=99))
    assert retrieval_signals(Reading("rules of the house", more)) == retrieval_signals(
        Reading("rules of the house", few)
    )


# Signals of an answer


def test_phrases_are_neighbouring_words_still_near_each_other() -> None:
    sequence = subject_terms("second oil crisis")
    assert phrases_kept(sequence, "the second crisis of oil") == 1.0
    assert phrases_kept(sequence, "oil crisis, far away from that and very much later came one second") == 0.5
    assert math.isnan(phrases_kept(("one",), "one"))


def test_the_answer_stands_out_by_the_share_it_leads_by() -> None:
    blocks = context("first", "second", "third")
    assert answer_margin(blocks.kept[:1], blocks) == pytest.approx(0.5)
    assert answer_margin(blocks.kept[1:], blocks) == 0.0
    assert math.isnan(answer_margin(blocks.kept, blocks))


def test_a_citation_means_the_sentence_quoted_or_the_nearest() -> None:
    dieted, generation = asked("Who gets the notice?", found(0.8, 0.2, 0.1))
    quoted = [sentence.text for sentence in cited_sentences(dieted, generation.text)]
    assert quoted
    assert all(text in generation.text for text in quoted)
    number = next(sentence.source for sentence in dieted.kept if "Managers" in sentence.text)
    nearest = cited_sentences(dieted, f"Those who manage have ninety, that is 90 days [{number}].")
    assert [sentence.text for sentence in nearest] == ["Managers give 90 days."]


def test_a_verbatim_quotation_is_fully_supported() -> None:
    for question in ("Who gets the notice?", "When is lunch served?", "Where do bicycles go?"):
        assert support(*asked(question, found(0.5, 0.4, 0.3))) == 1.0


def test_of_one_block_all_that_is_quoted_counts() -> None:
    sentences = ("Staff give 30 days.", "Managers give 90 days.", "Guests give none.")
    kept = tuple(
        Sentence(document_id="d", text=text, start=n, end=n + 1, score=1.0, source=1, chunk_id=1)
        for n, text in enumerate(sentences)
    )
    one = Context(text="", tokens=1, tokens_before=1, kept=kept, dropped=())
    assert cited_sentences(one, f"{sentences[0]} [1] {sentences[2]} [1]") == [kept[0], kept[2]]


def test_a_quotation_of_several_sentences_needs_one_mark() -> None:
    blocks = context("See Rule 9. Then ask. The rest is up to Ada.")
    assert support(blocks, reply("See Rule 9. Then ask. The rest is up to Ada. [1]")) == 1.0


def test_support_falls_with_what_the_sources_lack() -> None:
    blocks = context("The period is 30 days.", "Ada Lovell takes it.", title="Notice")
    assert support(blocks, reply("It lasts 30 days [1].")) == 1.0
    assert support(blocks, reply("It lasts 31 days [1].")) == 0.0
    assert support(blocks, reply("It lasts 30 days [1]. It goes to Bob Marten [2].")) == 0.5
    assert support(blocks, reply("It lasts 30 days. [1] It goes to somebody. [2]")) == 1.0
    assert support(blocks, reply("It lasts 30 days [1]. It goes to somebody.")) == 0.5
    assert support(blocks, reply("As Notice says, it lasts 30 days [1].")) == 1.0


@pytest.mark.parametrize("text", ["", "NOT FOUND", "[1]", "It lasts 30 days.", "It lasts 30 days [7]."])
def test_a_reply_without_a_claim_and_a_source_has_no_support(text: str) -> None:
    assert support(context("The period is 30 days."), reply(text)) == 0.0


def test_a_reply_cut_off_or_blocked_is_worth_less() -> None:
    blocks = context("The period is 30 days.")
    assert support(blocks, reply("It lasts 30 days [1].", "max_tokens")) == 0.5
    assert support(blocks, reply("It lasts 30 days [1].", "content_filtered")) == 0.0


# The model


def test_it_fits_the_protocol_and_tells_what_it_is() -> None:
    model = LogisticConfidence.default()
    assert isinstance(model, Confidence)
    assert 0 < model.model.gate < model.accept == model.gate < 1  # no reply is surer than its hits
    model.accept = 0.1
    assert model.gate == model.model.gate
    model.gate = 0.6
    assert model.gate == 0.6
    assert model.certified is False
    assert model.card["held_out"]["auroc"]["off_corpus"]["retrieval"] > 0.95


def test_nothing_found_has_no_chance() -> None:
    model = LogisticConfidence.default()
    empty = Context(text="", tokens=0, tokens_before=0, kept=(), dropped=())
    assert model.of_retrieval("notice?", ()) == 0.0
    assert model.of_answer("notice?", (), empty, reply("")) == 0.0
    assert model.of_answer("notice?", found(0.5, 0.4, 0.3), empty, reply("30 days [1]")) == 0.0


def test_a_question_the_corpus_answers_passes_and_a_foreign_one_does_not() -> None:
    model = LogisticConfidence.default()
    question, hits = "How long is the notice period for staff?", found(0.75, 0.2, 0.15)
    foreign = tuple(hit(text, n=n, dense=0.05 / n, rank=4 - n) for n, text in enumerate(TEXTS, start=1))
    assert model.of_retrieval(question, hits) > model.accept
    assert model.of_answer(question, hits, *asked(question, hits)) > model.accept
    assert model.of_retrieval("Which vitamins do carrots have?", foreign) < model.gate


def test_each_weight_has_the_sign_that_sense_gives_it() -> None:
    model = json.loads(files("ragdiet.confidence").joinpath("default.json").read_text("utf-8"))
    against = {"specifics_missing", "negation_missing", "opposite_said"}
    for part, names in (("topic", TOPIC_SIGNALS), ("said", RETRIEVAL_SIGNALS), ("answer", ANSWER_SIGNALS)):
        terms = model[part]["terms"]
        assert set(terms) == set(names)
        assert {name for name, term in terms.items() if term["weight"] < 0} == against & set(names)


def test_cosines_of_another_embedder_count_as_unknown() -> None:
    question = "How long is the notice period for staff?"
    near, far = found(0.9, 0.1, 0.1), found(0.1, 0.05, 0.05)
    own = LogisticConfidence.default(Space(name="m", model="local:all-MiniLM-L6-v2-int8", dimensions=384))
    other = LogisticConfidence.default(Space(name="t", model="bedrock:amazon.titan-embed-text-v2:0", dimensions=1024))
    assert own.of_retrieval(question, near) == LogisticConfidence.default().of_retrieval(question, near)
    assert own.of_retrieval(question, near) > own.of_retrieval(question, far)
    assert other.of_retrieval(question, near) == other.of_retrieval(question, far)
    assert other.of_answer(question, near, *asked(question, near)) == other.of_answer(
        question, far, *asked(question, far)
    )


def test_a_retriever_without_scores_is_judged_by_words() -> None:
    model = LogisticConfidence.default()
    plain = tuple(Hit(chunk_id=n, document_id="d", text=text, score=0.0) for n, text in enumerate(TEXTS))
    known = model.of_retrieval("How long is the notice period for staff?", plain)
    foreign = model.of_retrieval("Which vitamins do carrots have?", plain)
    assert known > model.gate
    assert known > foreign


def test_a_reply_with_an_invented_number_is_believed_less() -> None:
    model = LogisticConfidence.default()
    question, hits = "How long is the notice period for staff?", found(0.75, 0.2, 0.15)
    dieted, _ = asked(question, hits)
    number = next(sentence.source for sentence in dieted.kept if "30 days" in sentence.text)
    right = model.of_answer(question, hits, dieted, reply(f"It is 30 days for staff [{number}]."))
    wrong = model.of_answer(question, hits, dieted, reply(f"It is 45 days for staff [{number}]."))
    assert right > model.accept
    assert wrong == 0.0


texts = st.text(max_size=80)
numbers = st.floats(allow_nan=True, allow_infinity=True)
some_hits = st.lists(
    st.builds(
        Hit,
        chunk_id=st.integers(0, 5),
        document_id=texts,
        text=texts,
        score=numbers,
        dense_score=numbers,
        keyword_score=numbers,
        dense_rank=st.none() | st.integers(1, 9),
        keyword_rank=st.none() | st.integers(1, 9),
        title=st.none() | texts,
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(question=texts, hits=some_hits, said=texts)
def test_any_hits_and_any_reply_give_a_chance(question: str, hits: list[Hit], said: str) -> None:
    model = LogisticConfidence.default()
    blocks = context(*(hit.text for hit in hits if hit.text))
    first = model.of_retrieval(question, hits)
    second = model.of_answer(question, hits, blocks, reply(f"{said} [1]"))
    assert 0.0 <= first <= 1.0
    assert 0.0 <= second <= 1.0
    assert (first, second) == (
        model.of_retrieval(question, hits),
        model.of_answer(question, hits, blocks, reply(f"{said} [1]")),
    )


@settings(max_examples=50, deadline=None)
@given(texts)
def test_signals_lie_between_zero_and_one(question: str) -> None:
    hits = found(0.8, 0.5, 0.2)
    dieted, generation = asked("Who gets the notice?", hits)
    reading = Reading(question, hits)
    signals = retrieval_signals(reading) | answer_signals(reading, dieted, generation)
    assert all(math.isnan(value) or -1e-9 <= value <= 1 + 1e-9 for value in signals.values()), signals


# Files


def write(folder: Path, **changes: object) -> Path:
    term = {"weight": 2.0, "mean": 0.5, "scale": 0.25}
    model = {
        "made_for": {"models": ["test:model"], "prompt": "", "embedder": "test:words"},
        "topic": {"bias": 0.0, "terms": {"best_cosine": term}},
        "said": {"bias": 30.0, "terms": {}},
        "answer": {"bias": 0.0, "terms": {}},
        "gate": 0.1,
        "accept": 0.2,
        "certified": True,
        "card": {"by": "hand"},
    }
    path = folder / "model.json"
    path.write_text(json.dumps(model | changes))
    return path


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    model = LogisticConfidence.load(write(tmp_path))
    assert (model.gate, model.accept, model.certified, model.card) == (0.2, 0.2, True, {"by": "hand"})
    assert model.of_retrieval("q", [hit("x", dense=0.75)]) == pytest.approx(1 / (1 + np.exp(-2)))
    assert model.of_retrieval("q", [hit("x")]) == pytest.approx(0.5)  # an unknown signal counts as its mean


def test_an_answer_is_no_likelier_than_that_there_is_one(tmp_path: Path) -> None:
    model = LogisticConfidence.load(write(tmp_path, answer={"bias": 1.0, "terms": {}}))
    blocks, hits = context("The period is 30 days."), [hit("The period is 30 days.", dense=0.25)]
    assert model.of_answer("q", hits, blocks, reply("It is 30 days [1].")) == model.of_retrieval("q", hits)
    sure = [hit("The period is 30 days.", dense=0.95)]
    whole = model.of_answer("q", sure, blocks, reply("It is 30 days [1]."))
    assert whole == pytest.approx(1 / (1 + np.exp(-1)))
    half = model.of_answer("q", sure, blocks, reply("It is 30 days [1]. It goes to somebody."))
    assert half == pytest.approx(whole / 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": 1.5},
        {"accept": None},
        {"extra": 1},
        {"answer": {"bias": 0.0, "terms": {"best_cosine": {"weight": 1, "mean": 0, "scale": 0}}}},
        {"answer": {"bias": 0.0, "terms": {"moon_phase": {"weight": 1, "mean": 0, "scale": 1}}}},
    ],
)
def test_a_file_that_is_no_model_says_so(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match=r"model\.json"):
        LogisticConfidence.load(write(tmp_path, **changes))


def test_broken_and_absent_files(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InvalidArgument, match="no confidence model"):
        LogisticConfidence.load(tmp_path / "broken.json")
    with pytest.raises(SourceNotFound, match="check the path"):
        LogisticConfidence.load(tmp_path / "absent.json")
