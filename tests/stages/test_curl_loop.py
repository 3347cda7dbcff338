"""libcurl on an event loop: what its callbacks raise must not get lost in C code, and no socket is watched wrongly."""

import asyncio
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pycurl
import pytest
import uvloop
from support.limits import no_further_descriptors

from stages.fetching.curl_loop import CurlLoop, Finished, guarded

_PATIENCE_S = 30


class CrashedError(Exception):
    """Stands for the end of the process."""


def test_an_exception_of_a_callback_reaches_the_crash_handler():
    reports = []

    def report() -> None:
        import sys

        reports.append(sys.exc_info()[1])
        raise CrashedError

    def callback(number: int) -> int:
        return 1 // number

    safe = guarded(callback, report)
    assert safe(1) == 1
    with pytest.raises(CrashedError):
        safe(0)
    assert isinstance(reports[0], ZeroDivisionError)


def test_a_loop_that_gets_no_pipe_is_an_error_and_not_the_end_of_the_process():
    # room for one descriptor more: the loop's epoll set, but not its pipe
    program = """
import os, resource
from stages.fetching.curl_loop import new_event_loop
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
opened = []
try:
    while True:
        opened.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    os.close(opened.pop())
try:
    new_event_loop()
except OSError as error:
    print(error.strerror)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (0, "Too many open files\n")


def test_a_shortage_of_descriptors_is_one_and_no_bug():
    loop = uvloop.new_event_loop()
    with no_further_descriptors(), pytest.raises(MemoryError):
        CurlLoop(loop, 4, lambda _: None, lambda: None)
    loop.close()


def test_a_cancelled_task_within_a_callback_reaches_it_too():
    def report() -> None:
        raise CrashedError

    def callback() -> None:
        raise asyncio.CancelledError

    with pytest.raises(CrashedError):
        guarded(callback, report)()


# -- sockets --------------------------------------------------------------------------------------------------------


@contextmanager
def serving(*, requests_per_connection: int) -> Iterator[int]:
    """A server on a port of loopback that closes each connection after so many answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            # the client may be gone first
            with suppress(OSError), connection, connection.makefile("rb") as lines:
                for _ in range(requests_per_connection):
                    while line := lines.readline():
                        if line == b"\r\n":
                            break
                    if not line:
                        return
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(_PATIENCE_S)


class Client:
    """Makes one request after another on a few handles."""

    def __init__(self, *, handles: int) -> None:
        self.loop = uvloop.new_event_loop()
        self.failed: list[Finished] = []
        self.crashed = False
        self.curl = CurlLoop(self.loop, 4, self._on_finished, self._on_crash)
        self.sockets = _CountingSet(self.curl._sockets)
        self.curl._sockets = self.sockets  # type: ignore[assignment]
        self._handles = [self._handle() for _ in range(handles)]
        self._urls: list[str] = []
        self._under_way = 0

    def _handle(self) -> Any:
        handle = pycurl.Curl()
        handle.setopt(pycurl.WRITEFUNCTION, lambda _: None)
        # every request asks for the name again, through a socket that libcurl opens and closes by itself
        handle.setopt(pycurl.DNS_CACHE_TIMEOUT, 0)
        return handle

    def get(self, urls: list[str]) -> None:
        """Request all of these, and see all of them end."""
        self._urls = list(urls)
        for handle in self._handles:
            self._start(handle)
        timer = self.loop.call_later(_PATIENCE_S, self.loop.stop)
        self.loop.run_forever()
        timer.cancel()
        assert not self.crashed
        assert (self._under_way, self._urls) == (0, []), "transfers hang"

    def close(self) -> None:
        self.curl.close()
        self.loop.close()

    def _start(self, handle: Any) -> None:
        if self._urls:
            handle.setopt(pycurl.URL, self._urls.pop())
            self._under_way += 1
            self.curl.add(handle)

    def _on_finished(self, batch: list[Finished]) -> None:
        for finished in batch:
            self.curl.remove(finished.handle)
            self._under_way -= 1
            self.failed += [finished] if finished.code else []
            self._start(finished.handle)
        if not self._under_way:
            self.loop.stop()

    def _on_crash(self) -> None:
        self.crashed = True
        self.loop.stop()


class _CountingSet:
    """An epoll set that counts how often something is put into it."""

    def __init__(self, sockets: select.epoll) -> None:
        self._sockets = sockets
        self.registered = 0

    def register(self, descriptor: int, events: int) -> None:
        self.registered += 1
        self._sockets.register(descriptor, events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sockets, name)


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(handles=3)
    yield client
    client.close()


def test_a_connection_is_watched_on_from_one_transfer_to_the_next(client: Client) -> None:
    with serving(requests_per_connection=1_000) as port:
        client.get([f"http://127.0.0.1:{port}/{number}" for number in range(60)])
        assert client.failed == []
        # one for each connection, and not one for each transfer
        assert 0 < client.sockets.registered < 10


@pytest.mark.parametrize("requests_per_connection", [1, 3])
def test_connections_that_the_server_closes_leave_nothing_behind(client: Client, requests_per_connection: int) -> None:
    # the numbers of their sockets are taken again at once, by other connections and by what names are looked up with
    with serving(requests_per_connection=requests_per_connection) as port:
        hosts = ("127.0.0.1", "localhost")
        client.get([f"http://{hosts[number % 2]}:{port}/{number}" for number in range(120)])
        client.get([f"http://{hosts[number % 2]}:{port}/{number}" for number in range(30)])
    assert client.failed == []
