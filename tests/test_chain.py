"""The chain as a pure function: it ends, it is ordered, and it asks no model twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ragdiet.fallback import Plan, Step, next_step, safe_reply
from ragdiet.types import Attempt, Hit

MODELS = ("small", "middle", "large")


def walk(plan: Plan, accepted: list[bool]) -> list[Step]:
    """Follow the chain with the given verdicts, one a step, then refusals."""
    verdicts = iter(accepted)
    attempts: list[Attempt] = []
    steps: list[Step] = []
    while step := next_step(attempts, plan):
        steps.append(step)
        verdict = True if step.kind == "safe reply" else next(verdicts, False)
        attempts.append(Attempt(step=step.kind, model=step.model, accepted=verdict, reason=""))
        assert len(steps) < 20, "the chain does not end"
    return steps


@given(st.lists(st.booleans(), max_size=8), st.integers(0, 3), st.booleans())
def test_it_always_ends_and_never_repeats(accepted: list[bool], models: int, research: bool) -> None:
    steps = walk(Plan(models=MODELS[:models], research=research), accepted)
    assert steps[0].kind == "retrieve"
    assert len(set(steps)) == len(steps)
    read = [step.model for step in steps if step.kind == "read"]
    assert read == list(MODELS[: len(read)])
    assert all(step.kind != "safe reply" for step in steps[:-1])


def kinds(accepted: list[bool], **plan: object) -> list[str]:
    return [step.model or step.kind for step in walk(Plan(models=MODELS, **plan), accepted)]  # type: ignore[arg-type]


def test_the_documented_paths() -> None:
    assert kinds([True, True]) == ["retrieve", "small"]
    assert kinds([True, False, True]) == ["retrieve", "small", "middle"]
    assert kinds([False, True, True]) == ["retrieve", "re-search", "small"]
    assert kinds([False, False]) == ["retrieve", "re-search", "safe reply"]
    assert kinds([False], research=False) == ["retrieve", "safe reply"]
    assert kinds([True]) == ["retrieve", "small", "middle", "large", "safe reply"]


def test_safe_reply_names_each_document_once() -> None:
    hits = [
        Hit(chunk_id=n, document_id=name, text="text", score=0.0, title=name.upper(), start=n, end=n + 4)
        for n, name in enumerate("aabcd")
    ]
    text, cited = safe_reply("not supported", hits)
    assert [citation.document_id for citation in cited] == ["a", "b", "c"]
    assert [citation.chunk_id for citation in cited] == [0, 2, 3]
    assert text.endswith("A [1], B [2], C [3]")
    assert safe_reply("nothing found", []) == ("The documents do not seem to hold an answer to this.", ())
