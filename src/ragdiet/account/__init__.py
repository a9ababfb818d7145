from ragdiet.account.ledger import LOCAL_PRICE, Call, Ledger, MemoryLedger, OpenCall, Price, Stage, Status, metered
from ragdiet.account.postgres import CostKey, CostRow, PostgresLedger
from ragdiet.account.prices import LongContext, PriceBook, PriceRow
from ragdiet.account.wrappers import Accounted, accounted_embedder, accounted_generator

__all__ = [
    "LOCAL_PRICE",
    "Accounted",
    "Call",
    "CostKey",
    "CostRow",
    "Ledger",
    "LongContext",
    "MemoryLedger",
    "OpenCall",
    "PostgresLedger",
    "Price",
    "PriceBook",
    "PriceRow",
    "Stage",
    "Status",
    "accounted_embedder",
    "accounted_generator",
    "metered",
]
