from ragdiet.retrieve.hybrid import HybridRetriever
from ragdiet.retrieve.neighbours import parent_section, with_neighbours
from ragdiet.retrieve.phrases import PhraseMatches, phrase_matches
from ragdiet.retrieve.question import ParsedQuestion, Phrase, parse_question, without_exclusions
from ragdiet.retrieve.rerank import reranked
from ragdiet.retrieve.research import CorpusRewriter, re_search
from ragdiet.retrieve.spelling import Correction, corrected
from ragdiet.retrieve.vocabulary import Vocabulary

__all__ = [
    "CorpusRewriter",
    "Correction",
    "HybridRetriever",
    "ParsedQuestion",
    "Phrase",
    "PhraseMatches",
    "Vocabulary",
    "corrected",
    "parent_section",
    "parse_question",
    "phrase_matches",
    "re_search",
    "reranked",
    "with_neighbours",
    "without_exclusions",
]
