from ragdiet.retrieve.hybrid import HybridRetriever
from ragdiet.retrieve.phrases import PhraseMatches, phrase_matches
from ragdiet.retrieve.question import ParsedQuestion, Phrase, parse_question
from ragdiet.retrieve.research import Rewritten, re_search
from ragdiet.retrieve.rewrite import rewritten
from ragdiet.retrieve.spelling import Change, Correction, corrected
from ragdiet.retrieve.vocabulary import Vocabulary

__all__ = [
    "Change",
    "Correction",
    "HybridRetriever",
    "ParsedQuestion",
    "Phrase",
    "PhraseMatches",
    "Rewritten",
    "Vocabulary",
    "corrected",
    "parse_question",
    "phrase_matches",
    "re_search",
    "rewritten",
]
