from ragdiet.generate.citations import MARK, citations, cited_claims
from ragdiet.generate.converse import ConverseGenerator
from ragdiet.generate.converse_request import ConverseGuardrail
from ragdiet.generate.converse_stream import ConverseStream
from ragdiet.generate.extractive import ExtractiveReader
from ragdiet.generate.length import LONGEST, AnswerLength, answer_length, expected_reply
from ragdiet.generate.llama import SMOLLM2, LlamaGenerator
from ragdiet.generate.openai import OpenAIGenerator, OpenAIStream
from ragdiet.generate.pieces import pieces, without_refusal
from ragdiet.generate.prompt import REFUSAL, SYSTEM, prompt_version, system_text
from ragdiet.generate.stop import stop_fault

__all__ = [
    "LONGEST",
    "MARK",
    "REFUSAL",
    "SMOLLM2",
    "SYSTEM",
    "AnswerLength",
    "ConverseGenerator",
    "ConverseGuardrail",
    "ConverseStream",
    "ExtractiveReader",
    "LlamaGenerator",
    "OpenAIGenerator",
    "OpenAIStream",
    "answer_length",
    "citations",
    "cited_claims",
    "expected_reply",
    "pieces",
    "prompt_version",
    "stop_fault",
    "system_text",
    "without_refusal",
]
