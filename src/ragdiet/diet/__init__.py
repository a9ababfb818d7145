from ragdiet.diet.selection import SentenceDiet, compress

__all__ = ["SentenceDiet", "compress"]
