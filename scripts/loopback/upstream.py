"""The real registry: one thread that drives a bounded number of libcurl transfers, and retries what can be retried."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

import pycurl

from loopback.http1 import Header, find_header

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_TRANSFERS = 24
MAX_ATTEMPTS = 4
BACK_OFF_S = 0.5
STALL_S = 60
IDLE_S = 0.05
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
USER_AGENT = "pmpipe-registry-recorder"


class UpstreamError(Exception):
    """The registry could not be reached, after several attempts."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer of the registry, its body without content coding."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, or an empty string."""
        return find_header(self.headers, name) or ""


@dataclass(slots=True)
class _Transfer:
    target: str
    accept: str
    future: Future[Fetched]
    attempt: int = 1
    headers: list[Header] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def on_header(self, line: bytes) -> None:
        text = line.decode("latin-1").rstrip("\r\n")
        if text.startswith("HTTP/"):  # a redirect's headers came before these
            self.headers.clear()
            self.body.clear()
        elif text:
            name, _, value = text.partition(":")
            self.headers.append((name.strip(), value.strip()))


class Upstream:
    """Fetches from one registry.

    Args:
        url: the registry's address without a slash at its end.
        ca_path: a PEM file of authorities, or None for libcurl's own.
    """

    def __init__(self, url: str, *, ca_path: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._ca_path = ca_path
        self._incoming: queue.SimpleQueue[_Transfer] = queue.SimpleQueue()
        #: failed transfers that wait for their next attempt, by its time
        self._delayed: list[tuple[float, int, _Transfer]] = []
        self._order = itertools.count()
        self._active: dict[pycurl.Curl, _Transfer] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(10)

    def fetch(self, target: str, accept: str) -> Future[Fetched]:
        """Ask for a path (percent-encoded, with a leading slash).

        The future raises `UpstreamError` if the registry cannot be reached.
        """
        future: Future[Fetched] = Future()
        self._incoming.put(_Transfer(target, accept, future))
        return future

    def _run(self) -> None:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, MAX_TRANSFERS)
        while not self._closing.is_set():
            self._start_waiting(multi)
            multi.perform()
            self._finish_done(multi)
            if self._active:
                multi.select(IDLE_S)
        for handle, transfer in self._active.items():
            multi.remove_handle(handle)
            handle.close()
            transfer.future.set_exception(UpstreamError("closed"))
        multi.close()

    def _start_waiting(self, multi: pycurl.CurlMulti) -> None:
        while len(self._active) < MAX_TRANSFERS:
            transfer = self._next_transfer()
            if transfer is None:
                return
            handle = self._handle_for(transfer)
            self._active[handle] = transfer
            multi.add_handle(handle)

    def _next_transfer(self) -> _Transfer | None:
        if self._delayed and self._delayed[0][0] <= time.monotonic():
            return heapq.heappop(self._delayed)[2]
        try:
            return self._incoming.get_nowait() if self._active else self._incoming.get(timeout=IDLE_S)
        except queue.Empty:
            return None

    def _handle_for(self, transfer: _Transfer) -> pycurl.Curl:
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, self.url + transfer.target)
        handle.setopt(pycurl.HTTPHEADER, [f"Accept: {transfer.accept}"])
        handle.setopt(pycurl.ACCEPT_ENCODING, "gzip")
        handle.setopt(pycurl.USERAGENT, USER_AGENT)
        handle.setopt(pycurl.FOLLOWLOCATION, 1)
        handle.setopt(pycurl.MAXREDIRS, 5)
        handle.setopt(pycurl.PIPEWAIT, 1)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        handle.setopt(pycurl.LOW_SPEED_TIME, STALL_S)
        handle.setopt(pycurl.HEADERFUNCTION, transfer.on_header)
        handle.setopt(pycurl.WRITEFUNCTION, transfer.body.extend)
        if self._ca_path is not None:
            handle.setopt(pycurl.CAINFO, self._ca_path)
        return handle

    def _finish_done(self, multi: pycurl.CurlMulti) -> None:
        _, finished, failed = multi.info_read()
        for handle in finished:
            status = handle.getinfo(pycurl.RESPONSE_CODE)
            transfer = self._release(multi, handle)
            if status in RETRIED and transfer.attempt < MAX_ATTEMPTS:
                self._retry(transfer)
            else:
                fetched = Fetched(status, tuple(transfer.headers), bytes(transfer.body))
                transfer.future.set_result(fetched)
        for handle, code, message in failed:
            transfer = self._release(multi, handle)
            if transfer.attempt < MAX_ATTEMPTS:
                self._retry(transfer)
            else:
                error = UpstreamError(f"{transfer.target}: {message} (curl {code}), {transfer.attempt} attempts")
                transfer.future.set_exception(error)

    def _release(self, multi: pycurl.CurlMulti, handle: pycurl.Curl) -> _Transfer:
        multi.remove_handle(handle)
        handle.close()
        return self._active.pop(handle)

    def _retry(self, transfer: _Transfer) -> None:
        when = time.monotonic() + BACK_OFF_S * 2 ** (transfer.attempt - 1)
        transfer.attempt += 1
        transfer.headers.clear()
        transfer.body.clear()
        heapq.heappush(self._delayed, (when, next(self._order), transfer))


def default_upstream() -> str:
    """The address of npm's public registry, as the package-URL library knows it."""
    from packageurl.contrib.purl2url import get_download_url

    url: str = get_download_url("pkg:npm/x@1.0.0")  # type: ignore[no-untyped-call]
    return url.split("/x/-/", 1)[0]
