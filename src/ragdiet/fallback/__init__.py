from ragdiet.fallback.chain import Chain, next_step
from ragdiet.fallback.conditions import Condition, Verdict, as_condition, cited, confident, unlikely
from ragdiet.fallback.doubt import Check, Relevance, once_allowed, saved_unread, saving
from ragdiet.fallback.facts import Facts
from ragdiet.fallback.safe_reply import safe_reply
from ragdiet.fallback.steps import ChainStep, Clarify, Research, SafeReply, Search, Step
from ragdiet.fallback.templates import LANGUAGES, Reason

__all__ = [
    "LANGUAGES",
    "Chain",
    "ChainStep",
    "Check",
    "Clarify",
    "Condition",
    "Facts",
    "Reason",
    "Relevance",
    "Research",
    "SafeReply",
    "Search",
    "Step",
    "Verdict",
    "as_condition",
    "cited",
    "confident",
    "next_step",
    "once_allowed",
    "safe_reply",
    "saved_unread",
    "saving",
    "unlikely",
]
