"""From bytes to text, strictly: what is not certainly text in a known encoding is refused.

No encoding is guessed. Nearly every byte string is valid Latin-1, and a wrong guess is worse than a
rejection: the words it garbles are indexed, no question ever matches them, and nobody sees it.
"""

from __future__ import annotations

import codecs
import re

from ragdiet.errors import BadEncoding, UnsupportedFormat

# The UTF-32 marks come first: the little-endian one begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Codecs of Python that are no charsets of documents: slow for long texts, or able to yield any character.
_NO_CHARSET = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7"})
# Their bytes are all ASCII, and so valid but meaningless as UTF-8.
_SEVEN_BIT = ("iso2022", "hz")
_LATIN = re.compile(r"(?:iso[-_]?8859[-_]1|latin[-_]?1|(?:us[-_])?ascii)\Z", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROLS = 0.01


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Text of ``data``, its line ends made newlines.

    A byte order mark decides; then strict UTF-8; then the encoding the document itself has ``declared``.

    Raises UnsupportedFormat for binary content, BadEncoding for text in none of these.
    """
    text = _decoded(data, _charset(declared))
    if "\0" in text:
        raise UnsupportedFormat(
            "binary content (NUL characters), or UTF-16 without a byte order mark. If it is text, re-encode it: "
            "iconv -f UTF-16LE -t UTF-8 FILE > NEW"
        )
    if len(_CONTROL.findall(text)) > _MOST_CONTROLS * len(text):
        raise UnsupportedFormat("binary content (control characters): ragdiet indexes text only")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def browser_charset(name: str | None) -> str | None:
    """The charset meant by a declared one: browsers and mail programs read Latin-1 and ASCII as windows-1252,
    and so were such pages and messages written (encoding.spec.whatwg.org).
    """
    return "windows-1252" if name and _LATIN.match(name) else name


def _decoded(data: bytes, declared: str | None) -> str:
    try:
        for mark, encoding in _BYTE_ORDER_MARKS:
            if data.startswith(mark):
                return data.decode(encoding)
        if declared and declared.startswith(_SEVEN_BIT):
            return data.decode(declared)
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"\0" in data and error.encoding == "utf-8":
            raise UnsupportedFormat("binary content (NUL bytes): ragdiet indexes text only") from error
        if declared and error.encoding == "utf-8":
            try:
                return data.decode(declared)
            except UnicodeDecodeError as declared_error:
                error = declared_error
        raise BadEncoding(
            f"not valid {error.encoding} at byte {error.start:,}: re-encode it as UTF-8, for example with "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
        ) from error


def _charset(name: str | None) -> str | None:
    """Python's name of a declared charset, or None where it cannot be the one in use."""
    if name is None:
        return None
    try:
        charset = codecs.lookup(name).name
        # The declaration was read as ASCII, so the charset holds ASCII.
        possible = charset not in _NO_CHARSET and b"charset".decode(charset) == "charset"
    except (LookupError, UnicodeError):
        return None
    return charset if possible else None
