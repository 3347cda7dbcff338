"""A small registry on loopback for one test: publish packages, let it misbehave, ask what it was asked.

Fixtures (import them in a conftest, or use the ones of ``tests/conftest.py``): ``registry`` is one, started;
``certificate`` is a session's own authority and server certificate for TLS.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import ssl
from collections.abc import Iterator

import pytest
from loopback import faults
from loopback.http1 import NOT_FOUND, Request, Response, json_response
from loopback.proxy import ForwardProxy
from loopback.server import LoopbackServer
from loopback.tls import Certificate, make_certificate

from support.packages import Package, make_packument

ABBREVIATED = "application/vnd.npm.install-v1+json"
LAST_MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT"

__all__ = ["Certificate", "ForwardProxy", "PackageRegistry", "certificate", "faults", "registry"]


class PackageRegistry(LoopbackServer):
    """A well-behaved registry of the packages that were published to it.

    Args:
        token: if given, requests without ``Authorization: Bearer <token>`` get a 401.
        basic: the same for ``Authorization: Basic <basic>``.
        tls: a server-side context, or None for plain HTTP.
        public_url: what stands in ``dist.tarball`` instead of the registry's own address.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        basic: str | None = None,
        tls: ssl.SSLContext | None = None,
        public_url: str | None = None,
    ) -> None:
        super().__init__(self._answer_package, tls=tls, lifetime_s=300.0)
        self._authorization = f"Bearer {token}" if token else f"Basic {basic}" if basic else ""
        self._public_url = public_url or self.url
        self._packages: dict[str, dict[str, Package]] = {}
        self._dist_tags: dict[str, dict[str, str]] = {}
        self._resources: dict[str, Response] = {}

    def publish(self, *packages: Package, tag: str = "latest") -> None:
        """Add packages; each becomes its name's ``tag``."""
        for package in packages:
            self._packages.setdefault(package.name, {})[package.version] = package
            self._dist_tags.setdefault(package.name, {})[tag] = package.version
            tarball = Response(headers=(("Content-Type", "application/octet-stream"),), body=package.tarball)
            self._resources[package.tarball_path] = tarball

    def serve(self, path: str, body: bytes, *, content_type: str = "application/octet-stream") -> str:
        """Answer this path with these bytes; returns its URL."""
        self._resources[path] = Response(headers=(("Content-Type", content_type),), body=body)
        return self.url + path

    def tarball_url(self, package: Package) -> str:
        """Where the tarball of a package is."""
        return self.url + package.tarball_path

    async def _answer_package(self, request: Request) -> Response:
        if self._authorization and request.header("authorization") != self._authorization:
            return json_response(b'{"error":"unauthorized"}', 401).with_header("WWW-Authenticate", "Bearer")
        if request.path in self._resources:
            return self._resources[request.path]
        if request.path.startswith("/-/"):
            return json_response(b"{}")
        name = request.path[1:]
        return self._packument(name, request) if name in self._packages else NOT_FOUND

    def _packument(self, name: str, request: Request) -> Response:
        abbreviated = ABBREVIATED in (request.header("accept") or "")
        document = make_packument(
            self._packages[name].values(),
            self._public_url,
            dist_tags=self._dist_tags[name],
            abbreviated=abbreviated,
        )
        body = json.dumps(document).encode()
        etag = f'"{hashlib.sha1(body).hexdigest()}"'
        headers = (
            ("Content-Type", ABBREVIATED if abbreviated else "application/json"),
            ("ETag", etag),
            ("Last-Modified", LAST_MODIFIED),
            ("Cache-Control", "public, max-age=300"),
            ("Vary", "Accept-Encoding, Accept"),
        )
        if request.header("if-none-match") == etag:
            return Response(304, headers)
        if "gzip" in (request.header("accept-encoding") or ""):
            return Response(200, (*headers, ("Content-Encoding", "gzip")), gzip.compress(body, mtime=0))
        return Response(200, headers, body)


@pytest.fixture
def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def registry() -> Iterator[PackageRegistry]:
    """An empty registry, started."""
    with PackageRegistry() as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """An authority of our own and a certificate for loopback and ``registry.example``."""
    folder = tmp_path_factory.mktemp("tls")
    return make_certificate(str(folder), ["127.0.0.1", "localhost", "registry.example"])
