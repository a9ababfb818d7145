"""Values of each sensitive kind, made by chance and valid by their own rules, in ordinary sentences.

They say whether a pattern takes every form of its kind; they do not say how values look elsewhere, as Presidio's texts
do. Check digits are computed here by other means than in the library: a number is drawn until it is right.
"""

from __future__ import annotations

import ipaddress
import random
import string
from collections.abc import Callable, Iterator

SENTENCES = (
    "Please use {} for this.",
    "It was {} until last year, when we changed it.",
    "Mine is {}, as far as I know",
    "{} is what the form says.",
    "(see {})",
    "We noted the following: {}\nand went on.",
    "Can you look up {}?",
    "| name | {} | 2024-11-24 |",
)
NAMED = {"us_ssn": "SSN {}", "credential": 'password = "{}"', "phone": "phone {}"}
MANY = 25
_LETTERS = string.ascii_letters + string.digits


def made_texts() -> Iterator[tuple[str, str, int, int]]:
    """Kind, text, and where in it the value stands; always the same."""
    source = random.Random(20_261_130)
    for kind, make in _MAKERS.items():
        for number in range(MANY * len(SENTENCES)):
            value = make(source)
            named = NAMED.get(kind, "{}").format(value)
            text = SENTENCES[number % len(SENTENCES)].format(named)
            start = text.index(value)
            yield kind, text, start, start + len(value)


def _digits(source: random.Random, count: int) -> str:
    return "".join(source.choices(string.digits, k=count))


def _token(source: random.Random, count: int, letters: str = _LETTERS) -> str:
    return "".join(source.choices(letters, k=count))


def _card(source: random.Random) -> str:
    prefix, length = source.choice(
        [("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16)]
    )
    while True:
        digits = prefix + _digits(source, length - len(prefix))
        total = 0
        for place, digit in enumerate(reversed(digits)):
            value = int(digit) * (1 + place % 2)
            total += value - 9 if value > 9 else value
        if total % 10 == 0:
            break
    mark = source.choice(["", " ", "-"])
    cuts = (4, 10) if length == 15 else (4, 8, 12)
    return mark.join(digits[start:end] for start, end in zip((0, *cuts), (*cuts, length), strict=True))


def _iban(source: random.Random) -> str:
    country, length = source.choice(
        [("DE", 22), ("FR", 27), ("GB", 22), ("ES", 24), ("NL", 18), ("CH", 21), ("NO", 15)]
    )
    account = _digits(source, length - 4)
    if country in ("GB", "NL"):
        account = _token(source, 4, string.ascii_uppercase) + account[4:]
    while True:
        check = f"{source.randrange(2, 99):02d}"
        number = "".join(
            str(string.digits.find(c) if c.isdigit() else ord(c) - 55) for c in f"{account}{country}{check}"
        )
        if int(number) % 97 == 1:
            break
    whole = f"{country}{check}{account}"
    return whole if source.random() < 0.5 else " ".join(whole[at : at + 4] for at in range(0, length, 4))


def _email(source: random.Random) -> str:
    name = source.choice(["jo", "ann.lee", "m_weber", "k-l.o'hara", "desk+tickets", "x1", "i.f.long.name", "Müller"])
    host = source.choice(["example.org", "mail.example.co.uk", "a-b.example", "x.io", "sub.dept.uni-example.de"])
    return f"{name}{source.randrange(100)}@{host}"


def _phone(source: random.Random) -> str:
    forms = (
        *("+44 20 7### ####", "+49 30 #######", "+33 1 ## ## ## ##", "+41 44 ### ## ##", "+91 98### #####"),
        *("(###) 555-####", "+1-###-555-####", "###-555-####", "0### #######", "030/#######"),
    )
    return "".join(str(source.randrange(2, 10)) if c == "#" else c for c in source.choice(forms))


def _ssn(source: random.Random) -> str:
    return f"{source.randrange(1, 665):03d}-{source.randrange(1, 100):02d}-{source.randrange(1, 10_000):04d}"


def _ip(source: random.Random) -> str:
    if source.random() < 0.5:
        return f"{source.randrange(1, 127)}.{source.randrange(256)}.{source.randrange(256)}.{source.randrange(1, 255)}"
    return str(ipaddress.IPv6Address(0x2001 << 112 | source.getrandbits(112) >> source.choice([0, 0, 48])))


def _key(source: random.Random) -> str:
    body = "\n".join(_token(source, 64, _LETTERS + "+/") for _ in range(source.randrange(3, 20)))
    name = source.choice(["", "RSA ", "EC ", "OPENSSH "])
    return f"-----BEGIN {name}PRIVATE KEY-----\n{body}\n-----END {name}PRIVATE KEY-----"


def _jwt(source: random.Random) -> str:
    letters = _LETTERS + "-_"
    return (
        f"eyJ{_token(source, 33)}.eyJ{_token(source, source.randrange(60, 300), letters)}.{_token(source, 43, letters)}"
    )


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "credit_card": _card,
    "iban": _iban,
    "email": _email,
    "phone": _phone,
    "us_ssn": _ssn,
    "ip_address": _ip,
    "private_key": _key,
    "jwt": _jwt,
    "aws_access_key": lambda source: source.choice(["AKIA", "ASIA"]) + _token(source, 16, string.ascii_uppercase),
    "github_token": lambda source: source.choice(["ghp_", "gho_", "ghs_"]) + _token(source, 36),
    "slack_token": lambda source: f"xoxb-{_digits(source, 12)}-{_token(source, 24)}",
    "google_api_key": lambda source: "AIza" + _token(source, 35, _LETTERS + "-_"),
    "stripe_key": lambda source: source.choice(["sk_live_", "rk_live_", "sk_test_"]) + _token(source, 24),
    "credential": lambda source: _token(source, 10) + source.choice("!?#%") + _token(source, 4, string.digits),
}
