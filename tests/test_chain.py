"""The chain as a pure function, its conditions and its safe replies: no database, no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.errors import BadTemplate, InvalidArgument
from ragdiet.fallback import (
    LANGUAGES,
    Chain,
    ChainStep,
    Facts,
    Reason,
    Research,
    SafeReply,
    Search,
    Step,
    cited,
    confident,
    next_step,
    safe_reply,
    unlikely,
)
from ragdiet.types import Attempt, Hit

MODELS = ("small", "middle", "large")
HIT = Hit(chunk_id=1, document_id="a", text="text", score=0.0, title="A {title}", start=0, end=4)


def walk(chain: Chain, accepted: Sequence[bool]) -> list[ChainStep]:
    """Follow the chain with the given verdicts, one a step, then refusals."""
    verdicts = iter(accepted)
    attempts: list[Attempt] = []
    steps: list[ChainStep] = []
    while step := next_step(attempts, chain):
        steps.append(step)
        verdict = isinstance(step, SafeReply) or next(verdicts, False)
        model = step.id if isinstance(step, Step) else None
        attempts.append(Attempt(step=step.name, model=model, accepted=verdict, reason=""))
        assert len(steps) < 20, "the chain does not end"
    return steps


def names(chain: Chain, accepted: Sequence[bool]) -> list[str]:
    return [step.id if isinstance(step, Step) else step.name for step in walk(chain, accepted)]


chains = st.lists(st.sampled_from([Research(), *map(Step, MODELS)]), min_size=1, max_size=6).filter(
    lambda steps: (
        any(isinstance(step, Step) for step in steps)
        and all(steps.count(step) == 1 for step in steps if isinstance(step, Step))
    )
)


@given(chains, st.lists(st.booleans(), max_size=8))
def test_it_always_ends_and_keeps_its_order(given: list[ChainStep], accepted: list[bool]) -> None:
    chain = Chain(given)
    steps = walk(chain, accepted)
    assert isinstance(steps[0], Search)
    left = iter(chain.steps)
    assert all(any(step is each for each in left) for step in steps), "a step out of its order, or twice"
    assert all(not isinstance(step, SafeReply) for step in steps[:-1])
    passed = False
    for step, verdict in zip(steps, [*accepted, *[False] * 20], strict=False):
        assert passed or not isinstance(step, Step), "a model was asked about hits that no search let pass"
        if isinstance(step, Search | Research):
            passed = verdict


def test_the_documented_paths() -> None:
    chain = Chain.of(MODELS)
    assert names(chain, [True, True]) == ["retrieve", "small"]
    assert names(chain, [True, False, True]) == ["retrieve", "small", "middle"]
    assert names(chain, [False, True, True]) == ["retrieve", "re-search", "small"]
    assert names(chain, [False, False]) == ["retrieve", "re-search", "safe reply"]
    assert names(chain, [True]) == ["retrieve", "small", "middle", "large", "safe reply"]
    assert names(Chain.of(MODELS, research=False), [False]) == ["retrieve", "safe reply"]


def test_a_search_may_stand_between_models() -> None:
    chain = Chain([Step("small"), Research(), Step("large")])
    assert names(chain, [True, True]) == ["retrieve", "small"]
    assert names(chain, [True, False, True, True]) == ["retrieve", "small", "re-search", "large"]
    assert names(chain, [True, False, False]) == ["retrieve", "small", "re-search", "safe reply"]
    assert names(chain, [False, True, True]) == ["retrieve", "re-search", "large"]


def test_a_guard_that_refuses_ends_it() -> None:
    chain = Chain.of(MODELS)
    searched = Attempt(step="retrieve", accepted=True, reason="")
    masked, refused = (Attempt(step="guard", accepted=accepted, reason="") for accepted in (True, False))
    assert next_step([refused], chain) == SafeReply()
    assert next_step([masked, searched, masked], chain) == chain.reads[0]
    read = Attempt(step="read", model="small", accepted=True, reason="")
    assert next_step([masked, searched, masked, read], chain) is None


def test_a_refusal_that_is_believed_ends_it() -> None:
    chain = Chain([Step("small"), Research(), Step("large")])
    searched = Attempt(step="retrieve", accepted=True, reason="")
    believed, doubted = (
        Attempt(step="read", model="small", accepted=False, reason="", settles=settles) for settles in (True, False)
    )
    assert next_step([searched, doubted], chain) == Research()
    assert next_step([searched, believed], chain) == SafeReply()
    assert next_step([searched, believed, Attempt(step="safe reply", accepted=True, reason="")], chain) is None


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([], "no steps"),
        ([Search(), SafeReply()], "no model"),
        ([Step("a"), Search()], "Search stands first"),
        ([SafeReply(), Step("a")], "SafeReply stands last"),
        ([Step("a"), Research(), Step("a")], "asks a twice"),
        (["a"], "is no step"),
    ],
)
def test_chains_that_cannot_work(steps: list[ChainStep], fault: str) -> None:
    with pytest.raises(InvalidArgument, match=fault):
        Chain(steps)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Step(7),  # type: ignore[arg-type]
        lambda: Step("a", accept=0.8),  # type: ignore[arg-type]
        lambda: Step("a", share=0),
        lambda: Step("a", share=1.5),
        lambda: Research(wider=0),
        lambda: SafeReply(sources=-1),
        lambda: SafeReply(language="klingon"),
        lambda: confident(80),
        lambda: cited(0),
        lambda: unlikely(0),
        lambda: unlikely(1.1),
        lambda: Step("a", declines=0.5),  # type: ignore[arg-type]
        lambda: confident(0.8) & "cited",  # type: ignore[operator]
    ],
)
def test_steps_and_conditions_that_cannot_work(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgument):
        wrong()


def test_each_model_but_the_last_leaves_time_for_the_next() -> None:
    chain = Chain([Step("a"), Step("b", share=0.9), Step("c")])
    assert [chain.share(step) for step in chain.reads] == [0.5, 0.9, 1.0]


def facts(confidence: float = 0.7, cited: float = 1.0, text: str = "", found: float = 0.9) -> Facts:
    return Facts(
        question="?",
        confidence=confidence,
        threshold=0.6,
        found=found,
        hits=(),
        text=text,
        cited=cited,
        unspent=Decimal(1),
    )


def short(facts: Facts) -> bool:
    return len(facts.text) < 5


def test_conditions_say_what_decided() -> None:
    assert confident().judge(facts()) == (True, "confidence 0.70 at or over 0.60")
    assert confident(0.8).judge(facts()) == (False, "confidence 0.70 under 0.80")
    both = confident(0.5) & cited()
    assert both.judge(facts()) == (True, "confidence 0.70 at or over 0.50 and 100% of the sentences cited")
    assert both.judge(facts(cited=0.5)) == (False, "50% of the sentences cited")
    either = confident(0.9) | cited()
    assert either.judge(facts()) == (True, "100% of the sentences cited")
    assert either.judge(facts(cited=0.2)) == (False, "confidence 0.70 under 0.90, and 20% of the sentences cited")
    assert [cited(0.5)(facts(cited=share)) for share in (0.4, 0.5)] == [False, True]


def test_a_corpus_that_is_unlikely_to_hold_an_answer() -> None:
    rule = unlikely(0.5) & confident(0.6)
    assert str(rule) == "chance of an answer under 0.50 and confidence at or over 0.60"
    assert unlikely(0.5).judge(facts(found=0.49)) == (True, "chance of an answer 0.49 under 0.50")
    assert str(unlikely()) == "chance of an answer under the confidence model's threshold"
    assert unlikely().judge(facts(found=0.59)) == (True, "chance of an answer 0.59 under 0.60")
    assert not unlikely()(facts(found=0.6))
    assert unlikely(0.5).judge(facts(found=0.5)) == (False, "chance of an answer 0.50 at or over 0.50")
    assert not rule(facts(0.5, found=0.1))


def test_plain_functions_fit() -> None:
    for rule in (confident(0.5) & short, short & confident(0.5)):
        assert rule(facts(text="Yes.")) is True
        assert rule.judge(facts(text="Well, yes.")) == (False, "short said no")
    assert (short | confident(0.9))(facts(text="Yes.")) is True
    assert str(Step("a", accept=short).accept) == "short"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_conditions_compose_as_and_and_or_do(confidence: float, share: float, least: float, most: float) -> None:
    asked = facts(confidence, share)
    one, two = confident(least), cited(most)
    assert (one & two)(asked) == (one(asked) and two(asked))
    assert (one | two)(asked) == (one(asked) or two(asked))


def test_safe_reply_names_each_document_once() -> None:
    hits = [
        Hit(chunk_id=n, document_id=name, text="text", score=0.0, title=name.upper(), start=n, end=n + 4)
        for n, name in enumerate("aabcd")
    ]
    text, cited = safe_reply("not supported", hits)
    assert [citation.document_id for citation in cited] == ["a", "b", "c"]
    assert [citation.chunk_id for citation in cited] == [0, 2, 3]
    assert text.endswith("\nNearest: A [1], B [2], C [3]")
    assert safe_reply("nothing found", []) == ("The documents do not seem to hold an answer to this.", ())
    assert safe_reply("not supported", hits, SafeReply(sources=0)) == (text.splitlines()[0], ())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_words_in_every_language(language: str) -> None:
    reasons: tuple[Reason, ...] = get_args(Reason)
    said = [safe_reply(reason, [HIT], language=language)[0].splitlines() for reason in reasons]
    assert len({reply for reply, _ in said}) == len(reasons)
    assert {nearest for _, nearest in said} == {said[0][1]}
    assert "A {title} [1]" in said[0][1]
    assert all(reply.endswith((".", "。")) for reply, _ in said)
    english = safe_reply("refused", [HIT], language="english")
    assert (safe_reply("refused", [HIT], language=language) == english) == (language == "english")
    assert safe_reply("refused", [HIT], SafeReply(language=language), language="dutch")[0] == "\n".join(
        said[reasons.index("refused")]
    )


def test_a_language_without_templates_is_answered_in_english() -> None:
    assert safe_reply("refused", [], language="finnish")[0] == "This cannot be answered here."


def test_templates_of_ones_own() -> None:
    step = SafeReply(templates={"not supported": "Please ask HR {{hr@example.com}}.\nSee {sources}."})
    assert safe_reply("not supported", [HIT], step)[0] == "Please ask HR {hr@example.com}.\nSee A {title} [1]."
    assert safe_reply("not supported", [], step)[0] == "Please ask HR {hr@example.com}."
    assert safe_reply("refused", [], step)[0] == "This cannot be answered here."


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("Ask HR.", "lacks its placeholder"),
        ("Ask HR.\n{source}", "not known"),
        ("Ask HR.\n{sources} {name}", "not known"),
        ("Ask HR.\n{sources.__class__}", "not known"),
        ("Ask HR.\n{0}", "not known"),
        ("Ask HR.\n{}", "not known"),
        ("Ask HR.\n{sources:d}", "{sources} alone"),
        ("Ask HR } now.\n{sources}", "write it twice"),
        ("Ask HR {now.\n{sources}", "write it twice"),
        ("See {sources}", "without {sources}"),
        (None, "give a text"),
    ],
)
def test_templates_that_cannot_be_filled(template: str, fault: str) -> None:
    with pytest.raises(BadTemplate, match=fault):
        SafeReply(templates={"refused": template})


def test_a_template_for_no_reason() -> None:
    with pytest.raises(BadTemplate, match="the reasons are nothing found"):
        SafeReply(templates={"bored": "No.\n{sources}"})  # type: ignore[dict-item]
