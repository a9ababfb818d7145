"""The listening socket and its loop, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ragdiet.testing.bedrock.command import obey
from ragdiet.testing.bedrock.http import Connection
from ragdiet.testing.bedrock.service import Service

_THREADS = 64


class Engine:
    """``start`` listens, ``stop`` ends all connections. ``port`` 0 takes a free one."""

    def __init__(self, service: Service, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.service = service
        self.url = ""
        self._address = (host, port)
        self._connections: set[Connection] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failed: BaseException | None = None

    def start(self) -> None:
        """Return once the socket listens. Raises OSError where it cannot."""
        if self._thread:
            raise RuntimeError("the stand-in is running already")
        ready = threading.Event()
        self._failed = None
        self._thread = threading.Thread(target=self._run, args=(ready,), name="bedrock-stand-in", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failed:
            self.stop()
            raise self._failed

    def ask(self, name: str, *args: Any, **given: Any) -> Any:
        """What a command gives."""
        return obey(self.service, name, *args, **given)

    def stop(self) -> None:
        """Return once no thread is left."""
        thread, self._thread = self._thread, None
        if thread:
            if self._loop and self._stopping and not self._failed:
                self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            self._failed = error
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bedrock-stand-in")
        listener = await self._loop.create_server(lambda: self._connected(pool), *self._address, backlog=512)
        host, port = listener.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        ready.set()
        await self._stopping.wait()
        listener.close()
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # connection_lost is called in the loop's next turn
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        pool.shutdown(wait=False, cancel_futures=True)

    def _connected(self, pool: ThreadPoolExecutor) -> Connection:
        connection = Connection(self.service, pool, self._connections.discard)
        self._connections.add(connection)
        return connection
