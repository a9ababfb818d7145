"""E-mail: who wrote to whom and when, the body as text, what is attached; and mailboxes of messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ragdiet.errors import BrokenFile, EmptyDocument, SourceError, UnsupportedFormat
from ragdiet.load.broken import MOST_CHARACTERS, reading, too_long
from ragdiet.load.encoding import browser_charset, decode
from ragdiet.load.html import parse_html
from ragdiet.load.loaded import Loaded, one_line, printable

if TYPE_CHECKING:
    from email.policy import Policy

Attached: TypeAlias = Callable[[bytes, str], Loaded]
"""Parses an attachment; raises UnsupportedFormat for what has no parser."""

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_DEEPEST = 3  # messages within messages
_MOST_ATTACHED = 64 * 2**20  # bytes of one attachment that is read
_LONGEST_HEADER = 4_000  # characters; the standard library takes quadratic time to parse one
# It also compares each line with the boundary of each multipart that is open.
_MOST_LINES = 2_000_000
_MOST_COMPARED = 20_000_000
_NEXT_MESSAGE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*[0-9]{4}[^\r\n]*\r?\n")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_ADVICE = "save it again from the mail program"


class _Policy(EmailPolicy):
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_LONGEST_HEADER]


_POLICY = cast("Policy[EmailMessage]", _Policy())


def parse_mail(data: bytes, name: str, *, attached: Attached) -> Loaded:
    """A message; its title is the subject.

    The body is the plain text, else the HTML as text, quotations included. ``attached`` is asked to read each
    attachment; those it cannot read stand there by their names. Raises BrokenFile for what is no message,
    BadEncoding for a body that is not in the charset it names.
    """
    text = _Text(attached)
    with reading("a message", advice=_ADVICE):
        subject = text.message(data)
    return Loaded(text=text.written, title=subject or None, meta={"format": "mail", "headings": text.headings})


def parse_mailbox(data: bytes, name: str, *, attached: Attached) -> Loaded:
    """An mbox file; each message is a heading. It has no title of its own.

    A message that cannot be read is left out, and ``meta["unread"]`` holds its number and why. Raises
    BrokenFile for what is no mailbox, EmptyDocument where no message can be read.
    """
    starts = [match.span() for match in _NEXT_MESSAGE.finditer(data)]
    if not starts or starts[0][0] != 0:
        raise BrokenFile(f"no mailbox: it does not begin with a line such as 'From ann@a.org ... 2024'; {_ADVICE}")
    text = _Text(attached)
    unread: list[str] = []
    ends = [start for start, _ in starts[1:]] + [len(data)]
    for number, ((_, start), end) in enumerate(zip(starts, ends, strict=True), 1):
        mark = text.mark()
        try:
            with reading("a message", advice=_ADVICE):
                text.mailed(_ESCAPED.sub(rb"\1", data[start:end]))
        except SourceError as error:
            text.back_to(mark)
            unread.append(f"message {number:,}: {error}")
    if not text.written:
        raise EmptyDocument(f"none of its {len(starts):,} messages can be read; {unread[0]}")
    meta = {"format": "mail", "headings": text.headings} | ({"unread": unread} if unread else {})
    return Loaded(text=text.written, title=None, meta=meta)


class _Text:
    """The text in the making. ``headings`` are as in ``Loaded``."""

    def __init__(self, attached: Attached) -> None:
        self.headings: list[list[Any]] = []
        self._attached = attached
        self._parts: list[str] = []
        self._length = 0

    @property
    def written(self) -> str:
        return "".join(self._parts).rstrip()

    def mark(self) -> tuple[int, int, int]:
        return len(self._parts), len(self.headings), self._length

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Forget what was written since ``mark`` was taken."""
        del self._parts[mark[0] :], self.headings[mark[1] :]
        self._length = mark[2]

    def mailed(self, data: bytes) -> None:
        """A message of a mailbox, under its subject."""
        heading = [self._length, 1, ""]
        self.headings.append(heading)
        heading[2] = self.message(data) or "No subject"

    def message(self, data: bytes, depth: int = 0) -> str:
        """Headers, body and attachments of a message; returns its subject."""
        return self._message(_parsed(data), depth)

    def _message(self, message: EmailMessage, depth: int) -> str:
        shown = [(name, one_line(printable(str(value)))) for name in _SHOWN if (value := message[name])]
        if not shown:
            raise BrokenFile(f"no message: it has neither sender, date nor subject; {_ADVICE}")
        self._write("\n".join(f"{name}: {value}" for name, value in shown if value))
        others: list[EmailMessage] = []
        for part in _leaves(message):
            if part.get_content_maintype() == "text" and not part.is_attachment() and not part.get_filename():
                self._write(_body(part))
            else:
                others.append(part)
        for part in others:
            self._attachment(part, depth)
        return dict(shown).get("Subject", "")

    def _attachment(self, part: EmailMessage, depth: int) -> None:
        name = one_line(printable(part.get_filename() or ""))
        if part.get_content_type() == "message/rfc822" or name.lower().endswith(".eml"):
            if depth == _DEEPEST:
                self._write(f"Attachment: {name or 'a message'} (not read: a message within {_DEEPEST} others)")
                return
            inner = _inner(part)
            message = inner[0] if inner else _parsed(_bytes(part))
            self._titled(name or one_line(printable(str(message["Subject"] or "a message"))))
            self._message(message, depth + 1)
        elif name and not (part["Content-ID"] and part.get_content_maintype() == "image"):
            self._named(part, name)

    def _named(self, part: EmailMessage, name: str) -> None:
        data = _bytes(part)
        try:
            if len(data) > _MOST_ATTACHED:
                raise BrokenFile(f"more than {_MOST_ATTACHED // 2**20} MiB")
            loaded = self._attached(data, name)
        except UnsupportedFormat:
            self._write(f"Attachment: {name}")
        except SourceError as error:
            self._write(f"Attachment: {name} (not read: {error})")
        else:
            self._titled(name)
            start = self._length
            self._write(loaded.text)
            for offset, level, title in loaded.meta.get("headings", ()):
                self.headings.append([start + offset, level + 2, title])

    def _titled(self, name: str) -> None:
        self.headings.append([self._length, 2, name])
        self._write(f"Attachment: {name}")

    def _write(self, text: str) -> None:
        if text.strip():
            self._parts.append(f"{text.rstrip()}\n\n")
            self._length += len(self._parts[-1])
        if self._length > MOST_CHARACTERS:
            raise too_long()


def _parsed(data: bytes) -> EmailMessage:
    lines = data.count(b"\n")
    if lines > _MOST_LINES or lines * data.lower().count(b"multipart/") > _MOST_COMPARED:
        raise BrokenFile("a message of too many lines and parts: save its attachments, and load those")
    return message_from_bytes(data, policy=_POLICY)


def _leaves(part: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that hold something, of alternatives one alone."""
    inner = _inner(part)
    if part.get_content_type() == "message/rfc822" or not inner:
        yield part
    elif part.get_content_subtype() == "alternative":
        written = [each for each in inner if each.get_content_type() != "text/plain" or _bytes(each).strip()]
        plain = [each for each in written if each.get_content_type() == "text/plain"]
        for each in (plain or written)[:1]:
            yield from _leaves(each)
    else:
        for each in inner:
            yield from _leaves(each)


def _inner(part: EmailMessage) -> list[EmailMessage]:
    """The parts of a multipart, or the message within one that is forwarded whole."""
    payload = part.get_payload()
    return cast("list[EmailMessage]", payload) if isinstance(payload, list) else []


def _body(part: EmailMessage) -> str:
    text = decode(_bytes(part), declared=browser_charset(part.get_content_charset()))
    if part.get_content_subtype() != "html":
        return printable(text)
    try:
        return parse_html(text.encode("utf-8", "replace"), "").text
    except EmptyDocument:  # a picture
        return ""


def _bytes(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
