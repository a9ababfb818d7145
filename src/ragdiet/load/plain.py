"""Plain text, verbatim, and files whose name does not tell what they are."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ragdiet.errors import BadEncoding, UnsupportedFormat
from ragdiet.load.encoding import decode
from ragdiet.load.loaded import Loaded

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def parse_text(data: bytes, name: str) -> Loaded:
    """A text file: it has no title of its own."""
    return Loaded(text=decode(data), title=None, meta={"format": "text"})


def parse_unknown(data: bytes, name: str) -> Loaded:
    """A file of no known extension is plain text if its content is. Raises UnsupportedFormat if it is not."""
    suffix = PurePosixPath(name).suffix
    advice = f"no loader for {suffix or 'a file without extension'}, and its content is not UTF-8 text: " + (
        "convert it to PDF, HTML, Markdown or plain text first"
    )
    try:
        loaded = parse_text(data, name)
    except (BadEncoding, UnsupportedFormat) as error:
        raise UnsupportedFormat(advice) from error
    if _CONTROL.search(loaded.text):
        raise UnsupportedFormat(advice)
    return loaded
