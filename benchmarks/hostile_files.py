"""A folder of files that attack, break or confuse a reader, and good ones between them."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from pypdf import PdfReader, PdfWriter

_TEXT = "The notice period is three months. During probation it is two weeks."
_NORDIC = "Blåbærgrød på øen, fløde over æblerne, og så en kop kaffe til."
_BOMB_BYTES = 1 << 29
_ENTITIES = "".join(
    f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' if level else '<!ENTITY l0 "lol">' for level in range(10)
)


def write_hostile(folder: Path, pdf: Path) -> None:
    """Fill ``folder``; ``pdf`` is a whole one, to be cut off and encrypted."""
    folder.mkdir(parents=True)
    whole = pdf.read_bytes()
    contents: dict[str, bytes | Callable[[], bytes]] = {
        "pdf/truncated.pdf": whole[: len(whole) // 3],
        "pdf/header_only.pdf": whole[:1024],
        "pdf/encrypted.pdf": lambda: _encrypted(whole),
        "pdf/random.pdf": b"%PDF-1.7\n" + os.urandom(50_000),
        "office/bomb.docx": lambda: _office({"word/document.xml": b"\0" * _BOMB_BYTES}),
        "office/text_bomb.docx": lambda: _office(
            {"word/document.xml": _WORD % (b"<w:p><w:r><w:t>a</w:t></w:r></w:p>" * 6_000_000)}
        ),
        "office/bomb.xlsx": lambda: _office({"xl/workbook.xml": b" " * _BOMB_BYTES}),
        "office/entities.docx": lambda: _office({"word/document.xml": _entity_document()}),
        "office/escaping.docx": lambda: _office({"../../escaped.xml": b"<a/>"}),
        "office/truncated.pptx": lambda: _office({"ppt/presentation.xml": os.urandom(20_000)})[:9_000],
        "office/random.docx": os.urandom(20_000),
        "encoding/latin1.txt": (_NORDIC * 20).encode("latin-1"),
        "encoding/utf16.txt": (_NORDIC * 20).encode("utf-16"),
        "encoding/utf8_bom.txt": (_NORDIC * 20).encode("utf-8-sig"),
        "encoding/mixed.txt": _NORDIC.encode() * 10 + b"\n" + _NORDIC.encode("latin-1") * 10,
        "encoding/cut_in_a_letter.txt": (_NORDIC * 20).encode()[:-1] + b"\xc3",
        "encoding/nul.txt": b"The notice\0period is three months.",
        "encoding/wrong_charset.html": b'<meta charset="utf-8"><p>' + _NORDIC.encode("latin-1"),
        "binary/random": os.urandom(50_000),
        "binary/picture.md": b"\x89PNG\r\n\x1a\n" + os.urandom(50_000),
        "empty/empty.md": b"",
        "empty/blank.txt": b" \n\t\n" * 100,
        "empty/no_text.html": b"<html><body><img src=x></body></html>",
        "deep/tags.html": b"<div>" * 100_000 + _TEXT.encode(),
        "deep/list.md": b"\n".join(b"  " * depth + b"- item" for depth in range(2_000)),
        "deep/brackets.json": b"[" * 200_000,
        "deep/broken.jsonl": b'{"text": "a"}\n{"text": \n',
        "long/one_line.txt": b"a" * 5_000_000,
        "long/no_blank.md": "字".encode() * 1_000_000,
    }
    for name, content in contents.items():
        _write(folder / name, content if isinstance(content, bytes) else content())
    for number in range(20):
        _write(folder / "good" / f"{number:02}.md", f"# Good {number}\n\n{_TEXT} Number {number}.\n".encode())
    (folder / "links").mkdir()
    (folder / "links" / "nowhere.txt").symlink_to(folder / "not_there.txt")
    (folder / "links" / "itself.txt").symlink_to(folder / "links" / "itself.txt")
    (folder / "links" / "above").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "links" / "pipe.txt")
    _write(folder / "links" / b"caf\xe9.txt".decode("utf-8", "surrogateescape"), _TEXT.encode())


_WORD = (
    b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>%s</w:body>'
    b"</w:document>"
)


def _entity_document() -> bytes:
    body = _WORD % b"<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>"
    return f'<?xml version="1.0"?><!DOCTYPE d [{_ENTITIES}]>'.encode() + body


def _office(parts: dict[str, bytes]) -> bytes:
    """A zip that calls itself a document, with a type and a relation for its main part."""
    main = next(iter(parts))
    kinds = {"word": "wordprocessingml.document", "xl": "spreadsheetml.sheet", "ppt": "presentationml.presentation"}
    kind = kinds.get(main.split("/")[0], kinds["word"])
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/{main}" ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/>'
        "</Types>"
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        f'Target="{main}"/></Relationships>'
    )
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", relations)
        for name, content in parts.items():
            archive.writestr(name, content)
    return written.getvalue()


def _encrypted(whole: bytes) -> bytes:
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(whole)))
    writer.encrypt("secret", algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
