"""The traits of ``orders.toml``: words that must be there, and the pattern to look for then."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Trait:
    """``pattern`` is tried where the text has a word out of each of ``words``."""

    words: tuple[frozenset[str], ...]
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Orders:
    """``traits`` by name, and the names of those that a word may be the first of."""

    traits: Mapping[str, Trait]
    by_word: Mapping[str, frozenset[str]]
    first_words: frozenset[str]


@cache
def orders() -> Orders:
    data = tomllib.loads(files("ragdiet.guard").joinpath("orders.toml").read_text("utf-8"))
    lists = {name: frozenset(words.split()) for name, words in data["words"].items()}
    traits = {name: _trait(lists, trait["words"], trait["ways"]) for name, trait in data["traits"].items()}
    first_words = frozenset[str]().union(*(trait.words[0] for trait in traits.values()))
    by_word = {
        word: frozenset(name for name, trait in traits.items() if word in trait.words[0]) for word in first_words
    }
    return Orders(traits, by_word, first_words)


def _trait(lists: Mapping[str, frozenset[str]], words: list[str], ways: list[str]) -> Trait:
    pattern = "|".join(ways)
    for name, listed in lists.items():
        longest_first = sorted(listed, key=lambda word: (-len(word), word))
        pattern = pattern.replace(f"{{{name}}}", f"(?:{'|'.join(longest_first)})")
    sets = tuple(frozenset(_head(word) for name in each.split() for word in lists.get(name, (name,))) for each in words)
    return Trait(sets, re.compile(pattern))


def _head(word: str) -> str:
    """What a text is searched for: "don't" is two words to it."""
    return max(re.split("['-]", word), key=len)
