from ragdiet.answers.cache import Held, Kept, KeptAnswers, Place, sweep_answers
from ragdiet.answers.flight import Flights, Lead
from ragdiet.answers.gate import agree
from ragdiet.answers.key import digest, identity, normalised
from ragdiet.answers.report import Answers, AnswerStats
from ragdiet.answers.settings import AnswerCache, certified_threshold

__all__ = [
    "AnswerCache",
    "AnswerStats",
    "Answers",
    "Flights",
    "Held",
    "Kept",
    "KeptAnswers",
    "Lead",
    "Place",
    "agree",
    "certified_threshold",
    "digest",
    "identity",
    "normalised",
    "sweep_answers",
]
