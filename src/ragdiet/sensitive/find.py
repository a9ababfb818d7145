"""Secrets and personal data in a text, by their form and, where they have one, their check digits.

No model and no name lists: what has no form of its own (names, street addresses) is not found. Linear
time on any text; a text without a trace of sensitive data costs a few passes of C code.
"""

from __future__ import annotations

from collections.abc import Iterable

from ragdiet.sensitive.finding import PERSONAL, SECRETS, Finding
from ragdiet.sensitive.personal import personal_data
from ragdiet.sensitive.secrets import secrets


def find(text: str) -> tuple[Finding, ...]:
    """What is sensitive in ``text``, in its order. None lies within another; two may overlap in part, but no
    personal data with a secret: in ``app:pa@host.example`` the password is one, and no e-mail address is.

    >>> find("Call +44 20 7946 0958 or write to jo@example.org")
    (Finding(start=5, end=21, kind='phone'), Finding(start=34, end=48, kind='email'))
    """
    # Of two that begin together the longer is kept; of two alike the one whose rule comes first.
    candidates = sorted((*secrets(text), *personal_data(text)), key=lambda finding: (finding.start, -finding.end))
    kept: list[Finding] = []
    end = 0
    for finding in candidates:
        within_secret = finding.start < end and kept[-1].kind in SECRETS and finding.kind in PERSONAL
        if finding.end > end and not within_secret:
            kept.append(finding)
            end = finding.end
    return tuple(kept)


def masked(text: str, findings: Iterable[Finding]) -> str:
    """``text`` with every character of the findings made ``*``, but for line ends: all offsets stay right.

    >>> masked("write to jo@example.org", find("write to jo@example.org"))
    'write to **************'
    """
    parts: list[str] = []
    position = 0
    for finding in sorted(findings):
        start = max(finding.start, position)
        if start < finding.end:
            lines = text[start : finding.end].split("\n")
            parts += text[position:start], "\n".join("*" * len(line) for line in lines)
            position = finding.end
    return "".join((*parts, text[position:]))
