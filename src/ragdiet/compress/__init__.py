import sys
from types import ModuleType

from ragdiet.compress.diet import SentenceDiet, compress

__all__ = ["SentenceDiet", "compress"]


class _CallableModule(ModuleType):
    """``ragdiet.compress`` names this folder once anything has imported it, and the function before
    that: either way it can be called."""

    __call__ = staticmethod(compress)


sys.modules[__name__].__class__ = _CallableModule
