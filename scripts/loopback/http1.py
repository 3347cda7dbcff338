"""HTTP/1.1 as a registry needs it: whole requests in, whole responses out, no more than fits in memory.

A `Response` carries its `Delivery`: how the bytes go out, from "at once" to "half of them, slowly, then a reset".
That is what lets a fault be a plain function from response to response.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus
from urllib.parse import unquote

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024

Header = tuple[str, str]


class BadRequestError(Exception):
    """The peer does not speak HTTP/1.1, or sends more than the server takes."""


def find_header(headers: tuple[Header, ...], name: str) -> str | None:
    """The first value of a header, or None; the name's case does not matter."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in.

    Attributes:
        target: as sent: ``/@scope%2fname?x=1``, ``host:443`` for CONNECT, an absolute URI at a proxy.
        headers: in the order and spelling of the wire.
    """

    method: str
    target: str
    headers: tuple[Header, ...]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query, percent-decoded: ``/@scope/name``."""
        return unquote(self.target.split("?", 1)[0])

    def header(self, name: str) -> str | None:
        """The first value of a header, or None; the name's case does not matter."""
        return find_header(self.headers, name)

    def wire_bytes(self) -> int:
        """The size of this request on the wire."""
        head = len(self.method) + len(self.target) + 12 + 2
        return head + sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.body)


class Ending(Enum):
    """What happens to the connection after the body."""

    KEEP = "keep it open for the next request"
    CLOSE = "close it in order"
    RESET = "reset it (RST)"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a response goes out.

    Attributes:
        delay_s: time before the first byte of the head.
        bytes_per_s: the body's speed, or None for at once.
        stop_after: body bytes that are sent at all, or None for all.
        gate: the body waits at ``gate_at`` bytes until this is set (for tests that must not depend on time).
        chunked: chunked transfer coding instead of Content-Length; the last chunk is missing if ``stop_after`` is set.
        silent: no head either: the connection ends as ``ending`` says, before any byte.
    """

    delay_s: float = 0.0
    bytes_per_s: float | None = None
    stop_after: int | None = None
    gate: threading.Event | None = None
    gate_at: int = 0
    chunked: bool = False
    silent: bool = False
    ending: Ending = Ending.KEEP


@dataclass(frozen=True, slots=True)
class Response:
    """One response. Content-Length and Connection are added when it is sent, unless the headers have them."""

    status: int = 200
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    delivery: Delivery = Delivery()

    def header(self, name: str) -> str | None:
        """The first value of a header, or None; the name's case does not matter."""
        return find_header(self.headers, name)

    def with_header(self, name: str, value: str) -> Response:
        """The same response with this header set, replacing former values."""
        others = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return replace(self, headers=(*others, (name, value)))

    def head(self, *, closes: bool) -> bytes:
        """Status line and headers as bytes, including the empty line."""
        reason = HTTPStatus(self.status).phrase if self.status in HTTPStatus._value2member_map_ else "Unknown"
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.delivery.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.header("content-length") is None and self.status != 304:
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append("Connection: close" if closes else "Connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def json_response(document: bytes, status: int = 200) -> Response:
    """A JSON document as a response."""
    return Response(status=status, headers=(("Content-Type", "application/json"),), body=document)


NOT_FOUND = json_response(b'{"error":"Not found"}', 404)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request.

    Returns:
        None when the peer closed the connection between two requests.

    Raises:
        BadRequestError: not HTTP/1.x, cut off in the middle, or larger than the limits above.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadRequestError("cut off in the head") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequestError("head too large") from error
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    parts = request_line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequestError(f"no HTTP/1.1 request line: {request_line[:80]!r}")
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    return Request(parts[0], parts[1], headers, await _read_body(reader, headers))


async def _read_body(reader: asyncio.StreamReader, headers: tuple[Header, ...]) -> bytes:
    try:
        if (find_header(headers, "transfer-encoding") or "").lower() == "chunked":
            return await _read_chunks(reader)
        length = int(find_header(headers, "content-length") or 0)
        if length > MAX_BODY_BYTES:
            raise BadRequestError("body too large")
        return await reader.readexactly(length)
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise BadRequestError("malformed body") from error


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if len(body) + size > MAX_BODY_BYTES:
            raise BadRequestError("body too large")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readuntil(b"\r\n")) != b"\r\n":  # trailers
        pass
    return bytes(body)
