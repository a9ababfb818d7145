from ragdiet.analysis.analyzer import Analyzer, analyzer
from ragdiet.analysis.numbering import TERM_SPACE, corpus_terms, term_number, term_numbers

__all__ = ["TERM_SPACE", "Analyzer", "analyzer", "corpus_terms", "term_number", "term_numbers"]
