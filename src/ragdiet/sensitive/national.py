"""Numbers by which countries know their people. Those of their own form are told by it and by their check digits; those
that are plain digits by their check digits and their name before them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date

from ragdiet.sensitive.checksums import has_luhn, has_verhoeff, is_cpf, is_spanish_id
from ragdiet.sensitive.finding import Finding

# A text without any of these, in small letters or as they stand, is not searched for numbers with a name before them.
_SMALL = ("aadhaar", "bsn", "burgerservice", "nhs", "pesel", "social ins", "steuer", "idnr", "tax file", "tfn", "nino",
          "national ins")  # fmt: skip
_AS_WRITTEN = ("SIN", "NI n", "NI N")
_NAMED = re.compile(
    r"""(?i)\b(?P<name>aadhaar|bsn|burgerservicenummer|nhs|pesel|(?-i:SIN)|social[ ]insurance|idnr|tax[ ]file|tfn|nino
        |steuer-?id(?:entifikationsnummer|nr)?|national[ ]insurance|(?-i:NI)[ ]n(?:umber|o|r))\b[^0-9\n]{0,24}?
        (?P<value>[A-Z]{2}[ ]?[0-9]{2}(?:[ ]?[0-9]{2}){2}[ ]?[A-D]|[0-9](?:[ .-]?[0-9]){8,11})(?!\w)""",
    re.VERBOSE,
)


def national_ids(text: str) -> Iterator[Finding]:
    """Findings of the kind ``national_id``, in no order."""
    for pattern in _SHAPES:
        for match in pattern.finditer(text):
            if _RIGHT[match.lastgroup or ""](match[0]):
                yield Finding(match.start(), match.end(), "national_id")
    small = text.lower()
    if any(name in small for name in _SMALL) or any(name in text for name in _AS_WRITTEN):
        for match in _NAMED.finditer(text):
            if _is_named_right(match["name"].lower(), re.sub("[ .-]", "", match["value"])):
                yield Finding(*match.span("value"), "national_id")


def _is_named_right(name: str, value: str) -> bool:
    digits = [int(character) for character in value if character.isdigit()]
    if name.startswith(("ni", "national")):
        return len(digits) == 6 and _is_nino(value)
    if len(digits) != len(value) or len(set(digits)) == 1:
        return False
    if name in ("bsn", "burgerservicenummer"):
        return len(digits) == 9 and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0
    if name == "nhs":
        return len(digits) == 10 and (11 - _weighted(digits, range(10, 1, -1)) % 11) % 11 == digits[9]
    if name == "pesel":
        return len(digits) == 11 and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    if name in ("sin", "social insurance"):
        return len(digits) == 9 and has_luhn(value)
    if name in ("tax file", "tfn"):
        return len(digits) == 9 and _weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0
    if name == "aadhaar":
        return len(digits) == 12 and digits[0] > 1 and has_verhoeff(value)
    return len(digits) == 11 and digits[0] > 0 and _is_steuer_id(digits)


def _weighted(digits: list[int], weights: tuple[int, ...] | range) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def _is_nino(value: str) -> bool:
    """United Kingdom: letters that are given out, no check digit."""
    return bool(re.fullmatch("(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]", value.upper()))


def _is_steuer_id(digits: list[int]) -> bool:
    """Germany: ISO 7064, mod 11,10."""
    product = 10
    for digit in digits[:10]:
        product = ((digit + product - 1) % 10 + 1) * 2 % 11
    return (11 - product) % 10 == digits[10]


def _is_codice_fiscale(code: str) -> bool:
    """Italy: the last letter is the sum modulo 26, odd places by a table of their own (DM 12 March 1974)."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [ord(character) - 48 if character.isdigit() else ord(character) - 65 for character in code.upper()]
    total = sum(odd[value] if place % 2 == 0 else value for place, value in enumerate(values[:15]))
    return total % 26 == values[15]


def _is_chinese_id(number: str) -> bool:
    """China: a day of birth, and ISO 7064, mod 11-2 (GB 11643)."""
    if not _is_day(int(number[6:10]), int(number[10:12]), int(number[12:14])):
        return False
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def _is_ahv(number: str) -> bool:
    """Switzerland: the check digit of EAN-13."""
    digits = [int(character) for character in number if character.isdigit()]
    return sum(digit * (1 + 2 * (place % 2)) for place, digit in enumerate(digits)) % 10 == 0


def _is_nir(number: str) -> bool:
    """France: 97 less the number modulo 97; Corsica's departments count as 19 and 18."""
    plain = re.sub(r"\s", "", number).upper().replace("2A", "19").replace("2B", "18")
    return plain.isdigit() and 97 - int(plain[:13]) % 97 == int(plain[13:])


def _is_rijksregister(number: str) -> bool:
    """Belgium: 97 less the number modulo 97, with a 2 before it for the births of this century."""
    digits = re.sub("[^0-9]", "", number)
    return any(97 - int(century + digits[:9]) % 97 == int(digits[9:]) for century in ("", "2"))


def _is_hetu(number: str) -> bool:
    """Finland: a day of birth, and the number modulo 31."""
    if not _is_day(2000 + int(number[4:6]), int(number[2:4]), int(number[:2])):
        return False
    letters = "0123456789ABCDEFHJKLMNPRSTUVWXY"
    return letters[int(number[:6] + number[7:10]) % 31] == number[10]


def _is_personnummer(number: str) -> bool:
    """Sweden: a day of birth, and Luhn."""
    digits = number[:6] + number[7:]
    is_written = digits.isdigit() and number[6] != "A"
    return is_written and _is_day(2000 + int(number[:2]), int(number[2:4]), int(number[4:6])) and has_luhn(digits)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


_RIGHT: Mapping[str, Callable[[str], bool]] = {
    "brazil": is_cpf,
    "china": _is_chinese_id,
    "france": _is_nir,
    "belgium": _is_rijksregister,
    "finland_sweden": lambda number: _is_hetu(number) or _is_personnummer(number),
    "spain": is_spanish_id,
    "italy": _is_codice_fiscale,
    "switzerland": _is_ahv,
}
_SHAPES = (
    re.compile(
        r"""[0-9](?<![\w.-][0-9])(?:
            (?P<brazil>[0-9]{2}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})
            | (?P<belgium>[0-9](?:\.[0-9]{2}){2}-[0-9]{3}\.[0-9]{2})
            | (?P<finland_sweden>[0-9][01][0-9]{3}[-+A][0-9]{3}[0-9A-FHJ-NPR-Y])
            | (?P<china>[0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx])
            | (?P<france>(?P<gap>[ ]?)[0-9]{2}(?P=gap)[0-9]{2}(?P=gap)(?:[0-9]{2}|2[AB])(?P=gap)[0-9]{3}
                (?P=gap)[0-9]{3}[ ]?[0-9]{2})
        )(?![\w-]|\.[0-9])""",
        re.VERBOSE,
    ),
    re.compile(r"(?P<spain>[XYZ0-9](?<![\w.-].)[0-9]{7}-?[A-Z])(?!\w)"),
    re.compile(
        r"(?P<italy>[A-Z](?<!\w.)[A-Z]{5}[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z])(?!\w)"
    ),
    re.compile(r"(?P<switzerland>756(?<![\w.-]756)(?:\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}|[0-9]{10}))(?![\w-]|\.[0-9])"),
)
