from ragdiet.sensitive.find import find, masked
from ragdiet.sensitive.finding import PERSONAL, SECRETS, Finding, Kind

__all__ = ["PERSONAL", "SECRETS", "Finding", "Kind", "find", "masked"]
