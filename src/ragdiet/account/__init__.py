from ragdiet.account.afford import affordable, affordable_tokens
from ragdiet.account.allowance import allowing
from ragdiet.account.budgets import Budgets, BudgetState, SpendingBudget, budget_states
from ragdiet.account.calibration import BilledTokens, Calibrated, Calibration
from ragdiet.account.database_share import database_share
from ragdiet.account.exact import exact_sum
from ragdiet.account.history import PastAsk, PastReply, Remembering
from ragdiet.account.kept_ratios import PostgresRatios
from ragdiet.account.ledger import (
    LOCAL_PRICE,
    AskRow,
    Budgeted,
    Call,
    Ledger,
    MemoryLedger,
    OpenCall,
    Price,
    Reused,
    Stage,
    Status,
    metered,
)
from ragdiet.account.postgres import PostgresLedger
from ragdiet.account.price_book import PriceBook
from ragdiet.account.price_row import LongContext, PriceRow, TierRates
from ragdiet.account.ratio import Exact, Ratio, TokenBand
from ragdiet.account.reached import reached
from ragdiet.account.rehearsal import REHEARSAL, rehearses, rehearsing
from ragdiet.account.storable import storable
from ragdiet.account.units import UnitPrice, UnitPrices
from ragdiet.account.wrappers import Accounted, accounted_embedder, accounted_generator

__all__ = [
    "LOCAL_PRICE",
    "REHEARSAL",
    "Accounted",
    "AskRow",
    "BilledTokens",
    "BudgetState",
    "Budgeted",
    "Budgets",
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
    "SpendingBudget",
    "Stage",
    "Status",
    "TierRates",
    "TokenBand",
    "UnitPrice",
    "UnitPrices",
    "accounted_embedder",
    "accounted_generator",
    "affordable",
    "affordable_tokens",
    "allowing",
    "budget_states",
    "database_share",
    "exact_sum",
    "metered",
    "reached",
    "rehearses",
    "rehearsing",
    "storable",
]
