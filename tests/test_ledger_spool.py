"""The spool: ledger rows on disk, whole or told from whole ones, and brought once whoever wrote them."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ragdiet.account import AskRow, Call
from ragdiet.account.spool import Spool, default_folder
from ragdiet.account.written import Noted, from_line, to_line
from ragdiet.errors import StoreUnavailable
from ragdiet.types import Usage

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
CALL = Call(
    call_id="c1",
    prompt_id="p",
    attempt=2,
    stage="generate",
    model="m",
    started_at=AT,
    tenant="'; drop table ragdiet.call; --\u2028\ud800",
    tags={"team": 'a"b\n'},
    usage=Usage(input_tokens=7, units=3),
    cost=Decimal("12345678901234567890.000000000000000000000000000001"),
    seconds=0.1 + 0.2,
)
ASK = AskRow(
    prompt_id="p",
    outcome="answered",
    confidence=0.5,
    cost=Decimal("1e-30"),
    database_cost=Decimal("0.10"),
    record={"versions": {"corpus": None}, "hits": [{"score": 0.1}]},
)


class Books:
    """Where rows are brought to."""

    def __init__(self) -> None:
        self.rows: list[Noted] = []
        self.refused: set[str] = set()
        self.is_down = False

    def __call__(self, rows: Sequence[Noted]) -> Sequence[Noted]:
        if self.is_down:
            raise StoreUnavailable("down: wait")
        bad = [noted for noted in rows if isinstance(noted.row, Call) and noted.row.call_id in self.refused]
        self.rows += [noted for noted in rows if noted not in bad]
        return bad

    @property
    def ids(self) -> list[str]:
        return [noted.row.call_id for noted in self.rows if isinstance(noted.row, Call)]


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.mark.parametrize("row", [CALL, ASK])
def test_a_row_comes_back_to_the_last_digit(row: Call | AskRow) -> None:
    line = to_line(Noted(row, AT))
    assert from_line(line) == from_line(line.rstrip(b"\n")) == Noted(row, AT)
    assert line.count(b"\n") == 1
    assert line.isascii()
    json.loads(line)


def test_no_part_of_a_line_and_no_changed_line_is_a_row() -> None:
    line = to_line(Noted(CALL, AT)).rstrip(b"\n")
    for end in range(len(line)):
        with pytest.raises(ValueError, match="no ledger row"):
            from_line(line[:end])
    for position in range(0, len(line), 7):
        changed = bytearray(line)
        changed[position] ^= 1
        with pytest.raises(ValueError, match="no ledger row"):
            from_line(bytes(changed))


def test_rows_are_kept_until_they_are_taken_and_then_forgotten(tmp_path: Path, books: Books) -> None:
    spool = Spool(tmp_path / "new" / "spool")
    spool.append([Noted(CALL, AT), Noted(ASK, AT)])
    (path,) = spool.folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    books.is_down = True
    with pytest.raises(StoreUnavailable):
        spool.drain(books)
    assert not spool.is_empty
    assert spool.costs(CALL.tenant, "p") == {"c1": CALL.cost}
    books.is_down = False
    spool.append([Noted(replace(CALL, status="done", cost=Decimal(1)), AT)])
    assert spool.costs(CALL.tenant, "p") == {"c1": Decimal(1)}
    spool.drain(books)
    spool.drain(books)
    assert [noted.row for noted in books.rows] == [CALL, ASK, replace(CALL, status="done", cost=Decimal(1))]
    assert spool.is_empty
    assert spool.costs(CALL.tenant, "p") == {}
    spool.close()
    assert not path.exists()


def test_rows_that_come_while_others_are_brought_are_brought_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([Noted(CALL, AT)])
    brought: list[str] = []

    def slow(rows: Sequence[Noted]) -> Sequence[Noted]:
        if not brought:
            spool.append([Noted(replace(CALL, call_id="c2"), AT)])
        brought.extend(noted.row.call_id for noted in rows if isinstance(noted.row, Call))
        return ()

    spool.drain(slow)
    assert brought == ["c1", "c2"]
    spool.close()


def test_only_the_file_of_a_process_that_died_is_taken_by_another(tmp_path: Path, books: Books) -> None:
    program = """
        import os, sys, time
        from pathlib import Path
        from ragdiet.account.spool import Spool
        from tests.test_ledger_spool import AT, CALL, Noted
        spool = Spool(Path(sys.argv[1]))
        spool.append([Noted(CALL, AT)])
        if not os.fork():           # a child of it must not hold its lock
            print("forked", flush=True)
            time.sleep(60)
            os._exit(0)
        time.sleep(60)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True
    )
    with child:
        assert child.stdout
        assert child.stdout.readline() == b"forked\n"
        spool = Spool(tmp_path)
        assert len(spool.others()) == 1
        spool.drain(books)
        assert books.ids == []
        child.kill()
        child.wait()
        spool.drain(books)
        assert books.ids == ["c1"]
        assert spool.others() == []
        os.killpg(child.pid, 9)


def test_a_file_cut_in_half_loses_nothing_that_is_whole(
    tmp_path: Path, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [to_line(Noted(replace(CALL, call_id=f"c{number}"), AT)) for number in range(9)]
    content = b"".join(lines)
    (tmp_path / "A.jsonl").write_bytes(content[: len(content) // 2])
    (tmp_path / "B.jsonl").write_bytes(lines[7][:40] + lines[8] + b"\n\0\xff{}\n" + lines[8].replace(b"c8", b"c9"))
    (tmp_path / "C.jsonl").write_bytes(b"")
    Spool(tmp_path).drain(books)
    assert books.ids == ["c0", "c1", "c2", "c3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A.bad", "B.bad"]
    assert (tmp_path / "A.bad").read_bytes() == lines[4][: len(lines[4]) // 2] + b"\n"
    assert (tmp_path / "B.bad").read_bytes().count(b"\n") == 3
    assert stat.S_IMODE((tmp_path / "A.bad").stat().st_mode) == 0o600
    assert f"kept in {tmp_path / 'A.bad'}" in caplog.text


def test_rows_that_the_database_refuses_are_set_aside(
    tmp_path: Path, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    books.refused = {"c1"}
    spool = Spool(tmp_path)
    spool.append([Noted(CALL, AT), Noted(replace(CALL, call_id="c2"), AT)])
    spool.drain(books)
    spool.close()
    assert books.ids == ["c2"]
    (bad,) = tmp_path.glob("*.bad")
    assert from_line(bad.read_bytes()) == Noted(CALL, AT)
    assert "1 lines" in caplog.text


def test_a_disk_that_fills_up_in_mid_line_leaves_whole_lines(
    tmp_path: Path, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append([Noted(CALL, AT)])
    write = os.write

    def full(fd: int, data: memoryview) -> int:
        write(fd, bytes(data)[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            spool.append([Noted(replace(CALL, call_id="c2"), AT)])
    spool.append([Noted(replace(CALL, call_id="c3"), AT)])
    spool.drain(books)
    spool.close()
    assert books.ids == ["c1", "c3"]
    assert list(tmp_path.iterdir()) == []


def test_a_database_has_one_folder_whoever_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    one = default_folder("postgresql://app:secret@db.example.com/docs")
    assert one.parent == Path("/state/ragdiet/spool")
    assert default_folder("host=db.example.com dbname=docs user=owner password=other") == one
    assert default_folder("postgresql://app@db.example.com/other") != one
    monkeypatch.setenv("PGHOST", "db.example.com")
    assert default_folder("dbname=docs") == one
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_folder("dbname=docs") == Path.home() / ".local/state/ragdiet/spool" / one.name
