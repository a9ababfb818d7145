from ragdiet.clarify.clarifier import Clarification, Clarifier, spelling
from ragdiet.clarify.signals import Signals

__all__ = ["Clarification", "Clarifier", "Signals", "spelling"]
