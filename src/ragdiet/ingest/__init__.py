from ragdiet.ingest.backfill import backfill_token_bits
from ragdiet.ingest.gate import Labelled, Verdict, judge_of
from ragdiet.ingest.ingestor import Ingestor
from ragdiet.ingest.reembed import Reembedded, Reembedder
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
    "judge_of",
]
