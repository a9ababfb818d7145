"""A question without the words that only make it one, for the keyword leg."""

from __future__ import annotations

from ragdiet.analysis.words import words

# They ask, and stand in any question; what a question is about is said by others. Languages without a list keep
# theirs, which idf discounts.
_FORM_WORDS = {
    "english": "what which who whom whose when where why how many much do does did is are was were be been being "
    "has have had can could should would must",
    "german": "was wer wen wem wessen wann wo woher wohin warum weshalb wieso wie welche welcher welches welchen "
    "welchem viel viele sind war waren hat haben hatte kann können könnte muss müssen soll sollte wird werden "
    "wurde gibt es",
    "french": "quoi quel quelle quels quelles qui que quand où pourquoi comment combien est-ce sont était étaient "
    "ont avait peut peuvent doit doivent faut fait",
    "spanish": "qué quién quiénes cuál cuáles cuándo dónde cómo cuánto cuánta cuántos cuántas son era eran fue ha "
    "han puede pueden debe deben hay",
    "italian": "cosa quale quali qual quando dove perché come quanto quanta quanti quante sono era erano ha hanno "
    "può possono deve devono",
    "portuguese": "quê qual quais quem quando onde como quanto quanta quantos quantas são era eram foi tem têm "
    "pode podem deve devem há",
    "dutch": "wat wie wiens wanneer waar waarom hoe hoeveel welk welke zijn was waren heeft hebben had kan kunnen "
    "moet moeten mag mogen zal zou",
    "swedish": "vad vem vems när var varför hur många mycket vilken vilket vilka är var har hade kan kunde ska "
    "skulle måste",
    "danish": "hvad hvem hvis hvornår hvor hvorfor hvordan mange meget hvilken hvilket hvilke er var har havde "
    "kan kunne skal skulle må",
    "norwegian": "hva hvem hvis når hvor hvorfor hvordan mange mye hvilken hvilket hvilke er var har hadde kan "
    "kunne skal skulle må",
    "finnish": "mikä mitä missä mistä mihin milloin miksi miten kuinka kuka ketkä monta paljon onko ovatko on "
    "ovat oli voiko voi pitää",
    "russian": "что кто кого какой какая какое какие когда где куда откуда почему зачем как сколько ли есть был "
    "была были может могут должен должна должны",
}
_FORM = {language: frozenset(listed.split()) for language, listed in _FORM_WORDS.items()}


def without_question_words(question: str, language: str = "english") -> str:
    """The question's words but those that only give it its form; the question itself when nothing would be left.

    A word in capitals among small letters is a name and stays.

    >>> without_question_words("Which laws must the WHO obey?")
    'laws the WHO obey'
    """
    dropped = _FORM.get(language, frozenset())
    shouted = question.isupper()
    kept = [
        word
        for word in words(question)
        if word.lower() not in dropped or (len(word) > 1 and word.isupper() and not shouted)
    ]
    return " ".join(kept) or question
