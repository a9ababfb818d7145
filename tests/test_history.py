"""Follow-ups, by dialogues written for this: whether a question leans on what was said, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.diet import follow_up
from ragdiet.diet.history import leans
from ragdiet.tokens import default_counter
from ragdiet.types import Turn

# Earlier question | its answer | the question | as it stands alone; "" where it does already, "?" where only a
# reader of the history can tell.
DIALOGUES = """
What is the notice period in France?|Three months [1].|And in Germany?|What is the notice period in Germany?
What is the notice period?|Three months [1].|How long is it for interns?|How long is the notice period for interns?
What is the notice period in France?|Three months [1].|What about Germany?|What is the notice period in Germany?
What is the notice period in France?|Three months [1].|What is the notice period in Spain?|
What is the notice period?|Three months [1].|And in Germany?|What is the notice period in Germany?
What is the notice period?|Three months [1].|What about interns?|?
What is the notice period?|Three months [1].|For contractors?|What is the notice period for contractors?
What is the notice period?|Three months [1].|How is it counted?|How is the notice period counted?
What is the notice period?|Three months [1].|Who may shorten it?|Who may shorten the notice period?
What is the notice period?|Three months [1].|Why?|?
How many people worked here in 2018?|Forty [1].|And in 2019?|How many people worked here in 2019?
How many people worked here in 2018?|Forty [1].|What about 2019?|How many people worked here in 2019?
How many people worked here in 2018?|Forty [1].|How many people worked here in 2019?|
How many people worked here in 2018?|Forty [1].|Where is the canteen?|
Who founded Larkspur Tools?|It was founded by Jane Whitby [1].|When was she born?|When was Jane Whitby born?
Who founded Larkspur Tools?|Jane Whitby founded Larkspur Tools [1].|Where did she study?|Where did Jane Whitby study?
Who founded Larkspur Tools?|Jane Whitby and Tom Reed did [1].|When was he born?|?
Who founded Larkspur Tools?|Jane Whitby founded Larkspur Tools [1].|What is her salary?|What is Jane Whitby’s salary?
When was Marie Curie born?|In 1867 [1].|Where did she die?|Where did Marie Curie die?
When was Marie Curie born?|In 1867 [1].|When did Marie Curie win her first prize?|
When was Marie Curie born?|In 1867 [1].|Who was her husband?|Who was Marie Curie’s husband?
When was Marie Curie born?|In 1867 [1].|And Pierre Curie?|When was Pierre Curie born?
What is the travel desk?|It books trains [1].|When is it open?|When is the travel desk open?
What is the travel desk?|It books trains [1].|What are its hours?|What are the travel desk’s hours?
What is the travel desk?|It books trains [1].|Is it possible to book a hotel online?|
What is the travel desk?|It books trains [1].|What else does the desk do?|?
What is the travel desk?|It books trains [1].|Tell me more|?
What is the travel desk?|It books trains [1].|Who runs the travel desk?|
What are the public holidays?|There are ten [1].|Are they paid?|Are the public holidays paid?
What are the public holidays?|There are ten [1].|Which of them fall in May?|Which of the public holidays fall in May?
What are the public holidays?|There are ten [1].|How do I book a meeting room?|
What are the public holidays?|There are ten [1].|And in Belgium?|What are the public holidays in Belgium?
How do I reset my password?|Use the portal [1].|What if that fails?|?
How do I reset my password?|Use the portal [1].|Does that work on a phone?|?
How do I reset my password?|Use the portal [1].|Which browsers does the portal support?|
How do I reset my password?|Use the portal [1].|What happens to a laptop when it breaks?|
How much does a hotel in Paris cost?|140 euros [1].|And in Rome?|?
How much does a room cost in Paris?|140 euros [1].|And in Rome?|How much does a room cost in Rome?
How much does a room cost in Paris?|140 euros [1].|Is that per night?|?
How much does a room cost in Paris?|140 euros [1].|Can I claim breakfast?|
Can I carry days over?|Five at most [1].|And after March?|Can I carry days over after March?
Can I carry days over?|Five at most [1].|Until when?|?
Can I carry days over?|Five at most [1].|Who approves leave requests?|
Can I carry days over?|Five at most [1].|You said five, where does the handbook say so?|?
Which laptop do engineers get?|A ThinkPad [1].|And designers?|?
Which laptop do engineers get?|A ThinkPad [1].|How much memory does it have?|?
Which laptop do engineers get?|A ThinkPad [1].|Do interns get a laptop?|
Which laptop do engineers get?|A ThinkPad [1].|When did Apple release its first phone?|
What is the Helios project?|A solar roof [1].|Who leads it?|Who leads the Helios project?
What is the Helios project?|A solar roof [1].|When will it be finished?|When will the Helios project be finished?
What is the Helios project?|A solar roof [1].|What is its budget?|What is the Helios project’s budget?
What is the Helios project?|A roof [1].|Compare it with Selene|Compare the Helios project with Selene?
What is the Helios project?|A solar roof [1].|How long does it take to fly to Oslo?|
What is the Helios project?|A solar roof [1].|Is the Selene project funded by the state?|
When does the office in Utrecht open?|At eight [1].|And the one in Ghent?|?
When does the office open?|At eight [1].|On Saturdays?|When does the office open on Saturdays?
When does the office open?|At eight [1].|When does the gym open?|
When does the office open?|At eight [1].|What about the gym?|?
What is a sabbatical?|A long leave [1].|Who may take one instead?|?
What is a sabbatical?|A long leave [1].|Is it paid?|Is a sabbatical paid?
What is a sabbatical?|A long leave [1].|Which managers must approve a sabbatical?|
What is a sabbatical?|A long leave [1].|So how is it requested?|How is a sabbatical requested?
What was the revenue in 2020?|Two million [1].|And the profit?|?
What was the revenue in 2020?|Two million [1].|What was the profit in 2020?|
What was the revenue in 2020?|Two million [1].|In 2021?|What was the revenue in 2021?
What was the revenue in 2020?|Two million [1].|Was the audit done by an outside firm?|
"""
CASES = [tuple(line.split("|")) for line in DIALOGUES.strip().split("\n")]
COUNTER = default_counter()


def turns(*texts: str) -> list[Turn]:
    return [Turn(role="assistant" if place % 2 else "user", text=text) for place, text in enumerate(texts)]


@pytest.mark.parametrize(("before", "answer", "question", "whole"), CASES)
def test_dialogues(before: str, answer: str, question: str, whole: str) -> None:
    assert leans(question) == bool(whole)
    made = follow_up(question, turns(before, answer), COUNTER)
    if whole in ("", "?"):
        assert made.question == question
        assert bool(made.history) == bool(whole)
        assert (made.searched == question) != bool(whole)
    else:
        assert (made.question, made.searched, made.history) == (whole, whole, ())
    assert bool(made.reason) == bool(whole)


def test_there_are_enough_dialogues() -> None:
    assert len(CASES) >= 60


def test_follow_ups_of_follow_ups() -> None:
    history = turns("What is the notice period in France?", "Three months [1].", "And in Germany?", "One month [1].")
    assert follow_up("And in Spain?", history, COUNTER).question == "What is the notice period in Spain?"
    unrelated = turns("Where is the gym?", "In Utrecht.", *(turn.text for turn in history))
    made = follow_up("Tell me more", unrelated, COUNTER)
    assert [turn.text for turn in made.history] == [turn.text for turn in history]
    assert "notice period in France" in made.searched


def test_other_languages_keep_the_last_exchange() -> None:
    history = turns("Wie lang ist die Kündigungsfrist?", "Drei Monate [1].")
    made = follow_up("Und in Frankreich?", history, COUNTER, language="german")
    assert made.history == tuple(history)
    assert made.question == "Und in Frankreich?"
    assert "Kündigungsfrist" in made.searched


@given(
    history=st.lists(
        st.builds(
            Turn, role=st.sampled_from(["user", "assistant"]), text=st.sampled_from(["", "It?", "The fee", "no " * 90])
        )
    ),
    question=st.sampled_from(["And it?", "Why?", "What is the fee?", "it", "?", "And in 2019?"]),
    most=st.integers(0, 120),
)
def test_never_more_than_its_share_and_a_user_first(history: list[Turn], question: str, most: int) -> None:
    made = follow_up(question, history, COUNTER, most_tokens=most)
    assert sum(COUNTER.count_batch([turn.text for turn in made.history])) <= most
    assert not made.history or made.history[0].role == "user"
    assert made == follow_up(question, history, COUNTER, most_tokens=most)
    assert made.question.strip()
