from ragdiet.analysis.analyzer import Analyzer, analyzer
from ragdiet.analysis.numbering import TERM_SPACE, term_number, term_numbers

__all__ = ["TERM_SPACE", "Analyzer", "analyzer", "term_number", "term_numbers"]
