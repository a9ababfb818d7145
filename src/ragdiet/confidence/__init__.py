from ragdiet.confidence.calibrate import Bin, Calibrated, calibrate
from ragdiet.confidence.labels import Label, Labelled, read_labels
from ragdiet.confidence.logistic import LogisticConfidence
from ragdiet.confidence.model import Corpus, Setup
from ragdiet.confidence.rehearsal import Rehearsal

__all__ = [
    "Bin",
    "Calibrated",
    "Corpus",
    "Label",
    "Labelled",
    "LogisticConfidence",
    "Rehearsal",
    "Setup",
    "calibrate",
    "read_labels",
]
