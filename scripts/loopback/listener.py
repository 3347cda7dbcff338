"""A listening socket on 127.0.0.1 with its own thread and event loop, bounded in connections and in lifetime."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import struct
import termios
import threading
from collections.abc import Awaitable, Callable
from typing import Literal

from loopback.http1 import MAX_HEAD_BYTES, Ending

HOST = "127.0.0.1"
MAX_CONNECTIONS = 1024
#: how long a reset waits for the kernel to hand over what was written before it
DRAIN_S = 2.0
Loop = Literal["asyncio", "uvloop"]
Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Runs one coroutine per connection until it is stopped.

    Args:
        serve: called once per connection; the connection is closed when it returns.
        tls: a server-side context, or None for plain HTTP.
        port: 0 for a free one.
        lifetime_s: the listener stops by itself after this time, so that a killed test leaves nothing behind.
        loop: "uvloop" where speed counts.
    """

    def __init__(
        self,
        serve: Connection,
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        lifetime_s: float = 600.0,
        loop: Loop = "asyncio",
    ) -> None:
        self._serve = serve
        self._tls = tls
        self._lifetime_s = lifetime_s
        self._loop_kind = loop
        #: every open connection's task, so that stopping ends them all
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._socket = socket.create_server((HOST, port), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=f"loopback-{self.port}", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """Close every connection and the socket, and wait for the thread.

        Raises:
            BaseException: what a connection's coroutine raised that was not the peer's doing.
        """
        if self._loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # its lifetime may have ended in this moment
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._socket.close()
        if self._failure is not None:
            raise self._failure

    def join(self) -> None:
        """Wait until the listener has stopped."""
        self._thread.join()

    def _run(self) -> None:
        loop = _new_loop(self._loop_kind)
        try:
            loop.run_until_complete(self._main())
        finally:
            loop.close()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, sock=self._socket, ssl=self._tls, limit=MAX_HEAD_BYTES)
        self._ready.set()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._lifetime_s)
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass  # the peer left, or the listener stops: both end a connection in the ordinary way
        except BaseException as error:  # noqa: BLE001 - a bug here must fail the test, not one request
            self._failure = error
        finally:
            self._tasks.discard(task)
            writer.close()


def _new_loop(kind: Loop) -> asyncio.AbstractEventLoop:
    if kind == "asyncio":
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def end_connection(writer: asyncio.StreamWriter, ending: Ending) -> None:
    """Close or reset a connection after what was written has reached the peer's kernel."""
    if ending is not Ending.RESET:
        return
    transport_socket = writer.get_extra_info("socket")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_S
    while loop.time() < deadline and (  # noqa: ASYNC110 - the kernel tells nobody when its buffer is empty
        writer.transport.get_write_buffer_size() or _unsent_bytes(transport_socket.fileno())
    ):
        await asyncio.sleep(0.001)
    # with a linger time of zero, close() sends RST instead of FIN
    transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _unsent_bytes(fd: int) -> int:
    # SIOCOUTQ shares its number with TIOCOUTQ
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0\0\0\0"))[0])
