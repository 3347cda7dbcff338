"""Requests for packuments: at which URL and with which credentials, in which form, and where each is kept."""

from __future__ import annotations

import re

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.config.auth import NO_CREDENTIAL, ClientCertificate
from pmpipe.npm.packages.registry import Registries, RegistryUrl
from stages.document_cache import KeptHead, document_name
from stages.messages import WantDocument

#: npm's for a resolution: the abbreviated form lacks the license that a lockfile names.
ACCEPT = "application/json"

#: npm's where it completes a lock of version 1.
ACCEPT_ABBREVIATED = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"

#: Bytes of a packument, unpacked; the largest there are have some thirty million.
LONGEST_DOCUMENT = 128 << 20

_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

_NO_HEAD = KeptHead("", "", "", 0, gzipped=False, length=0)


class PackumentAddress(msgspec.Struct, frozen=True):
    """Where a packument is asked for, and where it is kept."""

    url: str
    authorization: str
    accept: str
    cache_path: str
    certificate: ClientCertificate | None = None


class PackumentRequests(msgspec.Struct, frozen=True):
    """Makes requests for packuments.

    Args:
        registries: which registry serves which name, and with which credentials.
        cache_folder: absolute path of the folder of kept documents.
    """

    registries: Registries
    cache_folder: str
    #: per registry what to put in front of a name, where no credentials are configured that could differ by name
    _bases: dict[RegistryUrl, str] = msgspec.field(default_factory=dict)
    _addresses: dict[tuple[str, str], PackumentAddress] = msgspec.field(default_factory=dict)

    def address(self, name: str, accept: str = ACCEPT) -> PackumentAddress:
        """Where the packument of a package is.

        Args:
            name: of the package.
            accept: the form that is asked for, a value of the header ``Accept``.

        Raises:
            ConfigError: the scope's registry cannot be used.
            InvalidSpecError: the name cannot stand in a URL.
        """
        found = self._addresses.get((name, accept))
        if found is None:
            found = self._addresses[name, accept] = self._address(name, accept)
        return found

    def want(self, number: int, name: str, accept: str = ACCEPT, head: KeptHead | None = None) -> WantDocument:
        """The want for a packument.

        Args:
            number: of the want.
            name: of the package.
            accept: see `address`.
            head: of a kept copy that may be current.

        Raises:
            ConfigError, InvalidSpecError: see `address`.
        """
        address = self.address(name, accept)
        known = head or _NO_HEAD
        return WantDocument(
            number,
            name,
            address.url,
            address.authorization,
            address.accept,
            known.etag,
            known.last_modified,
            address.cache_path,
            address.certificate,
        )

    def _address(self, name: str, accept: str) -> PackumentAddress:
        registry = self.registries.for_package(name)
        escaped = escaped_name(name)
        base = self._bases.get(registry)
        credential = NO_CREDENTIAL
        if base is not None:
            url = f"{base}{escaped}"
        else:
            request = self.registries.request_for(f"{registry}{escaped}", name)
            url, credential = request.url, request.credential
            if not self.registries.auth and not credential.authorization and url.endswith(escaped):
                self._bases[registry] = url.removesuffix(escaped)
        cache_path = f"{self.cache_folder}/{document_name(url, accept)}"
        return PackumentAddress(url, credential.authorization, accept, cache_path, credential.certificate)


def escaped_name(name: str) -> str:
    """A package's name as it stands in the URL of its packument.

    Raises:
        InvalidSpecError: it cannot stand in a URL.
    """
    if _PLAIN_NAME.fullmatch(name):
        return name
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise InvalidSpecError(f"{name!r} is no name of a package")
    return re.sub(r"[^A-Za-z0-9@._~!'()*+-]", lambda match: "".join(f"%{b:02x}" for b in match[0].encode()), name)
