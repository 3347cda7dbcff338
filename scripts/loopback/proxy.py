"""A forward proxy on loopback: CONNECT tunnels and absolute-URI requests, to loopback only, or refused.

A host name such as ``registry.example`` is no address here: ``routes`` says which loopback port stands for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loopback.http1 import BadRequestError, Request, Response, read_request
from loopback.listener import HOST, Listener

if TYPE_CHECKING:
    from typing_extensions import Self

PIPE_BYTES = 64 * 1024


class ForwardProxy:
    """Accepts requests for any host in its routes, and remembers them all.

    Args:
        routes: "host:port" as the client names it -> port on 127.0.0.1. Loopback addresses need no route.
        refuse: a status (403, 407, 502) that every request gets instead, or None.
        lifetime_s: it stops by itself after this time.
    """

    def __init__(
        self, routes: Mapping[str, int] | None = None, *, refuse: int | None = None, lifetime_s: float = 600.0
    ) -> None:
        self._routes = dict(routes or {})
        self._refuse = refuse
        self._listener = Listener(self._serve, lifetime_s=lifetime_s)
        self.port = self._listener.port
        self.url = f"http://{HOST}:{self.port}"
        #: every request, in the order of arrival; what goes through a tunnel is not seen
        self.requests: list[Request] = []

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
        except BadRequestError:
            writer.write(Response(status=400).head(closes=True))
            return
        if request is None:
            return
        self.requests.append(request)
        target = request.target if request.method == "CONNECT" else urlsplit(request.target).netloc
        port = self._port_for(target)
        if self._refuse is not None or port is None:
            writer.write(_refusal(self._refuse or 502).head(closes=True))
            await writer.drain()
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(HOST, port)
        if request.method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            upstream_writer.write(_origin_form(request))
        await asyncio.gather(_pipe(reader, upstream_writer), _pipe(upstream_reader, writer))

    def _port_for(self, target: str) -> int | None:
        host, _, port = target.rpartition(":") if ":" in target else (target, "", "80")
        if host in (HOST, "localhost"):
            return int(port)
        return self._routes.get(f"{host}:{port}")


def _refusal(status: int) -> Response:
    response = Response(status=status)
    return response.with_header("Proxy-Authenticate", 'Basic realm="proxy"') if status == 407 else response


def _origin_form(request: Request) -> bytes:
    url = urlsplit(request.target)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    # one request per connection, so that the next absolute URI cannot go to the wrong host
    kept = [
        f"{name}: {value}"
        for name, value in request.headers
        if name.lower() not in ("proxy-authorization", "proxy-connection", "connection")
    ]
    lines = [f"{request.method} {path} HTTP/1.1", *kept, "Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + request.body


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(PIPE_BYTES):
                writer.write(part)
                await writer.drain()
    finally:
        writer.close()
