"""Numbers that carry check digits, and so are told from other numbers."""

from __future__ import annotations

# Issuer prefixes and the lengths of their numbers (ISO/IEC 7812; the ranges the card schemes publish).
_ISSUERS: tuple[tuple[tuple[str, ...], frozenset[int]], ...] = (
    (("4",), frozenset({13, 16, 18, 19})),
    ((*map(str, range(51, 56)), *map(str, range(2221, 2721))), frozenset({16})),
    (("34", "37"), frozenset({15})),
    (("300", "301", "302", "303", "304", "305", "3095", "36", "38", "39"), frozenset({14, 16, 19})),
    (("6011", "644", "645", "646", "647", "648", "649", "65", "62", "81"), frozenset({16, 17, 18, 19})),
    (("35",), frozenset({16, 17, 18, 19})),
    (("1800", "2131"), frozenset({15})),
    (tuple(map(str, range(2200, 2205))), frozenset({16, 17, 18, 19})),
    (
        ("0604", "5018", "5020", "5038", "56", "57", "58", "6304", "6390", "6759", "6761", "6762", "6763"),
        frozenset(range(12, 20)),
    ),
)
# The IBAN registry: characters of a whole IBAN by country.
_IBAN_LENGTHS = {
    entry[:2]: int(entry[2:])
    for entry in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 "
        "EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 "
        "KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 "
        "PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 "
        "UA29 VA22 VG24 XK20 YE30"
    ).split()
}
_VERHOEFF = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_SPANISH_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def is_card(digits: str) -> bool:
    """Whether an issuer gives out such numbers and the last digit is right (Luhn, ISO/IEC 7812-1).

    >>> is_card("4111111111111111"), is_card("4111111111111112")
    (True, False)
    """
    if not any(len(digits) in lengths and digits.startswith(prefixes) for prefixes, lengths in _ISSUERS):
        return False
    return has_luhn(digits)


def has_luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's (ISO/IEC 7812-1).

    >>> has_luhn("79927398713"), has_luhn("79927398710")
    (True, False)
    """
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def has_verhoeff(digits: str) -> bool:
    """Whether the last digit is Verhoeff's (1969): products in the dihedral group of order 10.

    >>> has_verhoeff("2363"), has_verhoeff("2364")
    (True, False)
    """
    check = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = _VERHOEFF[value]
        check = _dihedral(check, value)
    return check == 0


def _dihedral(one: int, other: int) -> int:
    if one < 5:
        return (one + other) % 5 + (5 if other >= 5 else 0)
    return (one - other) % 5 + (0 if other >= 5 else 5)


def iban_end(text: str, start: int) -> int:
    """Where the IBAN that begins at ``start`` ends, 0 where there is none: ISO 13616, of either case and in
    groups with single spaces or hyphens between, remainder 1 modulo 97.

    >>> iban_end("GB82 WEST 1234 5698 7654 32, please", 0)
    27
    """
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
    characters: list[str] = []
    position = start
    while position < len(text) and len(characters) < length:
        character = text[position]
        if character.isascii() and character.isalnum():
            characters.append(character.upper())
        elif character not in " -" or text[position - 1] in " -":
            return 0
        position += 1
    if not length or len(characters) < length or text[position : position + 1].isalnum():
        return 0
    moved = "".join(characters[4:] + characters[:4])
    return position if int("".join(str(int(character, 36)) for character in moved)) % 97 == 1 else 0


def is_cpf(formatted: str) -> bool:
    """Brazil's taxpayer number: two check digits modulo 11.

    >>> is_cpf("529.982.247-25"), is_cpf("529.982.247-26")
    (True, False)
    """
    digits = [int(character) for character in formatted if character.isdigit()]
    if len(set(digits)) == 1:
        return False
    for count in (9, 10):
        total = sum(digit * weight for digit, weight in zip(digits[:count], range(count + 1, 1, -1), strict=True))
        if digits[count] != 10 * total % 11 % 10:
            return False
    return True


def is_spanish_id(number: str) -> bool:
    """Spain's DNI and NIE: the letter is the number modulo 23.

    >>> is_spanish_id("12345678Z"), is_spanish_id("X1234567L"), is_spanish_id("12345678A")
    (True, True, False)
    """
    digits = number[:-1].rstrip("-").translate(str.maketrans("XYZ", "012"))
    return _SPANISH_LETTERS[int(digits) % 23] == number[-1]
