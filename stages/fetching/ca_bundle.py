"""Whom to trust: finds the certification authorities for libcurl, whose wheel brings none.

Authorities of the settings replace the system's, as npm's ``ca`` and ``cafile`` do; those of ``NODE_EXTRA_CA_CERTS``
are added to the system's, as Node.js does. libcurl keeps the parsed authorities for all connections if they come from
one file, and parses 140 certificates per connection if they come as text, so texts are joined in a file in memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

#: Where distributions keep the system's authorities in one file: Debian, Fedora, SUSE, older Red Hat, Alpine, BSD.
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
)


class CaBundle(msgspec.Struct, frozen=True):
    """What libcurl is told to trust.

    Attributes:
        path: PEM file, possibly one in memory that lives as long as this process; empty: none was found.
        folder: folder of hashed certificates beside it, or empty.
        sources: where the authorities come from, for messages.
        problem: why connections with TLS cannot be made at all; empty: they can.
        note: what to tell with a certificate that is not trusted; empty: nothing.
    """

    path: str
    folder: str = ""
    sources: tuple[str, ...] = ()
    problem: str = ""
    note: str = ""

    @property
    def trusted(self) -> tuple[str, ...]:
        """Lines to tell with a certificate that is not trusted: who is."""
        folder = (self.folder,) if self.folder else ()
        lines = (f"trusted: {', '.join((*self.sources, *folder)) or 'nobody: no authorities were found'}", self.note)
        return tuple(line for line in lines if line)


def find_ca_bundle(ca_file: str, ca_pem: str, environment: Mapping[str, str]) -> CaBundle:
    """Choose the authorities.

    Args:
        ca_file: PEM file that replaces the system's authorities; empty: none.
        ca_pem: PEM text that does so; both together are joined.
        environment: ``SSL_CERT_FILE``, ``CURL_CA_BUNDLE``, ``SSL_CERT_DIR`` and ``NODE_EXTRA_CA_CERTS`` count.

    Returns:
        A bundle; its `problem` is set where a file of the settings cannot be read, its `note` where the extra one
        cannot, or does not count: Node.js goes on without that, and so do we, but a failure it may cause says so.
    """
    extra = environment.get("NODE_EXTRA_CA_CERTS", "")
    note = "NODE_EXTRA_CA_CERTS does not count beside the settings ca and cafile" if extra else ""
    if ca_pem:
        bundle = _joined(ca_pem.encode(), [ca_file] if ca_file else [], ("the setting ca",))
        return msgspec.structs.replace(bundle, note=note)
    if ca_file:
        return CaBundle(ca_file, sources=(f"cafile {ca_file}",), problem=_unreadable(ca_file), note=note)
    system = _system_file(environment)
    folder = environment.get("SSL_CERT_DIR", "")
    if not extra or extra == system:
        return CaBundle(system, folder, (system,) if system else ())
    unreadable = _unreadable(extra)
    if unreadable:
        return CaBundle(system, folder, (system,) if system else (), note=f"NODE_EXTRA_CA_CERTS: {unreadable}")
    bundle = _joined(b"", [system, extra] if system else [extra], ())
    return CaBundle(bundle.path, folder, bundle.sources)


def _system_file(environment: Mapping[str, str]) -> str:
    asked = (environment.get("SSL_CERT_FILE", ""), environment.get("CURL_CA_BUNDLE", ""))
    for path in (*asked, *SYSTEM_FILES):
        if path and not _unreadable(path):
            return path
    return _certifi()


def _certifi() -> str:
    # slim container images have no authorities at all; requests, which pmpipe needs anyway, brings certifi
    try:
        import certifi
    except ImportError:
        return ""
    return certifi.where()


def _unreadable(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        return f"the CA file {path} cannot be read: {error.strerror}"
    return ""


def _joined(text: bytes, paths: list[str], sources: tuple[str, ...]) -> CaBundle:
    parts = [text]
    for path in paths:
        problem = _unreadable(path)
        if problem:
            return CaBundle("", sources=(*sources, *paths), problem=problem)
        with open(path, "rb") as file:
            parts.append(file.read())
    descriptor = os.memfd_create("ca-bundle")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(b"\n".join(parts))
    return CaBundle(f"/proc/self/fd/{descriptor}", sources=(*sources, *paths))
