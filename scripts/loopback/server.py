"""The loopback registry's server: asks an answerer for the right response, lets the rules spoil it, sends it.

Example::

    with LoopbackServer(answer) as server:
        server.misbehave("/*/-/*.tgz", faults.reset(at=100), first=1)
        ...
        assert not any(request.header("authorization") for request in server.requests)
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from types import TracebackType
from typing import TYPE_CHECKING

from loopback.faults import Fault, Rule
from loopback.http1 import BadRequestError, Ending, Request, Response, read_request
from loopback.listener import HOST, Listener, Loop, end_connection

if TYPE_CHECKING:
    from typing_extensions import Self

#: what a registry says when it is asked properly
Answer = Callable[[Request], Awaitable[Response]]
GATE_POLL_S = 0.005
SLICE_BYTES = 256 * 1024


class LoopbackServer:
    """An HTTP/1.1 server on 127.0.0.1 that remembers every request.

    Args:
        answer: gives the right response to a request; runs in the server's loop, so it must not block.
        tls: a server-side context (see `loopback.tls`), or None.
        port: 0 for a free one.
        lifetime_s: it stops by itself after this time.
        keep_requests: False where thousands of requests would only fill memory.
        loop: "uvloop" where speed counts.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        lifetime_s: float = 600.0,
        keep_requests: bool = True,
        loop: Loop = "asyncio",
    ) -> None:
        self._answer = answer
        self._listener = Listener(self._serve, tls=tls, port=port, lifetime_s=lifetime_s, loop=loop)
        self._keep_requests = keep_requests
        self._rules: list[Rule] = []
        self._requests: list[Request] = []
        self._arrival = threading.Condition()
        self.port = self._listener.port
        self.url = f"{'https' if tls else 'http'}://{HOST}:{self.port}"
        #: requests answered, and bytes in and out on the wire without TCP's own
        self.request_count = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        #: paths answered with 404
        self.misses: set[str] = set()

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.stop()

    def join(self) -> None:
        """Wait until the server's lifetime is over."""
        self._listener.join()

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order of arrival."""
        with self._arrival:
            return list(self._requests)

    def requests_for(self, pattern: str) -> list[Request]:
        """The requests whose decoded path matches a glob."""
        return [request for request in self.requests if fnmatchcase(request.path, pattern)]

    def wait_for_requests(self, pattern: str, count: int = 1, *, timeout_s: float = 30.0) -> None:
        """Block until so many requests for a glob have arrived.

        Raises:
            TimeoutError: they did not.
        """

        def arrived() -> bool:
            return sum(fnmatchcase(request.path, pattern) for request in self._requests) >= count

        with self._arrival:
            if not self._arrival.wait_for(arrived, timeout_s):
                raise TimeoutError(f"fewer than {count} requests for {pattern} in {timeout_s} s")

    def misbehave(
        self,
        pattern: str,
        *faults: Fault,
        first: int | None = None,
        after: int = 0,
        method: str | None = None,
    ) -> Rule:
        """Spoil the responses to requests whose decoded path matches a glob; see `Rule` for first and after."""
        rule = Rule(pattern, faults, method=method, after=after, first=first)
        self._rules.append(rule)
        return rule

    def behave(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await read_request(reader)
            except BadRequestError:
                writer.write(Response(status=400).head(closes=True))
                return
            if request is None:
                return
            self._note(request)
            response = await self._answer(request)
            for rule in list(self._rules):
                if rule.take(request):
                    for fault in rule.faults:
                        response = fault(response)
            if not await self._send(request, response, writer):
                return

    def _note(self, request: Request) -> None:
        with self._arrival:
            self.request_count += 1
            self.received_bytes += request.wire_bytes()
            if self._keep_requests:
                self._requests.append(request)
            self._arrival.notify_all()

    async def _send(self, request: Request, response: Response, writer: asyncio.StreamWriter) -> bool:
        """Send a response; False ends the connection."""
        delivery = response.delivery
        if response.status == 404:
            self.misses.add(request.path)
        if delivery.delay_s:
            await asyncio.sleep(delivery.delay_s)
        if delivery.silent:
            await end_connection(writer, delivery.ending)
            return False
        asked_to_close = (request.header("connection") or "").lower() == "close"
        ending = Ending.CLOSE if asked_to_close and delivery.ending is Ending.KEEP else delivery.ending
        head = response.head(closes=ending is Ending.CLOSE)
        self.sent_bytes += len(head)
        if request.method == "HEAD" or response.status in (204, 304):
            response = replace(response, body=b"")
            writer.write(head)
        elif _is_plain(response):
            self.sent_bytes += len(response.body)
            writer.write(head + response.body if len(response.body) < SLICE_BYTES else head)
            if len(response.body) >= SLICE_BYTES:
                writer.write(response.body)
        else:
            writer.write(head)
            await self._send_slowly(response, writer)
        await writer.drain()
        await end_connection(writer, ending)
        return ending is Ending.KEEP

    async def _send_slowly(self, response: Response, writer: asyncio.StreamWriter) -> None:
        delivery = response.delivery
        end = len(response.body) if delivery.stop_after is None else delivery.stop_after
        position = 0
        while position < end:
            if delivery.gate is not None and position >= delivery.gate_at:
                await _wait_for(delivery.gate, writer)
            stop = min(end, position + _slice_bytes(delivery.bytes_per_s))
            if delivery.gate is not None and position < delivery.gate_at < stop:
                stop = delivery.gate_at
            part = response.body[position:stop]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if delivery.chunked else part)
            await writer.drain()
            self.sent_bytes += len(part)
            position = stop
            if delivery.bytes_per_s and position < end:
                await asyncio.sleep(len(part) / delivery.bytes_per_s)
        if delivery.chunked and delivery.stop_after is None:
            writer.write(b"0\r\n\r\n")


def _is_plain(response: Response) -> bool:
    delivery = response.delivery
    return (
        not delivery.chunked and delivery.bytes_per_s is None and delivery.stop_after is None and delivery.gate is None
    )


def _slice_bytes(bytes_per_s: float | None) -> int:
    # a twentieth of a second's worth, so that a slow body is slow in every part and not in bursts
    return SLICE_BYTES if bytes_per_s is None else max(1, int(bytes_per_s / 20))


async def _wait_for(gate: threading.Event, writer: asyncio.StreamWriter) -> None:
    # polled: the gate belongs to the test's thread, and an asyncio.Event could not be set from there
    while not gate.is_set() and not writer.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(GATE_POLL_S)
