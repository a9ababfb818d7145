from ragdiet.failures.case import Case, Expected
from ragdiet.failures.cause import CAUSES, MEANINGS, Cause
from ragdiet.failures.failures import Failures
from ragdiet.failures.replay import Replay

__all__ = ["CAUSES", "MEANINGS", "Case", "Cause", "Expected", "Failures", "Replay"]
