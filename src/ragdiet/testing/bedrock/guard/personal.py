"""Personal data and secrets as the played guardrails find them: by pattern, with a checksum where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "EMAIL": re.compile(r"\b[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,4}[A-Za-z]{2,24}\b"),
    "US_SOCIAL_SECURITY_NUMBER": re.compile(r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b"),
    "CREDIT_DEBIT_CARD_NUMBER": re.compile(r"\b\d(?:[ -]?\d){12,18}\b"),
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"),
    "IP_ADDRESS": re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"),
    "MAC_ADDRESS": re.compile(r"\b(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\b"),
    "AWS_ACCESS_KEY": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "AWS_SECRET_KEY": re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+=]{40}(?![A-Za-z0-9/+=])"),
    "PHONE": re.compile(
        r"(?<!\d[ -])(?<![\w.])(?:\+\d{1,3}[ -]?)?(?:\(\d{2,4}\)[ -]?|\d{2,4}[ -])\d{3,4}[ -]?\d{3,4}\b(?![ -]?\d)"
    ),
    "URL": re.compile(r"\bhttps?://[^\s<>\"']{1,2000}"),
    "PASSWORD": re.compile(r"(?i)(?<=password[:=])\s?\S{4,64}|(?<=password is )\S{4,64}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A match, by offsets in characters."""

    kind: str
    start: int
    end: int
    text: str


def personal(text: str, kinds: Iterable[str]) -> Iterator[Found]:
    """What of ``kinds`` (Bedrock's names) is in ``text``; kinds that have no pattern here are never found.

    >>> [(found.kind, found.text) for found in personal("Write to ann@example.com.", ["EMAIL", "NAME"])]
    [('EMAIL', 'ann@example.com')]
    """
    for kind in kinds:
        pattern = _PATTERNS.get(kind)
        for match in pattern.finditer(text) if pattern else ():
            if kind == "CREDIT_DEBIT_CARD_NUMBER" and not _luhn(match[0]):
                continue
            yield Found(kind=kind, start=match.start(), end=match.end(), text=match[0])


def _luhn(number: str) -> bool:
    digits = [int(sign) for sign in number if sign.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
