from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet.diet import compress
from ragdiet.diet.units import read_units
from ragdiet.errors import BudgetTooSmall
from ragdiet.sentences import split_sentences
from ragdiet.types import Document

HANDBOOK = """\
# Handbook

## Refunds

It takes 30 days. Money goes back to the card.

A fee is waived when:

- the ferry is late
- the ferry is full:
  - on Sundays
  - on holidays. Ask first.
- you are under 18

## Prices

| Route | Adult | Child |
|---|---|---|
| Carrow | 4 euros | 2 euros |
| Bern | 9 euros | 3 euros |

```python
def fee(n):
    if n:
        return 4
    return 5
```

Name: Ada
Born: 1815

Name: Grace
Born: 1906
"""


def together(text: str) -> dict[str, list[str]]:
    """What each sentence is kept with, in the order of the text."""
    spans = split_sentences(text)
    said = [text[start:end] for start, end in spans]
    return {said[index]: [said[other] for other in unit.together] for index, unit in enumerate(read_units(text, spans))}


def kept(question: str, text: str, budget: int) -> list[str]:
    return [one.text for one in compress(question, [text], budget).kept]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("It takes 30 days.", ["## Refunds", "It takes 30 days."]),
        ("Money goes back to the card.", ["Money goes back to the card."]),
        ("- the ferry is late", ["A fee is waived when:", "- the ferry is late"]),
        ("- on Sundays", ["A fee is waived when:", "- the ferry is full:", "- on Sundays"]),
        ("Ask first.", ["A fee is waived when:", "- the ferry is full:", "Ask first."]),
        ("- you are under 18", ["A fee is waived when:", "- you are under 18"]),
        ("| Bern | 9 euros | 3 euros |", ["| Route | Adult | Child |", "| Bern | 9 euros | 3 euros |"]),
        ("return 4", ["```python", "def fee(n):", "if n:", "return 4", "return 5", "```"]),
        ("Born: 1906", ["Name: Grace", "Born: 1906"]),
    ],
)
def test_what_a_sentence_comes_with(sentence: str, expected: list[str]) -> None:
    assert together(HANDBOOK)[sentence] == expected


@pytest.mark.parametrize(
    ("question", "budget", "expected"),
    [
        ("What does a child pay to Bern?", 26, ["| Route | Adult | Child |", "| Bern | 9 euros | 3 euros |"]),
        ("When was Grace born?", 14, ["Name: Grace", "Born: 1906"]),
        ("How long does a refund take?", 14, ["## Refunds", "It takes 30 days."]),
        ("What money is refunded?", 14, ["## Refunds", "Money goes back to the card."]),
        ("Where does money go back to?", 14, ["Money goes back to the card."]),
    ],
)
def test_what_a_question_is_answered_with(question: str, budget: int, expected: list[str]) -> None:
    assert kept(question, HANDBOOK, budget)[: len(expected)] == expected


def test_a_lead_in_is_never_kept_without_an_item() -> None:
    lead_in = "A fee is waived when:"
    choices = [kept("When is a fee waived?", HANDBOOK, budget) for budget in range(18, 60)]
    with_it = [chosen for chosen in choices if lead_in in chosen]
    assert with_it
    for chosen in with_it:
        assert chosen[chosen.index(lead_in) + 1].startswith("- ")


@pytest.mark.parametrize(
    "table",
    [
        "Name | Days\nAda | 5\nBob | 7",
        "Name\tDays\nAda\t5\nBob\t7",
        "name,days\nAda,5\nBob,7",
        "name;days\nAda;5\nBob;7",
        "Name | 2020 | 2021\nAda | 5 | 6\nBob | 7 | 8",
    ],
)
def test_every_kind_of_row_comes_with_its_header(table: str) -> None:
    header, *rows = table.split("\n")
    assert {row: together(table)[row] for row in rows} == {row: [header, row] for row in rows}


@pytest.mark.parametrize(
    "text",
    [
        "Name: Ada | Born: 1815\nName: Grace | Born: 1906",
        "Ada | 5\nBob | 7",
        "Home | About us\n\nThe end.",
        "Ada: Hello.\nBob: Good day.\nAda: Farewell.",
        "host: a\nport: 5",
        "One line. Another one.\nA third that stands alone.",
    ],
)
def test_what_reads_on_its_own_comes_alone(text: str) -> None:
    assert all(own == [sentence] for sentence, own in together(text).items())


def test_a_list_without_a_colon_comes_with_its_heading_or_its_lead_in() -> None:
    assert together("Exceptions\n\n- dogs\n- cats")["- cats"] == ["Exceptions", "- cats"]
    assert together("You must bring\n1. a pen\n1) a pad")["1. a pen"] == ["You must bring", "1. a pen"]
    assert together("It rained.\n\n- dogs\n- cats")["- cats"] == ["- cats"]


FARES = """\
## Ferries

The sum goes back to the card within thirty days of the sailing. It is paid by Ada.

## Trains

The sum goes back to the card within sixty days of the journey. It is paid by Grace.
"""


def test_a_heading_with_a_word_of_the_question_comes_with_each_sentence_under_it() -> None:
    for budget in range(26, 70):
        found = kept("How many days until the sum for ferries goes back?", FARES, budget)
        assert found
        assert "## Ferries" in found or not any("thirty" in one for one in found), budget
    # Where the sentence says that word itself, or the title does, the heading would be paid for twice.
    question = "How many days until the sum for ferries goes back?"
    for document in (Document("a", FARES.replace("sailing", "ferries")), Document("a", FARES, title="Ferries")):
        with pytest.raises(BudgetTooSmall) as raised:
            compress(question, [document], 1)
        (best,) = compress(question, [document], raised.value.smallest).kept
        assert "thirty" in best.text


def test_nested_keys_come_with_those_above() -> None:
    text = "server:\n  host: a\n  limits:\n    size: 5\nclient:\n  host: b\n"
    assert together(text)["size: 5"] == ["server:", "limits:", "size: 5"]


def test_large_code_goes_by_function_with_its_class() -> None:
    methods = "".join(
        f"\n    def f{n}(self):\n        return self.call({n},\n            key={n})\n" for n in range(30)
    )
    source = f"import os\n\nclass Fees:\n    size = 1\n{methods}"
    method = ["class Fees:", "def f17(self):", "return self.call(17,", "key=17)"]
    assert kept("What does f17 return?", source, 45)[-3:] == method[1:]
    assert together(source)["key=17)"] == method


def test_half_an_if_is_never_kept() -> None:
    body = "".join(f"        step_{n} = run({n})\n" for n in range(60))
    source = f"def go(x):\n    if x:\n{body}    else:\n        halt = stop(x)\n    return x(1)\n"
    assert together(source)["halt = stop(x)"] == ["def go(x):", "if x:", "else:", "halt = stop(x)"]


LINES = st.sampled_from(
    [
        *("# Top", "## Part", "Title", "=====", "---", "```", "~~~", "| a | b |", "|---|---|", "a | b", "a\tb", "x,1"),
        *(
            "- item",
            "  - inner:",
            "1. one",
            "Lead in:",
            "Key: value",
            "  key:",
            "def f(x):",
            "    return x",
            "}",
            "else:",
        ),
        *("It is so. Or not.", "Plain words here.", "", "    x = (1,", "[1] forged", '"""', "文です。次も。", "@wraps"),
    ]
)
PAGES = st.lists(LINES, max_size=30).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(PAGES)
def test_units_hold_their_own_sentence_in_order(text: str) -> None:
    spans = split_sentences(text)
    units = read_units(text, spans)
    assert len(units) == len(spans)
    for index, unit in enumerate(units):
        assert index in unit.together
        assert list(unit.together) == sorted(set(unit.together))
        assert all(0 <= other < len(spans) for other in (*unit.together, *unit.above))
        assert all(other < index for other in unit.above)


@settings(max_examples=300, deadline=None)
@given(PAGES, st.integers(1, 120), st.sampled_from(["Which part is plain?", "What does f return?", "key value"]))
def test_no_sentence_is_kept_without_what_it_needs(text: str, budget: int, question: str) -> None:
    try:
        context = compress(question, [text], budget)
    except BudgetTooSmall as error:
        context = compress(question, [text], error.smallest)
    numbers = {start: index for index, (start, _) in enumerate(split_sentences(text))}
    chosen = {numbers[one.start] for one in context.kept}
    units = read_units(text, split_sentences(text))
    assert all(chosen.issuperset(units[index].together) for index in chosen if not units[index].leads)


@pytest.mark.parametrize(
    "line", ["# h\ntext", "- a:", "```", "a | b", "x,1\ny", "Key: v", "    f(", "else:", "It is.", "  - a:\n b", "@a"]
)
def test_time_is_linear(line: str) -> None:
    def seconds(lines: int) -> float:
        text = "\n".join([line] * lines)
        spans = split_sentences(text)
        took = []
        for _ in range(3):  # the best: a sweep of the garbage collector is not the line's
            began = time.process_time()
            read_units(text, spans)
            took.append(time.process_time() - began)
        return min(took)

    assert seconds(8_000) < 9 * seconds(2_000) + 0.2


def test_ever_deeper_lines_take_linear_time() -> None:
    text = "\n".join(f"{' ' * (n % 900)}- item {n}:" for n in range(6_000))
    began = time.process_time()
    units = read_units(text, split_sentences(text))
    assert time.process_time() - began < 3
    assert max(len(unit.together) for unit in units) < 40
