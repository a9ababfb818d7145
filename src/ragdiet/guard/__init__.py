from ragdiet.guard.question import MOST_CHARACTERS, checked_question

__all__ = ["MOST_CHARACTERS", "checked_question"]
