"""The reader that costs nothing."""

from __future__ import annotations

from ragdiet import ExtractiveReader, compress
from ragdiet.generate import SYSTEM, citations
from ragdiet.types import Context, Prompt

PASSAGES = (
    "## Fees\n\nItem 7 costs 21 euros. Item 2 costs 6 euros. Children enter free.",
    "The museum opens at ten. It was founded in 1891 by two brothers.",
)


def answered(question: str, passages: tuple[str, ...] = PASSAGES, **options: int) -> tuple[str, Context]:
    context = compress(question, passages, 500)
    prompt = Prompt(system=SYSTEM, question=question, context=context)
    return ExtractiveReader(**options).generate(prompt).text, context


def test_it_quotes_the_best_sentence_and_cites_it() -> None:
    text, context = answered("When was the museum founded?")
    assert "It was founded in 1891 by two brothers." in text
    (citation, *_) = citations(text, context)
    assert PASSAGES[1][citation.start : citation.end] in text


def test_a_sentence_about_another_number_is_not_quoted_with_it() -> None:
    assert answered("What does item 7 cost?")[0].startswith("Item 7 costs 21 euros.")
    assert "Item 2" not in answered("What does item 7 cost?")[0]


def test_headings_are_no_answers() -> None:
    assert "##" not in answered("Fees?", ("## Fees\n\nThey are 21 euros.",))[0]
    assert answered("Fees?", ("## Fees",))[0].startswith("## Fees")


def test_at_most_so_many_sentences() -> None:
    same = ("The gate is red. The gate is tall. The gate is old.",)
    assert answered("What is the gate?", same, sentences=1)[0].count("[") == 1
    assert answered("What is the gate?", same, sentences=3)[0].count("[") == 3


def test_an_empty_context_gives_an_empty_reply() -> None:
    assert answered("Anything?", ())[0] == ""
