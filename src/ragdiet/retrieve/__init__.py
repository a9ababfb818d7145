from ragdiet.retrieve.hybrid import HybridRetriever
from ragdiet.retrieve.phrases import PhraseMatches, phrase_matches
from ragdiet.retrieve.question import ParsedQuestion, Phrase, parse_question
from ragdiet.retrieve.rewrite import rewritten

__all__ = [
    "HybridRetriever",
    "ParsedQuestion",
    "Phrase",
    "PhraseMatches",
    "parse_question",
    "phrase_matches",
    "rewritten",
]
