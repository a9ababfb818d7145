"""What choosing a sentence means for a question: the sentences that go in together."""

from __future__ import annotations

from collections.abc import Sequence

from ragdiet.analysis import Analyzer
from ragdiet.diet.cues import subject
from ragdiet.diet.passages import Part


def candidates(
    question: str, parts: Sequence[Part], ranking: Sequence[int], analyzer: Analyzer
) -> list[tuple[int, ...]]:
    """For each sentence of all parts in order those that are kept with it, ascending, it too.

    ``ranking`` is all sentences, best first. One that only leads to others stands for the best of them, and
    is kept where that one needs it, where it is the best of all, or where it says a word of the question.
    So do the headings above, if neither the sentence nor the title says that word.
    """
    wanted = set(analyzer.terms(subject(question)) or analyzer.terms(question))
    together: list[tuple[int, ...]] = []
    above: list[tuple[int, ...]] = []
    leads: list[bool] = []
    asking: set[int] = set()  # leads that say a word of the question
    for part in parts:
        first = len(together)
        said_by_heading: dict[int, set[str]] = {}
        for index, unit in enumerate(part.units):
            together.append(tuple(first + other for other in unit.together))
            above.append(tuple(first + other for other in unit.above))
            leads.append(unit.leads)
            if unit.leads and wanted.intersection(analyzer.terms(part.sentence(index))):
                asking.add(first + index)
            for heading in unit.above:
                if heading not in said_by_heading:
                    said_by_heading[heading] = wanted.intersection(analyzer.terms(part.sentence(heading)))
            if any(said_by_heading[heading] for heading in unit.above):
                said = set(analyzer.terms(f"{part.title} {part.sentence(index)}"))
                asked = [first + heading for heading in unit.above if said_by_heading[heading] - said]
                together[-1] = tuple(sorted({*together[-1], *asked}))
    followers: dict[int, int] = {}
    for sentence in ranking:
        if not leads[sentence]:
            for lead in (*together[sentence], *above[sentence]):
                if leads[lead]:
                    followers.setdefault(lead, sentence)
    best = ranking[0]
    for lead, follower in followers.items():
        own = together[lead] if lead == best or lead in asking else ()
        together[lead] = tuple(sorted({*own, *together[follower]}))
    for sentence, is_lead in enumerate(leads):
        if is_lead and sentence not in followers and together[sentence][0] != sentence:
            together[sentence] = together[together[sentence][0]]  # a line of marks stands for what it marks
    return together
