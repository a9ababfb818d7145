"""The stand-in in a process of its own, so that a client under test does not share its interpreter lock.

The parent holds two pipes to the child: commands go down one as pickles, replies come up the other. When the parent
ends, however it ends, the child reads the end of its pipe and ends too.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ragdiet.testing.bedrock.command import obey
from ragdiet.testing.bedrock.engine import Engine
from ragdiet.testing.bedrock.service import Service
from ragdiet.testing.bedrock.world import World

_CHILD = "from ragdiet.testing.bedrock.process import serve; serve()"


class Child:
    """The same doors as Engine has, to a server in another process. What is sent must be picklable."""

    def __init__(self, world: World, *, host: str, port: int) -> None:
        self.url = ""
        self._told = (world, host, port)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Return once the child listens. Raises what kept it from it."""
        told = _pickled(self._told)
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the parent, whose end is the child's
        )
        try:
            self.url = self._exchange(told)
        except BaseException:
            self.stop()
            raise

    def ask(self, name: str, *args: Any, **given: Any) -> Any:
        """What a command gives; its error is raised here."""
        message = _pickled((name, args, given))
        with self._lock:
            return self._exchange(message)

    def stop(self) -> None:
        """Return once the child has ended."""
        process, self._process = self._process, None
        if process:
            assert process.stdin
            assert process.stdout
            with suppress(BrokenPipeError):  # what was still to be sent to a child that was killed
                process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()

    def _exchange(self, message: bytes) -> Any:
        if self._process is None:
            raise RuntimeError("the stand-in is not running: use it in a with statement")
        assert self._process.stdin
        assert self._process.stdout
        try:
            _send(self._process.stdin, message)
            good, value = pickle.loads(_received(self._process.stdout))  # noqa: S301  # our own child's
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError("the stand-in's process has ended; what it wrote last is above") from error
        if not good:
            raise value
        return value


def serve() -> None:
    """The child: the world comes first, then commands until the pipe ends."""
    commands, replies = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # a print in a user's function must not run into the replies
    try:
        world, host, port = pickle.loads(_received(commands))  # noqa: S301  # from our own parent
        engine = Engine(Service(world), host=host, port=port)
        engine.start()
    except Exception as error:  # noqa: BLE001  # it is the parent's to raise
        _reply(replies, False, error)
        return
    _reply(replies, True, engine.url)
    while True:
        try:
            message = _received(commands)
        except EOFError:
            break
        try:
            name, args, given = pickle.loads(message)  # noqa: S301  # from our own parent
            good, value = True, obey(engine.service, name, *args, **given)
        except Exception as error:  # noqa: BLE001  # it is the parent's to raise
            good, value = False, error
        _reply(replies, good, value)
    engine.stop()


def _reply(pipe: IO[bytes], good: bool, value: Any) -> None:
    try:
        message = pickle.dumps((good, value))
        if not good:
            pickle.loads(message)  # noqa: S301  # errors exist that are pickled and cannot be read again
    except Exception:  # noqa: BLE001  # whatever a user's class raises when it is pickled
        message = pickle.dumps((False, RuntimeError(f"not to be pickled: {value!r}")))
    _send(pipe, message)


def _pickled(value: object) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise TypeError(
            f"with process=True what is handed in must be picklable, as functions of a module are: {error}"
        ) from error


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(8))
    pipe.write(message)
    pipe.flush()


def _received(pipe: IO[bytes]) -> bytes:
    size = pipe.read(8)
    message = pipe.read(int.from_bytes(size)) if len(size) == 8 else b""
    if not message:
        raise EOFError
    return message
