from ragdiet.confidence.logistic import LogisticConfidence

__all__ = ["LogisticConfidence"]
