"""Fills a recording with all that a lockfile names, many transfers at a time."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from loopback.recorder import ACCEPT, recorded_document
from loopback.recording import Document, Form, Recording, StoredHeaders
from loopback.upstream import Fetched, Upstream, UpstreamError

#: transfers that were asked for and are not yet stored
WINDOW = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that a lockfile names: a path at the registry, and the digests its bytes must have."""

    path: str
    form: Form
    integrity: str = ""

    @property
    def target(self) -> str:
        """The path percent-encoded as installers send it: the slash in a scoped packument's name too."""
        if self.form is Form.TARBALL:
            return quote(self.path, safe="/@")
        return "/" + quote(self.path[1:], safe="@")


@dataclass(slots=True)
class Prefetched:
    """What became of a prefetch."""

    stored: int = 0
    present: int = 0
    failures: list[str] = field(default_factory=list)


def wanted_by_lock(lock_path: str, *, packuments: bool) -> list[Wanted]:
    """All tarballs (and, if asked for, packuments, whole and abbreviated) of a package-lock.json's registry packages.

    Entries that are links, bundled, from git or a file have nothing at a registry and are left out.
    """
    with open(lock_path, encoding="utf-8") as file:
        entries = json.load(file)["packages"]
    wanted: dict[Wanted, None] = {}
    for key, entry in entries.items():
        resolved = entry.get("resolved", "http:")
        if not key or entry.get("link") or entry.get("inBundle") or not resolved.startswith("http"):
            continue
        if "node_modules/" not in key or "version" not in entry:
            continue
        name = entry.get("name") or key.rpartition("node_modules/")[2]
        path = unquote(urlsplit(resolved).path)
        if not path:
            path = f"/{name}/-/{name.rpartition('/')[2]}-{entry['version']}.tgz"
        wanted[Wanted(path, Form.TARBALL, entry.get("integrity", ""))] = None
        if packuments:
            # npm and pmpipe ask for whole documents, other installers for abbreviated ones
            for form in (Form.FULL, Form.ABBREVIATED):
                wanted[Wanted(f"/{name}", form)] = None
    return list(wanted)


def prefetch(recording: Recording, upstream: Upstream, wanted: list[Wanted], *, seed: str | None) -> Prefetched:
    """Record all that is wanted and not there yet, many at a time.

    Args:
        recording: where to.
        upstream: where from; started.
        wanted: what `wanted_by_lock` says.
        seed: a folder that may hold tarballs already, named as their path without the first slash and with every
            other slash as ``%2f``; each is taken only if its digest is right.
    """
    result = Prefetched()
    remaining = _not_there_yet(recording, wanted, seed, result)
    flights: dict[Future[Fetched], Wanted] = {}
    for one in remaining:
        flights[upstream.fetch(one.target, ACCEPT[one.form])] = one
        if len(flights) >= WINDOW:
            _land(recording, upstream, flights, result)
    while flights:
        _land(recording, upstream, flights, result)
    return result


def _not_there_yet(
    recording: Recording, wanted: list[Wanted], seed: str | None, result: Prefetched
) -> Iterator[Wanted]:
    for one in wanted:
        if recording.has(one.path, one.form):
            result.present += 1
            continue
        seeded = _seeded(one, seed) if seed is not None else None
        if seeded is None:
            yield one
        else:
            headers = StoredHeaders(content_type="application/octet-stream")
            recording.store(one.path, one.form, Document(seeded, headers))
            result.stored += 1


def _seeded(wanted: Wanted, seed: str) -> bytes | None:
    path = os.path.join(seed, wanted.path[1:].replace("/", "%2f"))
    if not wanted.integrity or not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        content = file.read()
    return content if matches(content, wanted.integrity) else None


def _land(recording: Recording, upstream: Upstream, flights: dict[Future[Fetched], Wanted], result: Prefetched) -> None:
    done, _ = wait(flights, return_when=FIRST_COMPLETED)
    for future in done:
        one = flights.pop(future)
        error = future.exception()
        if isinstance(error, UpstreamError):
            result.failures.append(str(error))
            continue
        fetched = future.result()
        if fetched.status != 200:
            result.failures.append(f"{one.path}: status {fetched.status}")
        elif one.integrity and not matches(fetched.body, one.integrity):
            result.failures.append(f"{one.path}: not what the lock's integrity says")
        else:
            recording.store(one.path, one.form, recorded_document(fetched, one.form, upstream.url))
            result.stored += 1


def matches(content: bytes, integrity: str) -> bool:
    """Whether any digest of an SRI string is that of these bytes."""
    for one in integrity.split():
        algorithm, _, digest = one.partition("-")
        if algorithm in ("sha1", "sha256", "sha384", "sha512"):
            actual = base64.b64encode(hashlib.new(algorithm, content).digest()).decode()
            if actual == digest.partition("?")[0]:
                return True
    return False
