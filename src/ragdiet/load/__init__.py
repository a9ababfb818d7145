from ragdiet.load.check import checked
from ragdiet.load.files import MAX_BYTES, VERSION, Item, Source, expected, find, load
from ragdiet.load.formats import PARSERS, Parser, parse
from ragdiet.load.loaded import Loaded

__all__ = [
    "MAX_BYTES",
    "PARSERS",
    "VERSION",
    "Item",
    "Loaded",
    "Parser",
    "Source",
    "checked",
    "expected",
    "find",
    "load",
    "parse",
]
