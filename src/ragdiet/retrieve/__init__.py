from ragdiet.retrieve.hybrid import HybridRetriever
from ragdiet.retrieve.neighbours import parent_section, with_neighbours
from ragdiet.retrieve.phrases import PhraseMatches, phrase_matches
from ragdiet.retrieve.question import ParsedQuestion, Phrase, parse_question
from ragdiet.retrieve.rerank import reranked
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
    "parent_section",
    "parse_question",
    "phrase_matches",
    "re_search",
    "reranked",
    "rewritten",
    "with_neighbours",
]
