from ragdiet.evaluation.evaluate import Evaluated, Evaluation, evaluate
from ragdiet.evaluation.labelled import LabelledQuestion, labelled, read_labelled

__all__ = ["Evaluated", "Evaluation", "LabelledQuestion", "evaluate", "labelled", "read_labelled"]
