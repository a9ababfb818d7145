"""Source code, verbatim. For Python, classes and functions are its headings."""

from __future__ import annotations

import ast
import re
import threading
import warnings
from pathlib import PurePosixPath
from typing import Any

from ragdiet.load.encoding import decode
from ragdiet.load.loaded import Loaded, line_starts

LANGUAGES = {
    ".bash": "shell",
    ".c": "c",
    ".cc": "cpp",
    ".cfg": "ini",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".css": "css",
    ".cxx": "cpp",
    ".dart": "dart",
    ".ex": "elixir",
    ".exs": "elixir",
    ".go": "go",
    ".graphql": "graphql",
    ".h": "c",
    ".hpp": "cpp",
    ".hs": "haskell",
    ".ini": "ini",
    ".java": "java",
    ".js": "javascript",
    ".jsx": "javascript",
    ".kt": "kotlin",
    ".lua": "lua",
    ".mjs": "javascript",
    ".php": "php",
    ".pl": "perl",
    ".proto": "protobuf",
    ".ps1": "powershell",
    ".py": "python",
    ".pyi": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".scss": "css",
    ".sh": "shell",
    ".sql": "sql",
    ".swift": "swift",
    ".tf": "terraform",
    ".toml": "toml",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".vue": "vue",
    ".xml": "xml",
    ".yaml": "yaml",
    ".yml": "yaml",
}
"""Language by lower-case extension."""

# PEP 263, looked for as Python does: in a comment on one of the first two lines.
_DECLARED = re.compile(rb"\A(?:[ \t\f]*(?:#[^\r\n]*)?\r?\n)?[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
# A syntax tree takes some 600 bytes of memory for each byte of source.
_LONGEST_PARSED = 1_000_000
_FILE_NAME = "<ragdiet source>"
_warnings_lock = threading.Lock()


def parse_code(data: bytes, name: str) -> Loaded:
    """Source code; the title is its file's name with the folders above it."""
    language = LANGUAGES[PurePosixPath(name).suffix.lower()]
    meta: dict[str, Any] = {"format": "code", "language": language}
    if language != "python":
        return Loaded(text=decode(data), title=name, meta=meta)
    declared = _DECLARED.match(data)
    text = decode(data, declared=declared[1].decode("ascii") if declared else None)
    meta["headings"] = _definitions(text)
    return Loaded(text=text, title=name, meta=meta)


def _definitions(text: str) -> list[list[Any]]:
    """Classes, their methods and functions, decorators included; those local to a function are left out.

    Empty for what this Python cannot parse: other versions of the language, fragments, templates.
    """
    if len(text) > _LONGEST_PARSED:
        return []
    try:
        tree = _parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    # ast counts lines as Python does, which ends them at form feeds and the like no more than we do.
    starts = line_starts(text)
    definitions: list[list[Any]] = []
    pending: list[tuple[ast.AST, int]] = [(tree, 1)]
    while pending:
        node, level = pending.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            definitions.append([starts[first - 1], level, node.name])
            level += 1
        if isinstance(node, ast.stmt | ast.Module | ast.ExceptHandler | ast.match_case) and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef
        ):
            pending.extend((child, level) for child in ast.iter_child_nodes(node))
    return sorted(definitions)


def _parsed(text: str) -> ast.Module:
    # The compiler warns of odd escapes in other people's code. Filters are the whole process's: only our
    # file name is silenced, so that even a thread that meddles with them meanwhile loses no warning.
    with _warnings_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=re.escape(_FILE_NAME))
        return ast.parse(text, filename=_FILE_NAME)
