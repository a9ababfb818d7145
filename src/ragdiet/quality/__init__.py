from ragdiet.quality.boilerplate import REPEATED_IN, Edge
from ragdiet.quality.fingerprint import Fingerprint, are_near
from ragdiet.quality.gates import LeftOut, Screened, check_duplicates, screen, screen_chunks, strip_boilerplate
from ragdiet.quality.policy import Quality

__all__ = [
    "REPEATED_IN",
    "Edge",
    "Fingerprint",
    "LeftOut",
    "Quality",
    "Screened",
    "are_near",
    "check_duplicates",
    "screen",
    "screen_chunks",
    "strip_boilerplate",
]
