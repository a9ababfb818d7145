"""Ranking on the four judged sets: each leg, both fused, and a row for each part that can be switched.

The sets, the measure and the peers' published figures are those of benchmarks.quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from benchmarks import quality
from benchmarks.quality import LEGS, PEERS, Variant
from benchmarks.report import Row
from benchmarks.retrieval_settings import Settings
from ragdiet import MiniLM

LATE = Variant("hybrid with late interaction", "hybrid", {"token_model": MiniLM()})
ABLATIONS: tuple[Variant, ...] = (
    LATE,
    Variant("fused by scores alone", "hybrid", {"refine": False}),
    Variant("fused by ranks (RRF)", "hybrid", {"fusion": "ranks"}),
    Variant("hybrid with question words", "hybrid", {"question_words": True}),
    Variant("hybrid, 30 candidates a leg", "hybrid", {"depth": 30}),
    Variant("hybrid, 300 candidates a leg", "hybrid", {"depth": 300}),
)
"""Further ways of searching: a name, the peer it stands beside, and arguments of HybridRetriever."""

GOAL_OVER_RRF = 0.022
GOAL_OF_LATE = 0.035


def measure(settings: Settings) -> Row:
    with settings.databases.fresh() as dsn, quality.opened(dsn, late_interaction=True) as rag:
        rows = [
            row for name in settings.sets for row in quality.measure(rag, settings.data / name, [*LEGS, *ABLATIONS])
        ]
    return summarised(rows, settings.sets)


def summarised(rows: Sequence[Row], sets: Sequence[str]) -> Row:
    """A line for each way of searching, nDCG@10 on each set and their mean, over the peers' RRF (k = 60)."""
    scores = {(row["leg"], row["set"]): row["ndcg@10"] for row in rows}
    published = {name: PEERS[name]["hybrid"][0] for name in sets}
    mean = fmean(published.values())
    lines: list[Row] = [{"search": "RRF60 as published", **published, "mean": round(mean, 4)}]
    for variant in (*LEGS, *ABLATIONS):
        own = {name: scores[variant.name, name] for name in sets}
        lines.append(
            {
                "search": variant.name,
                **own,
                "mean": round(fmean(own.values()), 4),
                "over_RRF60": round(fmean(own.values()) - mean, 4),
            }
        )
    below = [name for name in sets if scores["hybrid", name] < max(scores["keyword", name], scores["dense", name])]
    gain, late = (
        next(line["over_RRF60"] for line in lines if line["search"] == name) for name in ("hybrid", LATE.name)
    )
    return {
        "sets_where_the_hybrid_is_below_its_better_leg": below,
        "hybrid_over_RRF60": {"mean": gain, "goal": f">= {GOAL_OVER_RRF}", "met": gain >= GOAL_OVER_RRF},
        "late_interaction_over_RRF60": {"mean": late, "goal": f">= {GOAL_OF_LATE}", "met": late >= GOAL_OF_LATE},
        "ndcg@10": lines,
        "rows": list(rows),
    }
