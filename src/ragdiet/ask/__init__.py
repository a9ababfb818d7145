from ragdiet.ask.asker import DEFAULT_BUDGET, Asker
from ragdiet.ask.explained import Explanation, PlannedChain, PlannedStep
from ragdiet.ask.state import Scope

__all__ = ["DEFAULT_BUDGET", "Asker", "Explanation", "PlannedChain", "PlannedStep", "Scope"]
