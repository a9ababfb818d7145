from ragdiet.ingest.backfill import backfill_token_bits
from ragdiet.ingest.gate import Labelled, checked_labels, retrieval_score, shortfall
from ragdiet.ingest.ingestor import Ingestor
from ragdiet.ingest.reembed import Reembedded, Reembedder, Verdict
from ragdiet.ingest.tally import Progress
from ragdiet.load import Source

__all__ = [
    "Ingestor",
    "Labelled",
    "Progress",
    "Reembedded",
    "Reembedder",
    "Source",
    "Verdict",
    "backfill_token_bits",
    "checked_labels",
    "retrieval_score",
    "shortfall",
]
