from ragdiet.generate.citations import citations, cited_claims
from ragdiet.generate.converse import ConverseGenerator
from ragdiet.generate.extractive import ExtractiveReader
from ragdiet.generate.prompt import REFUSAL, SYSTEM

__all__ = ["REFUSAL", "SYSTEM", "ConverseGenerator", "ExtractiveReader", "citations", "cited_claims"]
