"""Fits the weights of the injection score and writes ``injection.json``.

Attacks count as much as everything else together. A weight is never below 0, so that no trait excuses another: a trait
that would get one is left out, and the rest fitted again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.guard_sets import contexts, is_bipia, prompts, sentences
from benchmarks.injection_examples import FROM_DOCUMENTS, FROM_NEITHER, FROM_USERS
from ragdiet.confidence.fitting import Bools, Floats
from ragdiet.guard.traits import trait_names, traits

RIDGE = 2.0
"""On weights of traits that are 0 or 1. With 0.5 to 4 it moves no figure of the fitting half by more than 1."""
MARGIN = 0.02
"""How far above every other text of the fitting half the threshold lies, and rounded up to a hundredth."""


def fit(folder: Path, out: Path) -> None:
    half = [text for text in prompts(folder) if text.fitted]
    benign = [*(text.text for text in half if not text.is_attack), *FROM_NEITHER]
    from_users = [*(text.text for text in half if text.is_attack and not is_bipia(text.kind)), *FROM_USERS]
    from_documents = [*(text.text for text in half if text.is_attack), *FROM_USERS, *FROM_DOCUMENTS]
    retrieved = [sentence for _, text in contexts(folder, fitted=True) for sentence in sentences(text)]
    model = {
        "question": _weights(from_users, benign),
        "passage": _weights(from_documents, [*benign, *retrieved]),
        "card": {
            "made_by": "python -m benchmarks.guard --fit",
            "data": "half of InjecGuard's and BIPIA's texts (both MIT), and benchmarks/injection_examples.py",
            "attacks": {"question": len(from_users), "passage": len(from_documents)},
            "others": {"question": len(benign), "passage": len(benign) + len(retrieved)},
            "ridge": RIDGE,
        },
    }
    out.write_text(json.dumps(model, indent=1) + "\n")


def _weights(attacks: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    names = list(trait_names())
    found = [traits(text) for text in (*attacks, *others)]
    labels = np.arange(len(found)) < len(attacks)
    share = np.where(labels, len(others) / len(attacks), 1.0)
    while True:
        matrix = np.array([[name in text for name in names] for text in found], float)
        beta = _fitted(matrix, labels, share)
        if (beta[:-1] >= 0).all():
            break
        names = [name for name, weight in zip(names, beta, strict=False) if weight >= 0]
    highest = float((1 / (1 + np.exp(-(matrix[len(attacks) :] @ beta[:-1] + beta[-1])))).max())
    threshold = max(0.5, math.ceil(100 * (highest + MARGIN)) / 100)
    weights = {name: round(float(weight), 3) for name, weight in zip(names, beta, strict=False) if weight >= 0.0005}
    return {"bias": round(float(beta[-1]), 3), "traits": weights, "threshold": threshold}


def _fitted(matrix: Floats, labels: Bools, share: Floats) -> Floats:
    """By Newton's method, as ragdiet.confidence.fitting does, on traits as they are: not standardised."""
    columns = np.column_stack([matrix, np.ones(len(matrix))])
    penalty = np.diag([RIDGE] * matrix.shape[1] + [0.0])
    beta = np.zeros(columns.shape[1])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-columns @ beta))
        gradient = columns.T @ (share * (chance - labels)) + penalty @ beta
        curvature = (columns * (share * chance * (1 - chance))[:, None]).T @ columns + penalty
        step = np.linalg.solve(curvature, gradient)
        beta -= step
        if np.abs(step).max() < 1e-9:
            return beta
    raise RuntimeError("the fit did not converge")
