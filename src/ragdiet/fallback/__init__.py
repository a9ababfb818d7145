from ragdiet.fallback.chain import Plan, Step, next_step
from ragdiet.fallback.safe_reply import Reason, safe_reply

__all__ = ["Plan", "Reason", "Step", "next_step", "safe_reply"]
