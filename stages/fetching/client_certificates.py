"""The client certificates that registries want to see: their files, each read once.

Source: npm-registry-fetch's auth: a pair of which a file is missing or empty is as good as none.
"""

from __future__ import annotations

import msgspec

from pmpipe.errors import ConfigError
from pmpipe.npm.config.auth import ClientCertificate
from stages.fetching.transfer_ending import Failure


class ClientPem(msgspec.Struct, frozen=True, eq=False):
    """A client certificate and its private key, as PEM texts. There is one of a kind; its text form is without them."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "ClientPem()"


class ClientCertificates:
    """Reads the files of client certificates."""

    def __init__(self) -> None:
        self._found: dict[ClientCertificate, ClientPem | Failure | None] = {}

    def find(self, files: ClientCertificate | None) -> ClientPem | Failure | None:
        """What is in the files; None: there is no certificate, so the usual one counts, if any.

        A failure says which file cannot be read.
        """
        if files is None:
            return None
        if files not in self._found:
            self._found[files] = _read_pair(files)
        return self._found[files]


def _read_pair(files: ClientCertificate) -> ClientPem | Failure | None:
    try:
        certificate, key = _read(files.certfile), _read(files.keyfile)
    except (OSError, ValueError) as error:
        return Failure(
            what=f"its registry's client certificate cannot be read: {error}",
            code=ConfigError.code,
            hint="check the settings certfile and keyfile of the registry",
            cause=f"unreadable client certificate {files.certfile}",
        )
    return ClientPem(certificate, key) if certificate and key else None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
