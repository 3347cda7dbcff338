"""Reads packages from a registry: their packuments, and files in their tarballs."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

TIMEOUT_S = 120.0


class PublishedError(Exception):
    """The registry does not have what was asked for."""


class Registry:
    """A registry that is read by the scripts themselves.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._packuments: dict[str, dict[str, Any]] = {}
        self._tarballs: dict[str, bytes] = {}

    def packument(self, name: str) -> dict[str, Any]:
        """All versions of a package, in full.

        Raises:
            PublishedError: there is none.
        """
        found = self._packuments.get(name)
        if found is None:
            document = json.loads(self._get(f"{self.url}/{quote(name, safe='@')}", "application/json"))
            found = self._packuments[name] = document
        return found

    def versions(self, name: str) -> list[str]:
        """The versions of a package, in the registry's order."""
        return list(self.packument(name)["versions"])

    def json_file(self, name: str, version: str, path: str) -> dict[str, Any]:
        """A JSON file in a package's tarball.

        Args:
            name: of the package.
            version: of the package.
            path: in the package's folder.

        Raises:
            PublishedError: there is no such package or file, or it is no JSON object.
        """
        known = self.packument(name)["versions"]
        if version not in known:
            raise PublishedError(f"the registry has no {name}@{version}")
        url = known[version]["dist"]["tarball"]
        if url not in self._tarballs:
            self._tarballs[url] = self._get(url, "*/*")
        content = _member(self._tarballs[url], path)
        if content is None:
            raise PublishedError(f"{name}@{version} has no file {path}")
        try:
            document = json.loads(content.decode("utf-8-sig"))
        except ValueError as error:
            raise PublishedError(f"{name}@{version}: {path} is no JSON: {error}") from error
        if not isinstance(document, dict):
            raise PublishedError(f"{name}@{version}: {path} is no object")
        return document

    def _get(self, url: str, accept: str) -> bytes:
        try:
            with urlopen(Request(url, headers={"Accept": accept}), timeout=TIMEOUT_S) as response:
                content: bytes = response.read()
        except URLError as error:
            raise PublishedError(f"{url}: {error}") from error
        return content


def _member(tarball: bytes, path: str) -> bytes | None:
    """A file of a tarball; the topmost folder's name is the packer's affair."""
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        for member in archive:
            if member.isfile() and member.name.partition("/")[2] == path:
                file = archive.extractfile(member)
                return file.read() if file is not None else None
    return None
