"""What runs containers here: a Docker that answers, else a Podman service of this program's own."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

INSTALL = (
    "as root: apt-get update && apt-get install --yes --no-install-recommends "
    "podman runc netavark aardvark-dns iptables busybox-static"
)

_USUAL_PLACE = Path("/var/run/docker.sock")
_START_SECONDS = 30.0
_MOST_PROCESSES = 32_768
_MOST_FILES = 1_048_576
_SETTINGS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


class ContainersUnavailable(Exception):
    """No container can run here; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Engine:
    """``has_registry``: it is a Docker of the machine's own, which as a rule can pull images."""

    client: DockerClient
    has_registry: bool


@contextmanager
def engine() -> Iterator[Engine]:
    """An engine that answers, which testcontainers will use too. Raises ContainersUnavailable."""
    try:
        import docker
        import testcontainers.core.config as testcontainers
    except ImportError as error:
        raise ContainersUnavailable(f"{error}: pip install 'ragdiet[bench]'") from error
    if (running := _running()) is not None:
        yield Engine(running, has_registry=True)
        running.close()
        return
    settings = testcontainers.testcontainers_config
    before = (settings.ryuk_disabled, settings.tc_host_override, settings.connection_mode_override)
    # Its reaper is an image of a registry. Ports are published on this machine, even where it is a container itself.
    settings.ryuk_disabled = True
    settings.tc_host_override = "localhost"
    settings.connection_mode_override = testcontainers.ConnectionMode.docker_host
    try:
        with _podman() as address, _docker_host(address):
            client = docker.DockerClient(address)
            try:
                yield Engine(client, has_registry=False)
            finally:
                client.close()
    finally:
        settings.ryuk_disabled, settings.tc_host_override, settings.connection_mode_override = before


def _running() -> DockerClient | None:
    """The Docker that the environment names, or that listens at the usual place."""
    import docker
    from docker.errors import DockerException

    if "DOCKER_HOST" not in os.environ and not _USUAL_PLACE.exists():
        return None
    try:
        return docker.from_env()  # which asks it
    except DockerException:
        return None


@contextmanager
def _podman() -> Iterator[str]:
    """The address of a Podman service that lives as long as the block."""
    podman = shutil.which("podman")
    missing = [name for name in ("podman", "runc") if shutil.which(name) is None]
    if podman is None or missing:
        raise ContainersUnavailable(f"no Docker answers, and there is no {' and no '.join(missing)}: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="ragdiet-podman-") as folder:
        settings, socket, log = (Path(folder) / name for name in ("containers.conf", "podman.sock", "podman.log"))
        settings.write_text(
            # More than the service's own limits cannot be given on; runc refuses to try.
            _SETTINGS.format(
                files=_limit(resource.RLIMIT_NOFILE, _MOST_FILES),
                processes=_limit(resource.RLIMIT_NPROC, _MOST_PROCESSES),
            )
        )
        with (
            log.open("w") as out,
            subprocess.Popen(
                [podman, "system", "service", "--time=0", f"unix://{socket}"],
                env=os.environ | {"CONTAINERS_CONF": str(settings)},
                stdout=out,
                stderr=out,
            ) as service,
        ):
            try:
                _await(socket, service, log)
                yield f"unix://{socket}"
            finally:
                service.terminate()


def _await(socket: Path, service: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not socket.exists():
        if service.poll() is not None or time.monotonic() > deadline:
            raise ContainersUnavailable(f"podman's service does not start: {log.read_text()[-1000:].strip()}")
        time.sleep(0.05)


def _limit(which: int, most: int) -> int:
    hard = resource.getrlimit(which)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


@contextmanager
def _docker_host(address: str) -> Iterator[None]:
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ["DOCKER_HOST"]
        else:
            os.environ["DOCKER_HOST"] = before
