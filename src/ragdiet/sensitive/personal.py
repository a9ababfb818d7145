"""Addresses and numbers that lead to a person."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from ragdiet.sensitive.checksums import iban_end, is_card
from ragdiet.sensitive.finding import Finding
from ragdiet.sensitive.national import national_ids
from ragdiet.sensitive.phone import phones

_EMAIL_DOMAIN = re.compile(r"@(?<=[\w+-]@)[^\W_][\w-]{0,62}+(?:\.[^\W_][\w-]{0,62}+)++")
_LOCAL_PART = re.compile(r"[\w.+%'&-]++")  # of the text before the @, reversed
# A run of digits too long for any rule is taken in one step, or each of its digits would be tried.
_CARD = re.compile(
    r"""[0-9](?<![\w.-][0-9])(?:
        [0-9]{19,}+
        | [0-9]{11,18}+
        | [0-9]{3}(?P<four>[ -])[0-9]{4}(?P=four)[0-9]{4}(?P=four)[0-9]{4}(?:(?P=four)[0-9]{1,3})?+
        | [0-9]{3}(?P<six>[ -])[0-9]{6}(?P=six)[0-9]{4,5}+
    )(?!\w|\.[0-9])""",
    re.VERBOSE,
)
_IBAN = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])(?<![^\W_][A-Za-z]{2}[0-9])[0-9]")
_IPV4 = re.compile(r"[0-9](?<![\w.-][0-9])(?:[0-9]{19,}+|[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?!\w|\.[0-9]|-[A-Za-z]))")
_VERSION_BEFORE = re.compile(r"(?i)(?:version|release|rev|build|v|[=~<>^!]=?|section|chapter|§)\.?[ \"']{0,2}\Z")
_SECTION_NUMBER = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2}){3}\.? +[^\W\d_]")
_IPV6 = re.compile(r"[23fF](?<![\w:.][23fF])[0-9A-Fa-f]{3}:[0-9A-Fa-f:.]{2,41}+(?![\w:])")
# All eight parts, from the first colon on: told by its form, whatever range it is in. Of parts of two digits it would
# be a hardware address.
_IPV6_WHOLE = re.compile(r":(?<=[0-9A-Fa-f]:)[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){6}(?![\w:])")
_IPV6_FIRST = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}\Z")
_IPV6_RANGES = tuple(map(ipaddress.IPv6Network, ("2000::/3", "fc00::/7", "fe80::/10")))
_SSN = re.compile(
    r"[0-9](?<![\w.-][0-9])(?:[0-9]{19,}+|[0-9]{2}(?P<sign>[- ]?)[0-9]{2}(?P=sign)[0-9]{4}(?![\w-]|\.[0-9]))"
)
_SSN_NAME = re.compile(r"(?i)\bssn\b|social[ -]security")


def personal_data(text: str) -> Iterator[Finding]:
    """Findings of ``PERSONAL``, in no order."""
    yield from _emails(text)
    for match in _CARD.finditer(text):
        if is_card(re.sub("[ -]", "", match[0])):
            yield Finding(match.start(), match.end(), "credit_card")
    for match in _IBAN.finditer(text):
        if end := iban_end(text, match.start() - 2):
            yield Finding(match.start() - 2, end, "iban")
    yield from _social_security_numbers(text)
    yield from national_ids(text)
    yield from phones(text)
    yield from _ip_addresses(text)


def _emails(text: str) -> Iterator[Finding]:
    for match in _EMAIL_DOMAIN.finditer(text):
        if not match[0].rsplit(".", 1)[1].isalpha():
            continue
        local = _LOCAL_PART.match(text[max(0, match.start() - 64) : match.start()][::-1])
        name = local[0][::-1].lstrip(".'&-") if local else ""
        if name and name not in ("git", "hg"):  # as whom everybody clones, not a person
            yield Finding(match.start() - len(name), match.end(), "email")


def _social_security_numbers(text: str) -> Iterator[Finding]:
    """US numbers as issued: area not 000, 666 or 9xx, group not 00, serial not 0000. Without hyphens they
    need their name before them."""
    for match in _SSN.finditer(text):
        digits = re.sub("[ -]", "", match[0])
        if len(digits) != 9 or digits[:3] in ("000", "666") or digits[0] == "9":
            continue
        if digits[3:5] == "00" or digits[5:] == "0000":
            continue
        if match["sign"] == "-" or _SSN_NAME.search(text, max(0, match.start() - 40), match.start()):
            yield Finding(match.start(), match.end(), "us_ssn")


def _ip_addresses(text: str) -> Iterator[Finding]:
    """Addresses of somebody's machine: not loopback, not a net mask, not a version or section number."""
    for match in _IPV4.finditer(text):
        try:
            address = ipaddress.IPv4Address(match[0])
        except ValueError:
            continue
        if address.is_loopback or address.packed[0] in (0, 255):
            continue
        start = match.start()
        starts_line = start == 0 or text[start - 1] in "\n#"
        if starts_line and _SECTION_NUMBER.match(text, start):
            continue
        if not _VERSION_BEFORE.search(text[max(0, start - 12) : start]):
            yield Finding(start, match.end(), "ip_address")
    for match in _IPV6_WHOLE.finditer(text):
        first = _IPV6_FIRST.search(text, max(0, match.start() - 5), match.start())
        if first and any(len(part) > 2 for part in match[0].split(":")):
            yield Finding(first.start(), match.end(), "ip_address")
    for match in _IPV6.finditer(text):
        address6 = match[0].rstrip(":.") if not match[0].endswith("::") else match[0]
        try:
            parsed = ipaddress.IPv6Address(address6)
        except ValueError:
            continue
        if any(parsed in network for network in _IPV6_RANGES):
            yield Finding(match.start(), match.start() + len(address6), "ip_address")
