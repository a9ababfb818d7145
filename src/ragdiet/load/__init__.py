from ragdiet.load.check import checked
from ragdiet.load.files import MAX_BYTES, Source, expected, load
from ragdiet.load.formats import PARSERS, Parser, parse
from ragdiet.load.loaded import Loaded

__all__ = ["MAX_BYTES", "PARSERS", "Loaded", "Parser", "Source", "checked", "expected", "load", "parse"]
