"""Keys, tokens and passwords."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from ragdiet.sensitive.finding import Finding, Kind

# Python's matcher looks for the literal that each begins with at the speed of memchr. No token begins inside
# a word, and each repetition is bounded or possessive, so that no text takes more than linear time.
_TOKENS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "private_key",
        re.compile(
            r"""-----BEGIN[ ](?:[A-Z0-9]{1,12}[ ]){0,3}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----
            (?:
                (?:[^-]|-(?!----)){0,20000}+-----END[ ][A-Z0-9 ]{1,40}-----
                | (?:\s{1,4}[A-Za-z0-9+/]{20,}={0,2})*+  # cut off: what is there of the key
            )""",
            re.VERBOSE,
        ),
    ),
    ("aws_access_key", re.compile(r"A(?<!\wA)(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?!\w)")),
    ("github_token", re.compile(r"gh(?<!\wgh)[opusr]_[A-Za-z0-9]{36,255}+(?!\w)")),
    ("github_token", re.compile(r"github_pat_(?<!\wgithub_pat_)[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?!\w)")),
    ("slack_token", re.compile(r"xox(?<![\w-]xox)[abeprs]-[A-Za-z0-9-]{10,255}+")),
    ("slack_token", re.compile(r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,80}+")),
    ("google_api_key", re.compile(r"AIza(?<!\wAIza)[A-Za-z0-9_-]{35}(?![\w-])")),
    ("stripe_key", re.compile(r"[rs]k_(?<!\w[rs]k_)(?:live|test)_[A-Za-z0-9]{16,255}+")),
    *(
        ("api_token", re.compile(rf"{prefix}(?<![\w-]{prefix})(?=[A-Za-z_-]{{0,40}}[0-9])[A-Za-z0-9_-]{{20,255}}+"))
        for prefix in ("sk-", "glpat-", "npm_", "hf_", "pypi-", "shpat_")
    ),
    ("jwt", re.compile(r"eyJ(?<![\w-]eyJ)[\w-]{10,4096}+\.eyJ[\w-]{10,16384}+\.[\w-]{10,4096}+", re.ASCII)),
)
_URL_PASSWORD = re.compile(r"://[^\s:/?#@\"'<>]{0,128}+:(?P<value>[^\s/?#@\"'<>]{1,256}+)@(?=[\w\[])")
_BEARER = re.compile(r"Bearer[ ](?P<value>[A-Za-z0-9._~+/-]{16,4096}+)")  # RFC 6750

_PASSWORD_NAMES = ("password", "passwd", "passphrase", "pwd", "passwort", "contraseña", "mot de passe", "senha")
_KEY_NAMES = (
    *("secret", "token", "api_key", "apikey", "api-key", "api key", "access_key", "access-key", "accesskey"),
    *("credential", "auth_key", "private_key"),
)
# The name may go on (`token_id`, "tokens") and be quoted; a sign, or the word "is", gives it its value.
_ASSIGNED = {
    name: re.compile(
        rf"""{re.escape(name)}[\w-]{{0,16}}+["'`\]]{{0,2}}+\s{{0,2}}+(?:=>|:=|=|:|(?<=\s)is\s)\s{{0,4}}+
        (?: (?P<quote>["'`]) (?P<quoted>[^"'`\n]{{6,256}}+) (?P=quote)
          | (?P<bare>[^\s"'`,;<>(){{}}\[\]|\\]{{6,256}}+) (?![(\[{{]) )""",
        re.VERBOSE,
    )
    for name in (*_PASSWORD_NAMES, *_KEY_NAMES)
}
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_AWS_NAME = re.compile(r"(?i)aws|secret")
_PLACEHOLDER = re.compile(
    r"""(?i)\A(?:
        [*x.•_-]++ | .*\*{3}.* | (?:your|my|the|some|insert|enter|replace|change)[-_ ].* | change_?me.*
        | .*(?:\$\{|\{\{|%\(|\$\(|<|>|\.\.\.|…).* | \$\w+ | %\w+%? | .*(?:environ|getenv|config|settings)\b.*
        | (?:pass(?:word|wd)?|pwd|secret|token|user|username|none|null|true|false|example|test|optional|required)\d?
    )\Z""",
    re.VERBOSE,
)
_DOTTED_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)*[.:]?\Z", re.ASCII)
_PATH_OR_URL = re.compile(r"(?:[a-z]+:/|\.{0,2}/|~/|[A-Za-z]:\\)")


def secrets(text: str) -> Iterator[Finding]:
    """Findings of ``SECRETS``, in no order."""
    for kind, pattern in _TOKENS:
        for match in pattern.finditer(text):
            yield Finding(match.start(), match.end(), kind)
    for match in _URL_PASSWORD.finditer(text):
        if not _PLACEHOLDER.match(match["value"]):
            yield Finding(*match.span("value"), "url_password")
    for match in _BEARER.finditer(text):
        if _is_random(match["value"]):
            yield Finding(*match.span("value"), "credential")
    yield from _assigned(text)


def _assigned(text: str) -> Iterator[Finding]:
    """Values given to a name such as ``password`` or ``api_key`` that look random or typed as a password."""
    lowered = text.replace("İ", "i").lower()  # the one letter whose small form is longer than itself
    for name, pattern in _ASSIGNED.items():
        if name not in lowered:
            continue
        for match in pattern.finditer(lowered):
            group = "quoted" if match["quoted"] else "bare"
            start, end = match.span(group)
            value = text[start:end]
            if group == "bare":
                value = value.rstrip(".:?")
                end = start + len(value)
            if len(value) < 6 or _PLACEHOLDER.match(value) or _PATH_OR_URL.match(value):
                continue
            if _AWS_SECRET.fullmatch(value) and _AWS_NAME.search(text, max(0, match.start() - 24), match.end()):
                yield Finding(start, end, "aws_secret_key")
            elif _is_password(value) if name in _PASSWORD_NAMES else _is_random(value):
                yield Finding(start, end, "credential")


def _is_password(value: str) -> bool:
    """Typed by a person: one word of letters with digits or signs. The name of a variable is none."""
    if value.isalpha() or any(map(str.isspace, value)):
        return False
    return not _DOTTED_NAME.match(value) or (_has_digit_and_letter(value) and not {".", "_"} & set(value))


def _is_random(value: str) -> bool:
    """A key made by a machine: sixteen or more characters of an alphabet, digits among them, few alike."""
    if len(value) < 16 or not re.fullmatch(r"[\w+/=.~-]+", value, re.ASCII) or not _has_digit_and_letter(value):
        return False
    return _entropy(value) >= 3.0


def _has_digit_and_letter(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _entropy(value: str) -> float:
    """Shannon entropy of its characters, bits a character: 0 for "aaaa", 2 for "abcd", 4 for 16 hex digits."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
