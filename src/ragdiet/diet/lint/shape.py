"""What the form of a text costs: white space that says nothing, and identifiers that a model only copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ragdiet.diet.lint.finding import Fault, fault, shortened
from ragdiet.diet.lint.parts import SYSTEM, Part

# Of each run of blanks only its first is a place to begin, so that a line of 50 MB of them is scanned once.
_BLANK = r"[^\S\n]"
_FORMS = (
    (
        re.compile(
            rf'(?<=\n){_BLANK}{{2,}}+(?="[^"\n]{{1,60}}"\s*:|[}}\]],?[^\S\n]*+(?:\n|\Z)|[{{\[][^\S\n]*+\n|</?[A-Za-z!])'
        ),
        "",
        'write JSON and HTML without indentation: json.dumps(value, separators=(",", ":"))',
    ),
    (re.compile(rf"(?<=\S){_BLANK}++(?=\n|\Z)"), "", "strip the ends of the lines"),
    (re.compile(rf"\n(?:{_BLANK}*+\n){{2,}}+"), "\n\n", "leave one blank line where there are more"),
    (re.compile(rf"(?<=[^\s|]){_BLANK}{{2,}}+(?=[^\s|])"), " ", "leave one blank where there are more"),
)
_ROW = re.compile(r"(?m)^[ \t]*+\|[^\n]*")
_PADDING = re.compile(r"(?<![ \t])[ \t]{2,}+")
_RULE = re.compile(r"-{4,}+")

_RUN = re.compile(r"""[^\s"'<>()\[\]{},;|`]{24,}+""")
_UUID = re.compile(r"(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])", re.IGNORECASE)
_CODED = re.compile(r"[A-Za-z0-9+_-]{24,}+={0,2}")
_SHORTEST_QUERY = 12
_SHORTEST_CODE = 32
_FEWEST_DIGITS = 3
_LEAST_CHANGES = 0.3  # of a character's kind from one to the next; words change it far less often
_HEX = frozenset("0123456789abcdefABCDEF")


def white_space(part: Part) -> Iterator[Fault]:
    """A fault for each form of it; its tokens are those that the text has more than one without."""
    # The system text is stripped before it is sent.
    text = part.text.strip() if part.name == SYSTEM else part.text
    offset = part.text.find(text)
    forms = [
        (found.start(), pattern.sub(new, text), advice)
        for pattern, new, advice in _FORMS
        if (found := pattern.search(text))
    ]
    if found := _ROW.search(text):
        compact = _ROW.sub(lambda row: _RULE.sub("---", _PADDING.sub(" ", row[0])), text)
        forms.append((found.start(), compact, "pad no cells of tables, and write their rules as ---"))
    if margin := _margin(text):
        compact = re.sub(rf"\n{_BLANK}{{{margin}}}", "\n", text)
        forms.append((text.find("\n") + 1, compact, "take the indentation away: textwrap.dedent"))
    for start, compact, advice in forms:
        if compact != text:
            yield shortened(part, offset + start, text, compact, advice)


def identifiers(part: Part) -> Iterator[Fault]:
    """UUIDs, hashes, encoded data, and what stands behind the question mark of a URL.

    A UUID in the system text is rather what makes it unstable.
    """
    for run in _RUN.finditer(part.text):
        for start, end, advice in _coded(run[0], with_uuids=part.name != SYSTEM):
            yield fault("identifier", part, run.start() + start, run.start() + end, advice)


def uuids(text: str) -> Iterator[re.Match[str]]:
    return _UUID.finditer(text)


def _coded(run: str, *, with_uuids: bool) -> Iterator[tuple[int, int, str]]:
    url = run.find("://")
    if url >= 0:
        query = run.find("?", url)
        if query >= 0 and len(run) - query > _SHORTEST_QUERY:
            yield query, len(run.rstrip(".?!:")), "leave the query of the URL out"
        return
    for match in _CODED.finditer(run):
        is_uuid = _UUID.search(match[0]) is not None
        if with_uuids if is_uuid else _is_coded(match[0].rstrip("=")):
            yield *match.span(), "write a short name, such as A1, and look the long one up in the reply"


def _is_coded(text: str) -> bool:
    """Whether it looks like a hash or encoded data, rather than like words joined."""
    digits = sum(map(str.isdigit, text))
    if _HEX.issuperset(text):
        return digits >= _FEWEST_DIGITS
    if len(text) < _SHORTEST_CODE or digits < _FEWEST_DIGITS:
        return False
    kinds = (0 if each.isdigit() else 1 if each.islower() else 2 if each.isupper() else 3 for each in text)
    return sum(one != other for one, other in pairwise(kinds)) >= _LEAST_CHANGES * len(text)


def _margin(text: str) -> int:
    """The blanks that begin every line after the first, as those of an indented literal do."""
    lines = [line for line in text.split("\n")[1:] if line.strip()]
    margin = min((len(line) - len(line.lstrip(" \t")) for line in lines), default=0)
    return margin if margin >= 2 and len(lines) >= 2 else 0
