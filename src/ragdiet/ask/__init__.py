from ragdiet.ask.asker import DEFAULT_BUDGET, Asker
from ragdiet.ask.state import Scope

__all__ = ["DEFAULT_BUDGET", "Asker", "Scope"]
