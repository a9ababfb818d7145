from ragdiet.account.afford import affordable, affordable_tokens
from ragdiet.account.calibration import BilledTokens, Calibrated, Calibration
from ragdiet.account.history import PastAsk, PastReply, Remembering
from ragdiet.account.kept_ratios import PostgresRatios
from ragdiet.account.ledger import (
    LOCAL_PRICE,
    AskRow,
    Call,
    Ledger,
    MemoryLedger,
    OpenCall,
    Price,
    Stage,
    Status,
    metered,
)
from ragdiet.account.postgres import PostgresLedger
from ragdiet.account.prices import LongContext, PriceBook, PriceRow
from ragdiet.account.ratio import Exact, Ratio, TokenBand
from ragdiet.account.units import UnitPrice, UnitPrices
from ragdiet.account.wrappers import Accounted, accounted_embedder, accounted_generator

__all__ = [
    "LOCAL_PRICE",
    "Accounted",
    "AskRow",
    "BilledTokens",
    "Calibrated",
    "Calibration",
    "Call",
    "Exact",
    "Ledger",
    "LongContext",
    "MemoryLedger",
    "OpenCall",
    "PastAsk",
    "PastReply",
    "PostgresLedger",
    "PostgresRatios",
    "Price",
    "PriceBook",
    "PriceRow",
    "Ratio",
    "Remembering",
    "Reused",
    "Stage",
    "Status",
    "TokenBand",
    "UnitPrice",
    "UnitPrices",
    "accounted_embedder",
    "accounted_generator",
    "affordable",
    "affordable_tokens",
    "metered",
]
