from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragdiet import RecursiveChunker
from ragdiet.errors import (
    BadEncoding,
    Boilerplate,
    DuplicateDocument,
    LowInformation,
    NearDuplicate,
    QualityRejected,
    SensitiveContent,
    SourceError,
)
from ragdiet.quality import LeftOut, Quality, check_duplicates, screen, screen_chunks, strip_boilerplate
from ragdiet.quality.fingerprint import fingerprint
from ragdiet.types import Document

PROSE = (
    "The notice period is four weeks to the end of a calendar month, unless your contract says something else about "
    "it. Whoever leaves earlier needs the written consent of the board, which is given only for a good reason."
)
MAIL = "jo@example.org"
KEY = "AKIA" + "IOSFODNN7EXAMPLE"


def document(text: str, **fields: object) -> Document:
    return Document("a.md", text, **fields)  # type: ignore[arg-type]


def test_a_clean_document_gets_its_language_and_nothing_else() -> None:
    screened = screen(document(PROSE, meta={"own": 1}), Quality())
    assert screened.document == document(PROSE, meta={"own": 1, "lang": "en"})
    assert (screened.flagged, screened.left_out) == ((), ())
    assert screened.fingerprint == fingerprint(PROSE)
    assert len(screened.edges) == 1


def test_a_language_that_is_given_is_not_guessed() -> None:
    assert screen(document(PROSE, meta={"lang": "de"}), Quality()).document.meta == {"lang": "de"}


def test_code_has_no_language_and_no_edges() -> None:
    screened = screen(document(PROSE, meta={"format": "code"}), Quality())
    assert screened.document.meta == {"format": "code"}
    assert screened.edges == ()


@settings(deadline=None)  # the first chunker reads its vocabulary
@given(st.text(), st.sampled_from([{}, {"headings": [[0, 1, "x"]]}, {"pages": [0]}]))
def test_off_changes_nothing(text: str, meta: dict[str, object]) -> None:
    given_document = document(text, title="CafÃ© " + MAIL, meta=meta)
    screened = screen(given_document, Quality.off())
    assert screened.document is given_document
    assert (screened.fingerprint, screened.edges, screened.flagged, screened.left_out) == (None, (), (), ())
    chunks = RecursiveChunker(size=64).chunk(given_document) if text.strip() else []
    assert screen_chunks(chunks, screened, Quality.off()) == (tuple(chunks), ())


def test_flagged_kinds_are_on_the_document_and_on_the_chunks_that_hold_them() -> None:
    text = f"{PROSE} {PROSE}\n\nWrite to {MAIL} or use {KEY}. {PROSE}\n\n{PROSE} Ring +44 20 7946 0958."
    screened = screen(document(text), Quality())
    assert screened.document.text == text
    assert screened.document.meta["sensitive"] == ["aws_access_key", "email", "phone"]
    chunks = RecursiveChunker(size=100).chunk(screened.document)
    kept, dropped = screen_chunks(chunks, screened, Quality())
    assert dropped == ()
    for chunk in kept:
        expected = sorted(
            kind
            for kind, value in (("aws_access_key", KEY), ("email", MAIL), ("phone", "+44 20 7946 0958"))
            if value in chunk.text
        )
        assert chunk.meta.get("sensitive", []) == expected
    assert {tuple(chunk.meta.get("sensitive", ())) for chunk in kept} >= {(), ("aws_access_key", "email")}


def test_masking_hides_text_title_and_headings_and_moves_nothing() -> None:
    text = f"# Ask {MAIL}\n\n{PROSE}\nKey: {KEY}"
    given_document = document(text, title=f"Ask {MAIL}", meta={"headings": [[0, 1, f"Ask {MAIL}"]]})
    screened = screen(given_document, Quality(personal="mask"))
    hidden = "*" * len(MAIL)
    assert screened.document.text == text.replace(MAIL, hidden)
    assert screened.document.title == f"Ask {hidden}"
    assert screened.document.meta["headings"] == [[0, 1, f"Ask {hidden}"]]
    assert screened.document.meta["sensitive"] == ["aws_access_key"]
    at = text.rindex(MAIL)
    assert screened.left_out == (
        LeftOut(start=at, end=at + len(MAIL), error="SensitiveContent", reason="email masked"),
    )
    assert screened.fingerprint == fingerprint(text)


@pytest.mark.parametrize(("option", "value"), [("secrets", KEY), ("personal", MAIL)])
def test_rejection_says_where_and_what_next_but_not_the_secret(option: str, value: str) -> None:
    policy = Quality(**{option: "reject"})
    with pytest.raises(SensitiveContent, match=rf"line 3 .*quality=Quality\({option}='mask'\)") as caught:
        screen(document(f"One\ntwo\nthree {value}."), policy)
    assert value not in str(caught.value)
    with pytest.raises(SensitiveContent, match="its title"):
        screen(document("One", title=value), policy)
    other = Quality(**{"personal" if option == "secrets" else "secrets": "reject"})
    assert screen(document(f"three {value}."), other).document.meta["sensitive"]


def test_kept_is_not_even_noted() -> None:
    assert "sensitive" not in screen(document(f"{KEY} {MAIL}"), Quality(secrets="keep", personal="keep")).document.meta
    assert screen(document(f"{KEY} {MAIL}"), Quality(secrets="keep")).document.meta["sensitive"] == ["email"]


def test_what_stands_in_the_title_alone_is_on_the_document() -> None:
    text = f"Questions to {MAIL}\n{PROSE}"
    screened = screen(document(text, title=f"Ask {MAIL}"), Quality())
    assert screened.document.meta["sensitive"] == ["email"]
    stripped = strip_boilerplate(screened, {screened.edges[0].hash})
    assert (stripped.flagged, stripped.document.meta["sensitive"]) == ((), ["email"])
    assert screen(document(PROSE, title=f"Ask {MAIL}"), Quality()).document.meta["sensitive"] == ["email"]


def test_encoding_by_policy() -> None:
    broken = document(f"CafÃ©. {PROSE}")
    screened = screen(broken, Quality())
    assert screened.document.text == f"Café. {PROSE}"
    with pytest.raises(BadEncoding, match=r"encoding='repair'"):
        screen(broken, Quality(encoding="reject"))
    assert screen(broken, Quality(encoding="keep")).document.text == broken.text
    lost = document("\ufffd" * 10 + PROSE)
    for way in ("repair", "reject"):
        with pytest.raises(BadEncoding, match="are lost"):
            screen(lost, Quality(encoding=way))
    assert screen(lost, Quality(encoding="keep")).document.text == lost.text


def test_duplicates_name_the_other_document_and_the_way_out() -> None:
    own = fingerprint(PROSE)
    with pytest.raises(DuplicateDocument, match=r"same text as 'b\.md'.*duplicates='keep'"):
        check_duplicates(own, [("b.md", fingerprint(f"  {PROSE}\n"))], Quality())
    with pytest.raises(NearDuplicate, match=r"'c\.md'.*near_duplicates='keep'"):
        check_duplicates(own, [("c.md", fingerprint(PROSE.upper()))], Quality())
    with pytest.raises(DuplicateDocument, match=r"b\.md"):
        check_duplicates(own, [("c.md", fingerprint(PROSE.upper())), ("b.md", own)], Quality())


def test_duplicates_that_are_kept() -> None:
    own, upper = fingerprint(PROSE), fingerprint(PROSE.upper())
    check_duplicates(own, [("b.md", own)], Quality(duplicates="keep"))
    check_duplicates(own, [("c.md", upper)], Quality(near_duplicates="keep"))
    check_duplicates(own, [], Quality())
    check_duplicates(own, [("d.md", fingerprint(PROSE.replace("four", "not four")))], Quality())


def test_lines_that_others_repeat_go_and_what_was_flagged_in_them() -> None:
    text = f"Handbook\n{PROSE}\nQuestions to {MAIL}"
    screened = screen(document(text), Quality())
    repeated = {edge.hash for edge in screened.edges if not text[edge.start : edge.end].startswith("The")}
    stripped = strip_boilerplate(screened, repeated)
    assert stripped.document.text == f"{' ' * 8}\n{PROSE}\n{' ' * len(f'Questions to {MAIL}')}"
    assert [text[one.start : one.end] for one in stripped.left_out] == ["Handbook", f"Questions to {MAIL}"]
    assert {(one.error, one.reason) for one in stripped.left_out} == {
        ("Boilerplate", "a line that other documents begin or end with")
    }
    assert (stripped.flagged, "sensitive" in stripped.document.meta) == ((), False)
    assert strip_boilerplate(screened, set()) is screened
    chunks = RecursiveChunker(size=128).chunk(stripped.document)
    assert [text[chunk.start : chunk.end] for chunk in chunks] == [PROSE]


def test_headings_of_the_document_are_known_to_the_gate() -> None:
    text = f"Introduction\n{PROSE}"
    screened = screen(document(text, meta={"headings": [[0, 1, "Introduction"]]}), Quality())
    assert strip_boilerplate(screened, {screened.edges[0].hash}) is screened


def test_nothing_but_the_menu_is_rejected_and_numbers_make_a_document() -> None:
    menu = screen(document("Home\nProducts\nContact"), Quality())
    with pytest.raises(Boilerplate, match=r"boilerplate='keep'"):
        strip_boilerplate(menu, {edge.hash for edge in menu.edges})
    bill = screen(document("Invoice 12\nTotal 45"), Quality())
    assert strip_boilerplate(bill, {edge.hash for edge in bill.edges}) is bill


def test_chunks_that_say_nothing_are_dropped_and_the_rest_is_numbered_anew() -> None:
    contents = "\n".join(f"{number} Section {number} {'.' * 30} {number}" for number in range(1, 12))
    screened = screen(document(f"{contents}\n\n{PROSE}\n\n{PROSE}"), Quality())
    parts = [RecursiveChunker(size=256).chunk(document(part)) for part in (contents, PROSE, PROSE)]
    chunks = [replace(chunk, ordinal=ordinal) for ordinal, chunk in enumerate(chain.from_iterable(parts))]
    kept, dropped = screen_chunks(chunks, screened, Quality())
    assert [(chunk.ordinal, chunk.text) for chunk in kept] == [(0, PROSE)]
    assert {one.reason for one in dropped} == {"table of contents", "repeats an earlier chunk of its document"}
    assert len(kept) + len(dropped) == len(chunks)
    both = Quality(low_information="keep", boilerplate="keep")
    assert [chunk.text for chunk in screen_chunks(chunks, screened, both)[0]] == [chunk.text for chunk in chunks]


def test_a_document_of_such_chunks_alone_is_rejected() -> None:
    ruled = document("* * *\n\n---\n\n* * *")
    screened = screen(ruled, Quality())
    with pytest.raises(LowInformation, match=r"no words.*low_information='keep'"):
        screen_chunks(RecursiveChunker().chunk(ruled), screened, Quality())
    assert screen_chunks([], screened, Quality()) == ((), ())


def test_every_rejection_is_a_source_error() -> None:
    for error in (DuplicateDocument, NearDuplicate, LowInformation, Boilerplate, SensitiveContent):
        assert issubclass(error, QualityRejected)
        assert issubclass(error, SourceError)
