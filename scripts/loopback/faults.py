"""Bad behaviour on purpose: each fault is a function from the right response to a wrong one.

Example::

    registry.misbehave("/left-pad/-/*", faults.status(503, retry_after="1"), first=2)
    registry.misbehave("*.tgz", faults.slow(1000), faults.corrupt(at=20))
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from loopback.http1 import Ending, Request, Response, json_response

Fault = Callable[[Response], Response]


@dataclass(slots=True)
class Rule:
    """Which requests misbehave, and how.

    Attributes:
        pattern: a glob on the percent-decoded path; ``*`` also matches ``/``.
        after: so many matching requests are answered well before the rule begins.
        first: so many matching requests misbehave then, or None for all of them.
        seen: matching requests so far.
    """

    pattern: str
    faults: tuple[Fault, ...]
    method: str | None = None
    after: int = 0
    first: int | None = None
    seen: int = 0

    def take(self, request: Request) -> bool:
        """Count the request if it matches, and say whether it misbehaves."""
        if self.method not in (None, request.method) or not fnmatchcase(request.path, self.pattern):
            return False
        turn = self.seen - self.after
        self.seen += 1
        return turn >= 0 and (self.first is None or turn < self.first)


def status(code: int, *, retry_after: str | None = None, body: bytes = b'{"error":"on purpose"}') -> Fault:
    """Answer with this status, and with Retry-After if given (seconds or an HTTP date)."""

    def apply(response: Response) -> Response:
        wrong = replace(json_response(body, code), delivery=response.delivery)
        return wrong if retry_after is None else wrong.with_header("Retry-After", retry_after)

    return apply


def delay(seconds: float) -> Fault:
    """Wait before the head."""
    return lambda response: replace(response, delivery=replace(response.delivery, delay_s=seconds))


def slow(bytes_per_s: float) -> Fault:
    """Send the body at this speed."""
    return lambda response: replace(response, delivery=replace(response.delivery, bytes_per_s=bytes_per_s))


def hold(gate: threading.Event, *, at: int = 0) -> Fault:
    """Stop after ``at`` bytes of the body until the test sets the gate (or the server stops)."""
    return lambda response: replace(response, delivery=replace(response.delivery, gate=gate, gate_at=at))


def reset(*, at: int = 0) -> Fault:
    """Send the head and ``at`` bytes of the body, then reset the connection."""
    return lambda response: replace(response, delivery=replace(response.delivery, stop_after=at, ending=Ending.RESET))


def hang_up(*, with_reset: bool = False) -> Fault:
    """End the connection before the first byte of the response."""
    ending = Ending.RESET if with_reset else Ending.CLOSE
    return lambda response: replace(response, delivery=replace(response.delivery, silent=True, ending=ending))


def short_body(*, missing: int = 1) -> Fault:
    """Promise the whole body in Content-Length, leave out the last ``missing`` bytes, close."""

    def apply(response: Response) -> Response:
        sent = max(0, len(response.body) - missing)
        return replace(response, delivery=replace(response.delivery, stop_after=sent, ending=Ending.CLOSE))

    return apply


def unfinished_chunks() -> Fault:
    """Send the body in chunks and close without the last, empty chunk."""

    def apply(response: Response) -> Response:
        delivery = replace(response.delivery, chunked=True, stop_after=len(response.body), ending=Ending.CLOSE)
        return replace(response, delivery=delivery)

    return apply


def chunked() -> Fault:
    """Send the body in chunks, properly: well-behaved, but without Content-Length."""
    return lambda response: replace(response, delivery=replace(response.delivery, chunked=True))


def corrupt(*, at: int = 0) -> Fault:
    """Flip all bits of one byte of the body (counted from the end if negative)."""

    def apply(response: Response) -> Response:
        wrong = bytearray(response.body)
        wrong[at] ^= 0xFF
        return replace(response, body=bytes(wrong))

    return apply


def body(content: bytes, *, content_type: str = "application/octet-stream") -> Fault:
    """Answer 200 with these bytes instead."""

    def apply(response: Response) -> Response:
        wrong = replace(response, status=200, body=content, headers=())
        return wrong.with_header("Content-Type", content_type)

    return apply


def truncate(length: int) -> Fault:
    """Answer with only the first bytes of the body, and a Content-Length that agrees."""
    return lambda response: replace(response, body=response.body[:length])


def html(text: str = "<!doctype html><title>Sign in</title>") -> Fault:
    """Answer 200 with a page, as captive portals do."""
    return body(text.encode(), content_type="text/html; charset=utf-8")


def redirect(location: str, code: int = 302) -> Fault:
    """Send the client elsewhere: to itself for a loop, to another host or port, to another scheme."""
    return lambda response: replace(status(code, body=b"")(response), headers=(("Location", location),))


def header(name: str, value: str) -> Fault:
    """Set one header, for example a wrong ETag or a Content-Encoding that is not true."""
    return lambda response: response.with_header(name, value)
