from ragdiet.ingest.backfill import backfill_token_bits
from ragdiet.ingest.ingestor import Ingestor
from ragdiet.ingest.tally import Progress
from ragdiet.load import Source

__all__ = ["Ingestor", "Progress", "Source", "backfill_token_bits"]
