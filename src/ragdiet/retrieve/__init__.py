from ragdiet.retrieve.bedrock_rerank import BedrockReranker
from ragdiet.retrieve.hybrid import HybridRetriever
from ragdiet.retrieve.neighbours import growth, parent_section, with_neighbours
from ragdiet.retrieve.phrases import PhraseMatches, phrase_matches
from ragdiet.retrieve.question import ParsedQuestion, Phrase, parse_question, without_exclusions
from ragdiet.retrieve.rerank import reranked
from ragdiet.retrieve.research import CorpusRewriter, re_search
from ragdiet.retrieve.rewrite import without_question_words
from ragdiet.retrieve.spelling import Correction, corrected
from ragdiet.retrieve.tune import Grades, Tuning, learn_weight, tune
from ragdiet.retrieve.vocabulary import Vocabulary

__all__ = [
    "BedrockReranker",
    "CorpusRewriter",
    "Correction",
    "Grades",
    "HybridRetriever",
    "ParsedQuestion",
    "Phrase",
    "PhraseMatches",
    "Tuning",
    "Vocabulary",
    "corrected",
    "growth",
    "learn_weight",
    "parent_section",
    "parse_question",
    "phrase_matches",
    "re_search",
    "reranked",
    "tune",
    "with_neighbours",
    "without_exclusions",
    "without_question_words",
]
