from __future__ import annotations

import doctest
import json
import random
import time
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.sensitive import PERSONAL, SECRETS, Finding, checksums, find, masked
from tests.data import dataset

LETTERS = "Qz7RkT2mVx9LpW4nBs8HjD3fGc6YaE5uKiOoMtNvXrZwSqPy"  # a sample of what tokens are made of


def token(length: int) -> str:
    return (LETTERS * (length // len(LETTERS) + 1))[:length]


# What is found in each text. Tokens are put together here so that no scanner takes this file for a leak.
FOUND = [
    ("aws_access_key", "id ", "AKIA" + "IOSFODNN7EXAMPLE", " here"),
    ("aws_secret_key", "aws_secret_access_key = ", token(38) + "/+", "\n"),
    ("github_token", "use ", "ghp_" + token(36), "."),
    ("github_token", "", "github_pat_" + token(22) + "_" + token(48) + token(11), ""),
    ("slack_token", "SLACK: ", "xoxb-" + "123456789012-" + token(24), "\n"),
    ("google_api_key", "?key=", "AIza" + token(35), "&x"),
    ("stripe_key", "", "sk_" + "live_" + token(24), ""),
    ("api_token", "key ", "sk-" + "proj-" + token(40), ""),
    ("api_token", "", "glpat-" + token(20), ""),
    ("jwt", "Bearer ", "eyJ" + token(20) + ".eyJ" + token(60) + "." + token(43), "\n"),
    ("url_password", "postgresql://app:", "s3cr3t!x", "@db.internal:5432/docs"),
    ("url_password", "https://bot:", "hunter2", "@[::1]:8080/"),
    ("credential", 'password = "', "corr3ct-horse", '"'),
    ("credential", "Password: ", "hunter2", ", as ever"),
    ("credential", "Authorization: Bearer ", token(32), "\n"),
    ("credential", "İİİ password: ", "hunter2", ""),
    ("credential", "The password is ", "Tr0ub4dor&3", "."),
    ("credential", '{"api_key": "', token(32), '"}'),
    ("credential", "export APP_SECRET_TOKEN=", token(40)[:33], "\n"),
    ("email", "write to ", "jane.o'neil+x@mail.example.co.uk", "."),
    ("email", "<", "müller@bücher.de", ">"),
    ("credit_card", "card ", "4111 1111 1111 1111", " exp"),
    ("credit_card", "", "3782-822463-10005", ""),
    ("credit_card", "", "5555555555554444", ","),
    ("iban", "IBAN ", "DE89 3704 0044 0532 0130 00", " bei"),
    ("iban", "", "gb82west12345698765432", "."),
    ("us_ssn", "SSN ", "219-09-9999", ""),
    ("us_ssn", "social security number: ", "219 09 9999", ""),
    ("national_id", "CPF ", "529.982.247-25", ""),
    ("national_id", "DNI ", "12345678Z", "."),
    ("national_id", "codice ", "RSSMRA85T10A562S", ", e"),
    ("national_id", "", "11010519491231002X", "。"),
    ("national_id", "AHV ", "756.9217.0769.85", "."),
    ("national_id", "no ", "1 84 12 76 451 089 46", ""),
    ("national_id", "", "93.05.18-223.61", " is"),
    ("national_id", "hetu ", "131052-308T", ""),
    ("national_id", "", "811228-9874", ","),
    ("national_id", "BSN ", "111222333", ""),
    ("national_id", "NHS number ", "943 476 5919", ""),
    ("national_id", "PESEL: ", "44051401359", ""),
    ("national_id", "SIN ", "046 454 286", "."),
    ("national_id", "TFN ", "123 456 782", ""),
    ("national_id", "Aadhaar no. ", "2341 2341 2346", ""),
    ("national_id", "Steuer-ID ", "86095742719", "."),
    ("national_id", "NI number: ", "AB 12 34 56 C", ""),
    ("phone", "ring ", "+44 20 7946 0958", " now"),
    ("phone", "", "(415) 555-2671", ""),
    ("phone", "", "415-555-2671", ""),
    ("phone", "Tel. ", "030 / 1234567", ""),
    ("phone", "phone: ", "555 0199 7", ""),
    ("phone", "", "(626)867-8698x198", "."),
    ("phone", "", "415-555-2671 ext. 12", " or"),
    ("phone", "", "00420 606 185 748", ""),
    ("phone", "", "04269 97068 520", ""),
    ("phone", "(phone ", "+1-415-555-2671", ") here"),
    ("phone", "(ring ", "(415) 555-2671", ")"),
    ("phone", "Appelez le ", "01 44 27 63 50", "."),
    ("ip_address", "from ", "192.168.7.31", ":8080"),
    ("ip_address", "from ", "2001:db8:85a3::8a2e:370:7334", " on"),
    ("ip_address", "from ", "b092:58ce:27fc:a832:436c:6d2b:9c47:92da", "."),
    ("ip_address", "link ", "fe80::1ff:fe23:4567:890a", "%eth0"),
]
NOT_FOUND = [
    "",
    "Version 1.2.3.4 came after v10.0.0.1, and numpy==1.26.4.1 is none.",
    "3.2.1.4 Notice periods\n3.2.1.5. Longer ones",
    "Listen on 127.0.0.1 or 0.0.0.0, with the mask 255.255.255.0.",
    "int32 goes from -2147483648 to +2147483647",
    "2024-11-24 12:30:45, 24.11.2024, 11/24/2024",
    "On 2024-11-24 call the office",
    "Phone call booked for 24.11.2024 or 2024-11-24",
    "00:1b:63:84:45:e6:00:01 and 01:02:03:04:05:06:07:08:09",
    "0x1234 0x5678, 640x480 and 1024x768 at 00 or 001",
    "std::vector<int> a::b::c; x[::2]; dead::beef",
    "git clone git@github.com:pgvector/pgvector.git",
    "@app.route('/x') def f(self, *args): return a @ b.T",
    "4111 1111 1111 1112 fails Luhn, 1234 5678 9012 3456 has no issuer",
    "DE89 3704 0044 0532 0130 01 has a wrong check digit",
    "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000",
    "12345678A has the wrong letter, 529.982.247-26 the wrong digits",
    "RSSMRA85T10A562T, 110105194912310021, 756.9217.0769.86, 1 84 12 76 451 089 47, 93.05.18-223.62",
    "131052-308U, 811228-9875, BSN 111222334, NHS 143 476 5918, PESEL 44051401358, SIN 130 692 545",
    "TFN 123 456 789, Aadhaar 2341 2341 2347, Steuer-ID 86095742718, NI number BG 12 34 56 C",
    "order 111222333 of 44051401359 pieces, sin 046454286, part AB123456C",
    "password = os.environ['DB_PASSWORD']",
    "password = get_password(user)",
    "password: str | None = None",
    "password = settings.database.password",
    'password="your_password_here", token="<token>", api_key="${API_KEY}", secret="********"',
    "The password is required. The token is optional.",
    "postgresql://user:password@localhost/db and postgresql://app:${PASSWORD}@db/x",
    "sk-learn and task-force-eleven-is-not-a-token-at-all",
    "token_count = 1234567890123456789",
    "See https://docs.example.org:8080/a/b?c=d@e and ISBN 978-3-16-148410-0.",
    "Bearer certificates-and-the-like are no tokens",
    "0.12345678901234567 and 3.14159265358979",
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "| 10 | 20 | 30 |\n| 1000000 | 2000000 | 3000000 |",
]


@pytest.mark.parametrize(("kind", "before", "value", "after"), FOUND)
def test_found_with_its_exact_span(kind: str, before: str, value: str, after: str) -> None:
    text = before + value + after
    assert find(text) == (Finding(len(before), len(before) + len(value), kind),)  # type: ignore[arg-type]
    assert kind in SECRETS | PERSONAL
    hidden = masked(text, find(text))
    assert hidden == before + "*" * len(value) + after
    assert find(hidden) == ()


@pytest.mark.parametrize("text", NOT_FOUND)
def test_no_false_alarm(text: str) -> None:
    assert find(text) == ()


def test_every_kind_is_tested() -> None:
    assert {kind for kind, *_ in FOUND} | {"private_key"} == SECRETS | PERSONAL


def test_a_private_key_goes_whole_and_its_lines_stay_lines() -> None:
    body = "\n".join(token(64) for _ in range(5))
    key = f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{body}\n-----END RSA PRIVATE KEY-----"
    text = f"before\n{key}\nafter"
    assert find(text) == (Finding(7, 7 + len(key), "private_key"),)
    hidden = masked(text, find(text))
    assert len(hidden) == len(text)
    assert hidden.count("\n") == text.count("\n")
    assert hidden.startswith("before\n***")
    assert hidden.endswith("***\nafter")


def test_a_private_key_cut_off_goes_as_far_as_it_is_there() -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{token(64)}\n{token(64)}"
    assert find(f"{key}\n\nThe rest of the page is not there.") == (Finding(0, len(key), "private_key"),)
    assert [f.end for f in find("-----BEGIN PRIVATE KEY----- is how it begins")] == [27]


def test_of_two_findings_in_one_place_the_wider_is_kept() -> None:
    text = f"password: {'ghp_' + token(36)}"
    assert [(f.kind, f.start) for f in find(text)] == [("github_token", 10)]


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="a1@.:-/ +()\nAK=\"'İßé", max_size=200),
        st.lists(st.sampled_from([value for _, _, value, _ in FOUND] + ["x", " ", ".", "İ", "\n"])).map("".join),
    )
)
def test_findings_are_in_order_none_within_another_and_masking_keeps_every_offset(text: str) -> None:
    findings = find(text)
    for finding in findings:
        assert 0 <= finding.start < finding.end <= len(text)
    for one, other in pairwise(findings):
        assert one.start <= other.start
        assert one.end < other.end
    hidden = masked(text, findings)
    covered = {place for f in findings for place in range(f.start, f.end)}
    expected = ["*" if place in covered and character != "\n" else character for place, character in enumerate(text)]
    assert hidden == "".join(expected)
    assert masked(text, reversed(findings)) == hidden


def test_only_one_letter_grows_when_it_is_written_small() -> None:
    assert [c for c in map(chr, range(0x110000)) if len(c.lower()) != 1] == ["İ"]


@given(st.integers(0, 10**14 - 1))
def test_luhn_catches_every_wrong_digit(number: int) -> None:
    digits = f"4{number:014d}"
    [check] = [d for d in "0123456789" if checksums.is_card(digits + d)]
    place = number % 14 + 1
    for other in "0123456789":
        changed = digits[:place] + other + digits[place + 1 :]
        assert checksums.is_card(changed + check) == (other == digits[place])


@pytest.mark.parametrize(
    "unit",
    ["1", "a", "@", "+", "(", "A", ":", " ", "\n", "1 ", "1.", "1-", "a@a.", "4111 ", "2001:", "password=", "secret='",
     "eyJ", "eyJaaaaaaaaaaaa.", "sk-", "://a:", "-----BEGIN PRIVATE KEY-----", "xoxb-", "(1)", "+1 ", "phone 12"],
)  # fmt: skip
def test_hostile_text_does_not_hang(unit: str) -> None:
    """A pattern that tried each place of a run anew would take hours for this, and no bound is near a second."""
    began = time.process_time()
    find(unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 60


def test_recall_on_presidios_generated_texts() -> None:
    kinds = {
        "CREDIT_CARD": "credit_card",
        "IBAN_CODE": "iban",
        "EMAIL_ADDRESS": "email",
        "PHONE_NUMBER": "phone",
        "US_SSN": "us_ssn",
    }
    of_kind: Counter[str] = Counter()
    found: Counter[str] = Counter()
    false_alarms = 0
    for line in (dataset("pii_presidio") / "pii.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        findings = find(row["text"])
        gold = [(kinds[s["type"]], s["start"], s["end"]) for s in row["spans"] if s["type"] in kinds]
        for kind, start, end in gold:
            of_kind[kind] += 1
            found[kind] += any(f.kind == kind and f.start <= start and end <= f.end for f in findings)
        false_alarms += sum(
            not any(f.kind == kind and f.start < end and start < f.end for kind, start, end in gold) for f in findings
        )
    assert sum(of_kind.values()) == 141
    assert found == of_kind
    assert false_alarms <= 1  # half a postal code and a house number, in the form of a telephone number


def test_random_numbers_are_seldom_taken_for_cards() -> None:
    source = random.Random(7)
    numbers = ["".join(source.choices("0123456789", k=16)) for _ in range(5_000)]
    assert sum(bool(find(f"id {number}")) for number in numbers) < 0.04 * len(numbers)


def test_examples_in_the_docstrings() -> None:
    import importlib

    for name in ("find", "checksums"):
        module = importlib.import_module(f"ragdiet.sensitive.{name}")
        outcome = doctest.testmod(module)
        assert outcome.attempted > 0
        assert outcome.failed == 0
