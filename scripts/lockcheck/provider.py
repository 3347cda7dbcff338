"""Answers what pmpipe's resolver asks for, in this very process, from wherever packuments are."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from loopback.recording import PLACEHOLDER, Form, Recording, replace_address

from pmpipe.errors import ArchiveError, PmpipeError, RegistryError
from pmpipe.npm.manifests.bins import bins_of_directories
from pmpipe.npm.packages.packument import decode_packument
from pmpipe.resolver import (
    Ask,
    AskContents,
    AskManifest,
    AskPackument,
    Fed,
    FedContents,
    FedManifest,
    IdealTree,
    Resolved,
    Resolver,
)

_MANIFEST = "package.json"
_SHRINKWRAP = "npm-shrinkwrap.json"

#: From a package's name to its packument's JSON, or None if there is no such package.
LoadPackument = Callable[[str], "bytes | None"]
#: From a tarball's URL to its bytes, or None.
LoadTarball = Callable[[str], "bytes | None"]


class Provider:
    """Answers asks.

    Args:
        load_packument: see there.
        load_tarball: see there.
    """

    def __init__(self, load_packument: LoadPackument, load_tarball: LoadTarball) -> None:
        self._load_packument = load_packument
        self._load_tarball = load_tarball

    @classmethod
    def of_recording(cls, recording: Recording, registry: str) -> Provider:
        """One that answers from a recording, as a replay under this address would."""

        def packument(name: str) -> bytes | None:
            document = recording.load(f"/{name}", Form.FULL)
            return None if document is None else replace_address(document.plain(), PLACEHOLDER, registry)

        def tarball(url: str) -> bytes | None:
            document = recording.load(unquote(urlsplit(url).path), Form.TARBALL)
            return None if document is None else document.body

        return cls(packument, tarball)

    def answer(self, ask: Ask) -> Fed:
        """The answer to one ask; an error if there is none."""
        if isinstance(ask, AskPackument):
            document = self._load_packument(ask.name)
            if document is None:
                return RegistryError(f"the registry has no package {ask.name}")
            try:
                return decode_packument(document, ask.name)
            except RegistryError as error:
                return error
        if isinstance(ask, AskContents):
            return self._contents(ask)
        return self._manifest(ask)

    def _contents(self, ask: AskContents) -> FedContents | PmpipeError:
        tarball = self._load_tarball(ask.resolved)
        if tarball is None:
            return RegistryError(f"the registry has no tarball of {ask.name}@{ask.version}")
        manifests: dict[str, dict[str, Any]] = {}
        shrinkwrap: dict[str, Any] | None = None
        paths, files = _read_tarball(tarball)
        for path, content in files:
            folder, _, name = path.rpartition("/")
            if path == _SHRINKWRAP:
                shrinkwrap = content.get("packages")
            elif name == _MANIFEST and _is_package_folder(folder):
                inside = [path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")]
                bins = bins_of_directories(content, inside)
                manifests[folder] = {**content, "bin": bins} if bins else content
        return FedContents(
            manifests if ask.wants_bundle else {}, shrinkwrap if ask.wants_shrinkwrap and shrinkwrap else None
        )

    def _manifest(self, ask: AskManifest) -> FedManifest | PmpipeError:
        path = os.path.join(ask.wanted, _MANIFEST)
        try:
            with open(path, encoding="utf-8-sig") as file:
                return FedManifest(json.load(file))
        except (OSError, ValueError) as error:
            return RegistryError(f"{ask.wanted} ({ask.kind.value}) cannot be read here: {error}")


def drive(resolver: Resolver, provider: Provider) -> IdealTree:
    """Resolve to the end, answering asks in the order in which they come.

    Raises:
        PmpipeError: the resolver's.
    """
    outstanding = deque(resolver.start())
    while not resolver.done:
        event = outstanding.popleft()
        if not isinstance(event, Resolved):
            outstanding.extend(resolver.feed(event, provider.answer(event)))
    return resolver.finish()


def _read_tarball(tarball: bytes) -> tuple[list[str], list[tuple[str, dict[str, Any]]]]:
    """All paths of a tarball, and its package.json files and locks; without the topmost folder."""
    paths: list[str] = []
    found: list[tuple[str, dict[str, Any]]] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
            for member in archive:
                path = member.name.partition("/")[2]
                paths.append(path)
                if not member.isfile() or os.path.basename(path) not in (_MANIFEST, _SHRINKWRAP):
                    continue
                file = archive.extractfile(member)
                content = json.loads(file.read().decode("utf-8-sig")) if file is not None else None
                if isinstance(content, dict):
                    found.append((path, content))
    except (tarfile.TarError, ValueError, EOFError, OSError) as error:
        raise ArchiveError(f"the tarball cannot be read: {error}") from error
    return paths, found


def _is_package_folder(folder: str) -> bool:
    """Whether a folder is that of a package in nothing but ``node_modules`` folders."""
    while folder:
        above, found, name = folder.rpartition("node_modules/")
        if not found or name.count("/") != (1 if name.startswith("@") else 0):
            return False
        folder = above.rstrip("/")
    return True
