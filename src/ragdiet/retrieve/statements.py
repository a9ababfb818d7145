"""The SQL files of this folder."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from psycopg.sql import SQL


@cache
def statement(name: str) -> SQL:
    """A statement with named parameters, by the name of its file."""
    return SQL(files("ragdiet.retrieve").joinpath(name).read_text("utf-8"))
