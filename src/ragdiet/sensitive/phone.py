"""Telephone numbers. They have no check digit: a number is one by its form, or by the words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragdiet.sensitive.finding import Finding

# A run of digits too long for a number is taken in one step, or each of its digits would be tried.
_CANDIDATE = re.compile(
    r"""[+(0-9](?<![\w./+(=#&-][+(0-9])(?<![0-9],[+(0-9])(?:
        [0-9]{19,}+
        | (?:\(?\+?[0-9])?+(?:[0-9()]|[ ./\u2010\u2011-]{1,3}(?=[0-9(])){5,30}+
            (?P<extension>[ ]?(?:x|ext\.?)[ ]?[0-9]{1,6})?+(?!\w|[:,][0-9])
    )""",
    re.VERBOSE,
)
_NORTH_AMERICAN = re.compile(r"(?:1[-. ])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}")
_DATE = re.compile(
    r"""(?:19|20)[0-9]{2}[-./ ]?[01]?[0-9][-./ ]?[0-3]?[0-9](?!.*[0-9]{5})
    | [0-3]?[0-9](?P<sign>[-./])[0-3]?[0-9](?P=sign)(?:19|20)?[0-9]{2}(?![0-9])""",
    re.VERBOSE,
)
_NAMED_BEFORE = re.compile(
    r"(?i)\b(?:(?:tele|smart)?phones?|tel|mobile|mob|cell|call|calling|fax|whatsapp|sms|dial|ring|hotline|helpline|"
    r"telefon|telefono|teléfono|téléphone|telefone|telefoon|handy|móvil|celular|cellulare|portable|"
    r"(?:contact|reach|text) (?:me|us|him|her|them)|contact number|my number|電話|电话|телефон)"
    r"(?:\.|\b)[^0-9]{0,24}\Z"
)
_NAMED_AFTER = re.compile(r"(?i)[ -]{0,2}\(?(?:office|fax|mobile|cell|home|work|phone|tel)\b")


def phones(text: str) -> Iterator[Finding]:
    """International numbers with their ``+`` or ``00``; national ones in North American form or with a leading 0 and
    groups; anything of 7 to 15 digits that a word such as "phone" or "fax" announces."""
    for match in _CANDIDATE.finditer(text):
        end = match.end()
        number = match[0].removesuffix(match["extension"] or "").rstrip("( ./-")
        if number.count(")") > number.count("("):
            number = number.rstrip(") ")  # closes what was opened before it: (phone 030 1234567)
        groups = re.findall("[0-9]+", number)
        digits = sum(map(len, groups))
        if not 7 <= digits <= 15 or number.count("(") != number.count(")"):
            continue
        if not match["extension"]:
            end = match.start() + len(number)
        is_named = _is_named(text, match.start(), end) and not _DATE.match(number)
        if is_named or _is_written_as_phone(number, groups, digits):
            yield Finding(match.start(), end, "phone")


def _is_written_as_phone(number: str, groups: list[str], digits: int) -> bool:
    bare = number.lstrip("(")
    if bare.startswith("+"):
        return digits >= 8 and groups[0][0] != "0" and not groups[0].startswith("214748364")  # 2 to the 31st
    if _NORTH_AMERICAN.fullmatch(number):
        return True
    if re.match("00[1-9]", bare) and digits >= 10 and len(groups) > 1:
        return "." not in number
    most = 13 if len(groups) < 4 else 11
    national = 9 <= digits <= most and 2 <= len(groups) <= 5 and bare[0] == "0" and bare[1:2] not in ("0", ")")
    return national and "." not in number and len(groups[-1]) > 1 and not _DATE.match(number)


def _is_named(text: str, start: int, end: int) -> bool:
    return bool(_NAMED_BEFORE.search(text[max(0, start - 48) : start]) or _NAMED_AFTER.match(text, end))
