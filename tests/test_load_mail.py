"""E-mail, made by the standard library, and mailboxes of it."""

from __future__ import annotations

import re

import pytest

from ragdiet.errors import BadEncoding, BrokenFile, EmptyDocument
from ragdiet.load import Loaded, parse
from tests.office import docx_file, mailbox, message, saved

HEAD = "From: Ada <ada@example.org>\nTo: grace@example.org\nDate: Fri, 05 Jan 2024 14:30:00 +0100\nSubject: Lunch"


def raw(body: bytes, content_type: str | None = None, head: str = "From: a@b.org\nSubject: S\n") -> Loaded:
    """A message as it may come, with a body in whatever bytes."""
    kind = f"Content-Type: {content_type}\n" if content_type else ""
    return parse(f"{head}{kind}\n".encode() + body, "a.eml")


def test_a_message_of_plain_text() -> None:
    assert parse(message().as_bytes(), "a.eml") == Loaded(
        text=f"{HEAD}\n\nAt noon?\n\n> Where?\nAt the pond.", title="Lunch", meta={"format": "mail", "headings": []}
    )


def test_encoded_headers_and_line_ends_of_the_net() -> None:
    mail = message("Größe: 12 für Ωμέγα").as_bytes()
    assert b"=?utf-8?" in mail
    assert parse(mail.replace(b"\n", b"\r\n"), "a.eml").title == "Größe: 12 für Ωμέγα"


def test_plain_text_is_preferred_and_html_read_where_there_is_none() -> None:
    both = message()
    both.add_alternative("<p>HTML</p>", subtype="html")
    assert parse(both.as_bytes(), "a.eml").text == parse(message().as_bytes(), "a.eml").text
    html = "<h1>Menu</h1><ul><li>soup</li></ul><script>x</script>"
    alone = message()
    alone.set_content(html, subtype="html")
    blank = message(body="\n")
    blank.add_alternative(html, subtype="html")
    for mail in (alone, blank):
        assert parse(mail.as_bytes(), "a.eml").text == f"{HEAD}\n\nMenu\n\n- soup"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("Köln €".encode(), None, "Köln €"),
        ("Köln €".encode("cp1252"), "text/plain; charset=iso-8859-1", "Köln €"),
        ("Köln €".encode("cp1252"), "text/plain; charset=us-ascii", "Köln €"),
        ("Köln".encode(), "text/plain; charset=nonsense", "Köln"),
        ("Köln".encode(), "text/plain; charset=iso-8859-1", "Köln"),
        ("мир".encode("koi8-r"), 'text/plain; charset="koi8-r"', "мир"),
        ("<p>мир".encode("koi8-r"), "text/html; charset=koi8-r", "мир"),
        ("日本".encode("iso2022_jp"), "text/plain; charset=iso-2022-jp", "日本"),
    ],
)
def test_charsets_right_wrong_and_missing(body: bytes, content_type: str | None, expected: str) -> None:
    assert raw(body, content_type).text == f"From: a@b.org\nSubject: S\n\n{expected}"


@pytest.mark.parametrize("content_type", [None, "text/plain; charset=utf-8", "text/plain; charset=nonsense"])
def test_a_body_in_no_known_charset(content_type: str | None) -> None:
    with pytest.raises(BadEncoding, match="not valid utf-8"):
        raw("Köln".encode("cp1252"), content_type)


def test_attachments_are_named_and_read_where_their_format_is() -> None:
    mail = message()
    mail.add_attachment(saved(docx_file()), maintype="application", subtype="octet-stream", filename="rules.docx")
    mail.add_attachment(b"\x89PNG\0", maintype="image", subtype="png", filename="duck.png")
    mail.add_attachment(b"PK\x03\x04", maintype="application", subtype="zip", filename="broken.xlsx")
    mail.add_attachment(b"\xd0\xcf", maintype="application", subtype="x", filename="no suffix")
    result = parse(mail.as_bytes(), "a.eml")
    assert "At the pond.\n\nAttachment: rules.docx\n\nHandbook\n\nLeaving\n\nThe notice period" in result.text
    assert re.search(r"\n\nAttachment: duck\.png\n\nAttachment: broken\.xlsx \(not read: .+zip archive", result.text)
    assert [heading[1:] for heading in result.meta["headings"]] == [
        [2, "rules.docx"],
        [3, "Leaving"],
        [4, "Returning"],
    ]
    for offset, level, title in result.meta["headings"]:
        assert result.text.startswith(f"Attachment: {title}" if level == 2 else title, offset)


def test_a_forwarded_message_is_read_under_its_subject() -> None:
    outer = message("Fwd")
    outer.add_attachment(message("Inner", "The inner words."))
    named = message("Fwd")
    named.add_attachment(message("Inner", "The inner words.").as_bytes(), maintype="a", subtype="b", filename="i.eml")
    for mail, name in ((outer, "Inner"), (named, "i.eml")):
        result = parse(mail.as_bytes(), "a.eml")
        assert result.text.endswith("Subject: Inner\n\nThe inner words.")
        assert [heading[1:] for heading in result.meta["headings"]] == [[2, name]]


@pytest.mark.parametrize("content", [b"just words\n", b"<html><p>page</html>", b"Key: value\n\nbody"])
def test_what_is_no_message(content: bytes) -> None:
    with pytest.raises(BrokenFile, match="no message"):
        parse(content, "a.eml")


# --- mailboxes


def test_the_messages_of_a_mailbox_are_its_headings() -> None:
    quoted = message("Second", "x\n\n>From here on it rains.\n")
    result = parse(mailbox(message().as_bytes(), quoted.as_bytes()), "a.mbox")
    second = result.text.index("From: Ada", 5)
    assert result.meta == {"format": "mail", "headings": [[0, 1, "Lunch"], [second, 1, "Second"]]}
    assert result.text.endswith("Subject: Second\n\nx\n\nFrom here on it rains.")
    assert result.title is None


def test_a_message_that_cannot_be_read_is_left_out_with_a_reason() -> None:
    bad = b"From: a@b.org\nSubject: Bad\n\nK\xf6ln\n"
    result = parse(mailbox(bad, message().as_bytes()), "a.mbox")
    assert result.text.startswith(HEAD)
    assert result.meta["headings"] == [[0, 1, "Lunch"]]
    assert [reason.partition(":")[0] for reason in result.meta["unread"]] == ["message 1"]
    with pytest.raises(EmptyDocument, match=r"none of its 1 messages.*message 1: not valid utf-8"):
        parse(mailbox(bad), "a.mbox")


def test_what_is_no_mailbox() -> None:
    with pytest.raises(BrokenFile, match="no mailbox"):
        parse(message().as_bytes(), "a.mbox")
