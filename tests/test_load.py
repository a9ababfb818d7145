"""Sources: files, folders, globs, links, and everything that cannot be loaded."""

from __future__ import annotations

import glob
import json
import os
import socket
import tempfile
import threading
import tracemalloc
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ragdiet.errors import BadEncoding, EmptyDocument, InvalidArgument, MissingExtra, SourceNotFound
from ragdiet.load import checked, load
from ragdiet.types import Document, Rejection
from tests.office import epub_file, message, saved, xlsx_file


def loaded(source: object, **options: int) -> tuple[list[Document], list[Rejection]]:
    rejected: list[Rejection] = []
    documents = list(load(source, rejected=rejected.append, **options))  # type: ignore[arg-type]  # bad sources too
    return documents, rejected


def ids(source: object) -> list[str]:
    documents, rejected = loaded(source)
    assert rejected == []
    return [document.id for document in documents]


def only_rejection(source: object, **options: int) -> Rejection:
    documents, rejected = loaded(source, **options)
    assert documents == []
    assert len(rejected) == 1
    return rejected[0]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with what a project has: documents, code, and what is not to be loaded."""
    root = tmp_path / "project"
    for name in (
        "README.md",
        "docs/guide.md",
        "docs/api/client.rst",
        "docs/api/page.html",
        "docs-old/guide.md",
        "notes.txt",
        "src/main.py",
        ".git/config",
        ".venv/lib/module.py",
        "node_modules/left/README.md",
        "src/__pycache__/main.txt",
        ".hidden.md",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}\n")
    return root


def test_a_folder_gives_its_files_in_order_without_hidden_ones(tree: Path) -> None:
    assert ids(tree) == [
        "README.md",
        "docs/api/client.rst",
        "docs/api/page.html",
        "docs/guide.md",
        "docs-old/guide.md",
        "notes.txt",
        "src/main.py",
    ]


def test_a_document_has_its_id_uri_title_text_and_format(tree: Path) -> None:
    (tree / "README.md").write_text("# The project\n\nIt works.\n")
    readme, *_, notes, code = loaded(tree)[0]
    assert readme == Document(
        id="README.md",
        text="# The project\n\nIt works.\n",
        title="The project",
        uri=(tree / "README.md").as_uri(),
        meta={"format": "markdown", "headings": [[0, 1, "The project"]]},
    )
    assert (notes.title, notes.text, notes.meta) == ("notes", "text of notes.txt\n", {"format": "text"})
    assert (code.title, code.meta["language"]) == ("src/main.py", "python")


@pytest.mark.parametrize("name", [".git", ".venv", "node_modules", ".hidden.md"])
def test_what_is_passed_over_in_a_folder_is_loaded_when_named(tree: Path, name: str) -> None:
    assert len(ids(tree / name)) == 1


def test_a_file_is_known_by_its_name_and_a_path_may_be_relative(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "docs")
    for source in ("guide.md", Path("guide.md"), "./guide.md", "../docs/guide.md"):
        (document,) = loaded(source)[0]
        assert (document.id, document.uri) == ("guide.md", (tree / "docs/guide.md").as_uri())
    assert ids(".") == ids(tree / "docs") == ["api/client.rst", "api/page.html", "guide.md"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("docs/**/*.md", ["guide.md"]),
        ("docs/**", ["api/client.rst", "api/page.html", "guide.md"]),
        ("**/*.md", ["README.md", "docs/guide.md", "docs-old/guide.md"]),
        ("docs*/*.md", ["docs/guide.md", "docs-old/guide.md"]),
        ("docs/*/*.[hr]*", ["api/client.rst", "api/page.html"]),
        ("docs/api/????.html", ["page.html"]),
        (".*.md", [".hidden.md"]),
        ("**/node_modules/**/*.md", ["node_modules/left/README.md"]),
    ],
)
def test_a_glob_gives_what_it_matches_below_its_fixed_part(tree: Path, pattern: str, expected: list[str]) -> None:
    assert ids(str(tree / pattern)) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "**",
        "**/*",
        "*/*",
        "**/*.md",
        "docs/**/*",
        "d*/**/g*",
        "**/api/*",
        "*/[a-d]*/*",
        "s?c/*.p[xy]",
        "**/**/*.html",
    ],
)
def test_globs_agree_with_the_standard_library(tree: Path, pattern: str) -> None:
    matches = glob.glob(str(tree / pattern), recursive=True)  # noqa: PTH207 - Path.glob takes hidden names
    expected = {Path(match).as_uri() for match in matches if Path(match).is_file()}
    expected = {uri for uri in expected if "node_modules" not in uri and "__pycache__" not in uri}
    assert {document.uri for document in loaded(str(tree / pattern))[0]} == expected
    assert expected


def test_a_file_named_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "notes [draft]*.txt").write_text("a draft")
    assert ids(str(tmp_path / "notes [draft]*.txt")) == ["notes [draft]*.txt"]


def test_documents_pass_through_and_sources_mix(tree: Path) -> None:
    own = Document("own", "Own text.")
    sources = [own, tree / "docs", str(tree / "*.txt")]
    assert ids(sources) == ids(iter(sources)) == ["own", "api/client.rst", "api/page.html", "guide.md", "notes.txt"]
    assert loaded(own)[0][0] is own


def test_loading_twice_gives_the_same(tree: Path) -> None:
    assert loaded(tree) == loaded(tree)


def test_a_file_reached_in_two_ways_is_loaded_once(tree: Path) -> None:
    assert ids([tree / "docs", tree / "docs/guide.md", str(tree / "docs/*.md")]) == ids(tree / "docs")


def test_names_are_ids_that_can_be_stored(tmp_path: Path) -> None:
    (tmp_path / "re\u0301sume\u0301 1.txt").write_text("decomposed accents")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("a name in Latin-1")
    documents, rejected = loaded(tmp_path)
    assert [(document.id, document.title) for document in documents] == [
        ("caf\\xe9.txt", "caf\\xe9"),
        ("r\u00e9sum\u00e9 1.txt", "r\u00e9sum\u00e9 1"),
    ]
    assert rejected == []
    assert documents[0].uri.endswith("/caf%E9.txt")  # type: ignore[union-attr]  # a loaded file has one


# --- sources that are not there


@pytest.mark.parametrize(
    "missing", ["nowhere", "nowhere/*.md", "docs/*.pdf", "README.md/x", "x" * 5_000, "a\0b", "**/*.nothing"]
)
@pytest.mark.parametrize("in_a_list", [False, True])
def test_a_source_that_is_not_there_is_raised_before_anything_is_loaded(
    tree: Path, missing: str, in_a_list: bool
) -> None:
    source = str(tree / missing)
    with pytest.raises(SourceNotFound) as caught:
        load([tree, source] if in_a_list else source, rejected=lambda rejection: None)
    assert caught.value.uri


def test_a_missing_source_of_an_iterator_is_raised_when_it_is_reached(tree: Path) -> None:
    documents = load(iter([tree / "notes.txt", tree / "nowhere"]), rejected=lambda rejection: None)
    assert next(documents).id == "notes.txt"
    with pytest.raises(SourceNotFound, match="check the path"):
        next(documents)


def test_an_address_is_not_fetched() -> None:
    with pytest.raises(SourceNotFound, match="download it first"):
        loaded("https://example.org/page.html")


@pytest.mark.parametrize("source", [None, 3, b"notes.txt", "", [""], [None], [["notes.txt"]], [b"notes.txt"]])
def test_what_is_no_source_is_an_invalid_argument(source: object) -> None:
    with pytest.raises(InvalidArgument, match="give a path"):
        loaded(source)


def test_the_size_limit_must_be_positive(tree: Path) -> None:
    with pytest.raises(InvalidArgument, match="max_bytes=0"):
        loaded(tree, max_bytes=0)


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path) == ([], [])


# --- files that cannot be loaded


def test_what_cannot_be_loaded_is_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    (tmp_path / "b.txt").write_text(" \n\t\n")
    (tmp_path / "c.txt").write_bytes(b"GIF89a\0\1\2")
    (tmp_path / "d.bin").write_bytes(b"\x7fELF\1\1\xff")
    (tmp_path / "e.pdf").write_bytes(b"%PDF-1.7 and no more")
    (tmp_path / "f.md").write_bytes(b"")
    (tmp_path / "g.txt").write_text("good")
    documents, rejected = loaded(tmp_path)
    assert [document.id for document in documents] == ["g.txt"]
    assert [(rejection.uri, rejection.error) for rejection in rejected] == [
        ((tmp_path / "a.txt").as_uri(), "BadEncoding"),
        ((tmp_path / "b.txt").as_uri(), "EmptyDocument"),
        ((tmp_path / "c.txt").as_uri(), "UnsupportedFormat"),
        ((tmp_path / "d.bin").as_uri(), "UnsupportedFormat"),
        ((tmp_path / "e.pdf").as_uri(), "BrokenFile"),
        ((tmp_path / "f.md").as_uri(), "EmptyDocument"),
    ]
    assert "iconv" in rejected[0].reason
    assert "convert" in rejected[3].reason


def test_a_file_over_the_limit_is_rejected_with_its_size(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("x" * 1_001)
    assert "1,001 bytes, more than max_bytes=1,000" in only_rejection(tmp_path, max_bytes=1_000).reason
    assert len(loaded(tmp_path, max_bytes=1_001)[0]) == 1


def test_a_huge_sparse_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(2**40)
    assert only_rejection(tmp_path).error == "SourceUnreadable"


def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as server:  # a socket's path is short
        server.bind(f"{short}/socket.txt")
        for source in (tmp_path, tmp_path / "pipe.txt", Path(short), Path("/dev/null")):
            assert only_rejection(source).error == "UnsupportedFormat"


@contextmanager
def plain_user() -> Iterator[None]:
    """Root may read everything, so a test of permissions must not be root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_rejected() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "locked").mkdir()
        (root / "locked/inside.txt").write_text("unreachable")
        (root / "secret.txt").write_text("unreadable")
        (root / "open.txt").write_text("readable")
        (root / "secret.txt").chmod(0)
        (root / "locked").chmod(0)
        try:
            with plain_user():
                documents, rejected = loaded(root)
                inside = only_rejection(root / "locked/inside.txt")
        finally:
            (root / "locked").chmod(0o755)
    assert [document.id for document in documents] == ["open.txt"]
    assert [(rejection.uri, rejection.error) for rejection in rejected] == [
        ((root / "locked").as_uri(), "SourceUnreadable"),
        ((root / "secret.txt").as_uri(), "SourceUnreadable"),
    ]
    assert "permission denied" in inside.reason


def test_a_file_that_vanishes_meanwhile_is_rejected(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    rejected: list[Rejection] = []
    documents = load(tmp_path, rejected=rejected.append)
    assert next(documents).id == "a.txt"
    (tmp_path / "b.txt").unlink()
    assert next(documents).id == "c.txt"
    assert [(rejection.uri, rejection.error) for rejection in rejected] == [
        ((tmp_path / "b.txt").as_uri(), "SourceUnreadable")
    ]


@pytest.mark.parametrize("mode", ["a", "r+"])
def test_a_file_that_changes_while_it_is_read_is_rejected(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "changing.txt"
    path.write_text("x" * 30_000_000)
    stop = threading.Event()

    def change() -> None:
        with path.open(mode) as file:
            while not stop.is_set():
                if mode == "r+":
                    file.seek(0)  # the size stays as it is
                file.write("more")
                file.flush()

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for _ in range(50):  # a machine busy with its disk may hold the writer up for the length of a whole read
            _, rejected = loaded(path)
            if rejected:
                break
    finally:
        stop.set()
        writer.join()
    (rejection,) = rejected
    assert rejection.error == "SourceUnreadable"
    assert "changed while it was read" in rejection.reason


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
def test_a_file_that_tells_a_wrong_size_is_not_loaded_in_part() -> None:
    assert only_rejection("/proc/self/status").error == "SourceUnreadable"


# --- links


def test_links_are_followed_but_never_in_a_circle(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "linked.md").write_text("linked")
    (outside / "back").symlink_to(tree)
    (tree / "docs/loop").symlink_to(tree)
    (tree / "docs/self").symlink_to(tree / "docs")
    (tree / "elsewhere").symlink_to(outside)
    before = ids([document for document in loaded(tree)[0] if not document.id.startswith("elsewhere")])
    documents, rejected = loaded(tree)
    assert [document.id for document in documents] == [*before, "elsewhere/linked.md"]
    assert {(rejection.uri, rejection.error) for rejection in rejected} == {
        ((tree / "docs/loop").as_uri(), "SourceUnreadable"),
        ((tree / "docs/self").as_uri(), "SourceUnreadable"),
        ((tree / "elsewhere/back").as_uri(), "SourceUnreadable"),
    }


def test_many_links_between_folders_are_walked_in_linear_time(tmp_path: Path) -> None:
    names = [f"folder{number}" for number in range(12)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.txt").write_text(name)
    for name in names:
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
    documents, rejected = loaded(tmp_path)
    assert [document.id for document in documents] == sorted(f"{name}/file.txt" for name in names)
    assert len(rejected) == len(names)  # each folder's link to itself


def test_a_link_does_not_take_the_id_of_what_it_points_to(tree: Path) -> None:
    before = ids(tree)
    (tree / "a-link.md").symlink_to(tree / "notes.txt")
    (tree / "a-folder").symlink_to(tree / "docs")
    assert ids(tree) == before


@pytest.mark.parametrize("target", ["loop.txt", "nowhere.txt"])
def test_a_link_that_leads_nowhere_is_rejected(tmp_path: Path, target: str) -> None:
    link = tmp_path / "loop.txt"
    link.symlink_to(tmp_path / target)
    for source in (tmp_path, link):
        assert only_rejection(source) == only_rejection(link)
        assert only_rejection(source).error == "SourceUnreadable"


# --- one at a time


def test_one_document_is_in_memory_at_a_time(tmp_path: Path) -> None:
    size = 4_000_000
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text("word " * (size // 5))
    tracemalloc.start()
    try:
        deque(load(tmp_path, rejected=pytest.fail), maxlen=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * size  # a file's bytes and its text


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"\xff")
    rejected: list[Rejection] = []
    documents = load(tmp_path, rejected=rejected.append)
    assert rejected == []
    assert next(documents, None) is None
    assert len(rejected) == 2


# --- a parser that is not installed


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("a.md", "markdown_it", "markdown-it-py"),
        ("a.rst", "docutils", "docutils"),
        ("a.html", "bs4", "beautifulsoup4"),
        ("a.pdf", "pypdf", "pypdf"),
        ("a.docx", "docx", "python-docx"),
        ("a.pptx", "pptx", "python-pptx"),
        ("a.xlsx", "lxml", "lxml"),
        ("a.epub", "lxml", "lxml"),
        ("a.eml", "bs4", "beautifulsoup4"),
    ],
)
def test_a_missing_parser_is_raised_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, package: str
) -> None:
    mail = message()
    mail.set_content("<p>text</p>", subtype="html")
    made = {"a.xlsx": saved(xlsx_file()), "a.epub": epub_file(), "a.eml": mail.as_bytes()}
    (tmp_path / name).write_bytes(made.get(name, b"text"))
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'ragdiet\[files\]'") as caught:
        loaded(tmp_path)
    assert caught.value.package == package


# --- documents that are given


CIRCLE: dict[str, object] = {}
CIRCLE["self"] = CIRCLE


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (Document("a", "text\0more"), BadEncoding),
        (Document("a", "text \ud800"), BadEncoding),
        (Document("a\0", "text"), BadEncoding),
        (Document("a", "text", title="\udfff"), BadEncoding),
        (Document("a", "text", uri="file:///\0"), BadEncoding),
        (Document("a", "text", meta={"key": ["\0"]}), BadEncoding),
        (Document("a", "text", meta={"key": {"\ud800": 1}}), BadEncoding),
        (Document("a", ""), EmptyDocument),
        (Document("a", " \n\t\u00a0\u200b\ufeff"), EmptyDocument),
        (Document("", "text"), InvalidArgument),
        (Document("  ", "text"), InvalidArgument),
        (Document("x" * 2_001, "text"), InvalidArgument),
        (Document(7, "text"), InvalidArgument),  # type: ignore[arg-type]  # what a user may pass
        (Document("a", b"text"), InvalidArgument),  # type: ignore[arg-type]  # the same
        (Document("a", None), InvalidArgument),  # type: ignore[arg-type]  # the same
        (Document("a", "text", title=3), InvalidArgument),  # type: ignore[arg-type]  # the same
        (Document("a", "text", meta=None), InvalidArgument),  # type: ignore[arg-type]  # the same
        (Document("a", "text", meta=["list"]), InvalidArgument),  # type: ignore[arg-type]  # the same
        (Document("a", "text", meta={"key": {1, 2}}), InvalidArgument),
        (Document("a", "text", meta={"key": float("nan")}), InvalidArgument),
        (Document("a", "text", meta={"key": [{"inner": Path("x")}]}), InvalidArgument),
        (Document("a", "text", meta={1: "one"}), InvalidArgument),  # type: ignore[dict-item]  # the same
        (Document("a", "text", meta={"key": {None: "one"}}), InvalidArgument),
        (Document("a", "text", meta=CIRCLE), InvalidArgument),
        (Document("a", "text", meta={"deep": json.loads("[" * 900 + "]" * 900)}), None),
    ],
)
def test_a_given_document_is_checked(document: Document, error: type[Exception] | None) -> None:
    if error is None:
        assert checked(document) is document
        return
    with pytest.raises(error):
        checked(document)
    rejection = only_rejection([document])
    assert rejection.error == error.__name__
    rejection.uri.encode()
    assert "\0" not in rejection.uri
    assert loaded([document, Document("good", "text")])[0] == [Document("good", "text")]


def test_json_of_every_kind_and_any_letters_are_fine() -> None:
    meta = {"a": [1, 2.5, True, None, "\\u0000 written out", {"ключ": ("x",)}], "b": {}}
    document = Document("Ω/😀", "नमस्ते 😀", title="题", meta=meta)
    assert checked(document) is document
