"""Who the server runs as: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragdiet.errors import EmbeddedServerError


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that owns the data and runs PostgreSQL; ``switched`` where that is not the caller."""

    uid: int
    gid: int
    switched: bool

    @property
    def process_options(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this user.

        Of the caller's environment only what programs need to run is handed on: the caller's keys
        and tokens would be readable to every process of the server's user.
        """
        handed_on = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
        environment = {name: os.environ[name] for name in handed_on if name in os.environ}
        options: dict[str, Any] = {"env": {**environment, "LC_ALL": "C"}}
        if self.switched:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def take(self, file: Path | int, *, mode: int) -> None:
        """Make this user the owner of a file or folder, given by path or descriptor."""
        if self.switched:
            os.chown(file, self.uid, self.gid)
        os.chmod(file, mode)  # noqa: PTH101 - a Path cannot be a descriptor


def server_user(data: Path) -> ServerUser:
    """The caller; for root, the owner of an existing ``data`` folder, else ``nobody``.

    Raises:
        EmbeddedServerError: root, on a system without the user ``nobody``.
    """
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), switched=False)
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return ServerUser(owner.st_uid, owner.st_gid, switched=True)

    import pwd  # absent on Windows

    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and this system has no user 'nobody' to run it as. "
            "Add that user, or run as a plain one"
        ) from error
    return ServerUser(nobody.pw_uid, nobody.pw_gid, switched=True)
