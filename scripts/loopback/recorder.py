"""Fills a recording by standing between a tool and the real registry."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

from loopback.http1 import NOT_FOUND, Request, Response, json_response
from loopback.recording import (
    ABBREVIATED_TYPE,
    PLACEHOLDER,
    Document,
    Form,
    Recording,
    StoredHeaders,
    form_of,
    relative_name,
    replace_address,
)
from loopback.upstream import Fetched, Upstream, UpstreamError

ACCEPT = {
    Form.TARBALL: "*/*",
    Form.FULL: "application/json",
    Form.ABBREVIATED: f"{ABBREVIATED_TYPE}; q=1.0, application/json; q=0.8, */*",
}


class Recorder:
    """Answers from the recording, and on a miss from the registry, recording what it says.

    Nothing of the request but path and form goes to the registry: no token, no cookie.
    """

    def __init__(self, recording: Recording, upstream: Upstream) -> None:
        self._recording = recording
        self._upstream = upstream
        #: downloads under way, so that two clients that ask for one thing share one
        self._flights: dict[tuple[str, Form], asyncio.Task[Document | Response]] = {}
        #: what the tools call the recorder; set once it listens
        self.address = ""
        self.fetched = 0

    async def answer(self, request: Request) -> Response:
        """Answer one request (for `LoopbackServer`)."""
        if request.method not in ("GET", "HEAD"):
            return answer_without_recording(request)
        form = form_of(request.path, request.header("accept"))
        try:
            relative_name(request.path, form)
        except ValueError:
            return NOT_FOUND
        found = self._recording.load(request.path, form) or await self._fetch_once(request, form)
        if isinstance(found, Response):
            return found
        body = found.body if form is Form.TARBALL else replace_address(found.plain(), PLACEHOLDER, self.address)
        return document_response(Document(body, found.headers), request, form)

    async def _fetch_once(self, request: Request, form: Form) -> Document | Response:
        key = (request.path, form)
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.ensure_future(self._fetch(request.target.split("?", 1)[0], form))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key))
        return await asyncio.shield(flight)

    async def _fetch(self, target: str, form: Form) -> Document | Response:
        try:
            fetched = await asyncio.wrap_future(self._upstream.fetch(target, ACCEPT[form]))
        except UpstreamError as error:
            return json_response(json.dumps({"error": str(error)}).encode(), 502)
        if fetched.status != 200:
            return json_response(b'{"error":"the registry refused"}', fetched.status)
        self.fetched += 1
        document = recorded_document(fetched, form, self._upstream.url)
        self._recording.store(unquote(target), form, document)
        return document


def recorded_document(fetched: Fetched, form: Form, upstream_url: str) -> Document:
    """What is recorded of an answer: PLACEHOLDER in place of the registry's address."""
    headers = StoredHeaders(
        content_type=fetched.header("content-type"),
        etag=fetched.header("etag"),
        last_modified=fetched.header("last-modified"),
        cache_control=fetched.header("cache-control"),
        content_encoding=fetched.header("content-encoding"),
    )
    if form is Form.TARBALL:
        return Document(fetched.body, headers)
    return Document(replace_address(fetched.body, upstream_url, PLACEHOLDER), headers)


def document_response(document: Document, request: Request, form: Form) -> Response:
    """A recorded answer as a response: under gzip if it lies so and the client takes it; 304 if the client has it."""
    stored = document.headers
    if stored.etag and request.header("if-none-match") == stored.etag:
        return Response(304, (("ETag", stored.etag),))
    as_it_lies = document.gzipped and "gzip" in (request.header("accept-encoding") or "")
    body = document.body if as_it_lies else document.plain()
    named = (
        ("Content-Type", stored.content_type or "application/octet-stream"),
        ("ETag", stored.etag),
        ("Last-Modified", stored.last_modified),
        ("Cache-Control", stored.cache_control),
        ("Content-Encoding", "gzip" if as_it_lies else ""),
        ("Vary", "" if form is Form.TARBALL else "Accept-Encoding, Accept"),
    )
    return Response(200, tuple((name, value) for name, value in named if value), body)


def answer_without_recording(request: Request) -> Response:
    """What a registry says to a POST or PUT of an installer: no advisories, and nothing else is taken."""
    if request.path.startswith("/-/npm/v1/security/"):
        return json_response(b"{}")
    return json_response(b'{"error":"this registry is read-only"}', 405)
