"""A folder of recorded answers of a registry, and copies of it that name another address.

Layout::

    site/<path>               a tarball, as it came
    site/<path>,full.gz       a JSON document in its full form, gzip; the registry's address in it is PLACEHOLDER
    site/<path>,abbreviated.gz    a packument in the form that installers ask for
    headers/<same name>.json  what the registry said about it (`StoredHeaders`)
    replay/<host>_<port>/     the site once more, with this address in it, ready to be served

A comma cannot stand in a package's name, so the names of files and folders never collide. A file's modification time is
the registry's Last-Modified.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from urllib.parse import urlsplit

import deflate
import msgspec

PLACEHOLDER = "http://registry.invalid"
ABBREVIATED_TYPE = "application/vnd.npm.install-v1+json"
GZIP_LEVEL = 6


class Form(Enum):
    """In which form a path is asked for; the value is what its file's name ends with."""

    TARBALL = ""
    FULL = ",full.gz"
    ABBREVIATED = ",abbreviated.gz"


class StoredHeaders(msgspec.Struct, frozen=True, omit_defaults=True):
    """The headers of a recorded answer that say something about the document."""

    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    cache_control: str = ""
    content_encoding: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A recorded answer: the body, and what was said about it.

    Attributes:
        gzipped: the body is under gzip, as JSON documents lie in the folder.
    """

    body: bytes
    headers: StoredHeaders
    gzipped: bool = False

    def plain(self) -> bytes:
        """The body without any content coding."""
        return bytes(deflate.gzip_decompress(self.body)) if self.gzipped else self.body


def form_of(path: str, accept: str | None) -> Form:
    """Which form a request for a path asks for, by its Accept header."""
    if path.endswith(".tgz") and "/-/" in path:
        return Form.TARBALL
    return Form.ABBREVIATED if ABBREVIATED_TYPE in (accept or "") else Form.FULL


def relative_name(path: str, form: Form) -> str:
    """The name of a path's file below ``site``.

    Raises:
        ValueError: the path leads out of the folder or names nothing.
    """
    parts = path.split("/")
    if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") or "\0" in part for part in parts[1:]):
        raise ValueError(f"no path of a registry: {path!r}")
    return path[1:] + form.value


def replace_address(body: bytes, old: str, new: str) -> bytes:
    """A JSON document with one address in place of another (``scheme://host[:port]``), in URLs only."""
    return body.replace(f'"{old}/'.encode(), f'"{new}/'.encode())


class Recording:
    """The folder. Safe for several threads; one process at a time writes to it."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self._site = os.path.join(self.root, "site")
        self._headers = os.path.join(self.root, "headers")

    def has(self, path: str, form: Form) -> bool:
        """Whether this answer was recorded."""
        return os.path.exists(os.path.join(self._site, relative_name(path, form)))

    def load(self, path: str, form: Form) -> Document | None:
        """A recorded answer with PLACEHOLDER in it, or None."""
        return read_document(self._site, self._headers, path, form)

    def store(self, path: str, form: Form, document: Document) -> None:
        """Record an answer; the address in it must already be PLACEHOLDER."""
        name = relative_name(path, form)
        body = document.plain()
        if form is not Form.TARBALL:
            body = bytes(deflate.gzip_compress(body, GZIP_LEVEL))
        _write(os.path.join(self._headers, name + ".json"), msgspec.json.encode(document.headers))
        target = os.path.join(self._site, name)
        _write(target, body)
        if document.headers.last_modified:
            moment = parsedate_to_datetime(document.headers.last_modified).timestamp()
            os.utime(target, (moment, moment))

    def names(self) -> Iterator[str]:
        """Every recorded file's name below ``site``."""
        yield from _files_below(self._site, "")

    def has_validators(self) -> bool:
        """Whether the registry sends ETags with its documents (the first one recorded speaks for all)."""
        for name in self.names():
            if name.endswith((Form.FULL.value, Form.ABBREVIATED.value)):
                stored = msgspec.json.decode(_read(os.path.join(self._headers, name + ".json")), type=StoredHeaders)
                return bool(stored.etag)
        return False

    def copy_for(self, address: str) -> str:
        """Make or update the copy of the site that names this address (``http://127.0.0.1:4874``); its folder."""
        parts = urlsplit(address)
        target_root = os.path.join(self.root, "replay", f"{parts.hostname}_{parts.port}")
        os.makedirs(target_root, exist_ok=True)
        for name in self.names():
            source, target = os.path.join(self._site, name), os.path.join(target_root, name)
            seen = os.stat(source)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(target).st_mtime_ns == seen.st_mtime_ns:
                    continue
            if name.endswith((Form.FULL.value, Form.ABBREVIATED.value)):
                body = bytes(deflate.gzip_decompress(_read(source)))
                _write(target, bytes(deflate.gzip_compress(replace_address(body, PLACEHOLDER, address), GZIP_LEVEL)))
                os.utime(target, ns=(seen.st_mtime_ns, seen.st_mtime_ns))
            else:
                _link(source, target)
        return target_root

    @property
    def headers_folder(self) -> str:
        """Where the headers are, for `read_document` of a copy."""
        return self._headers


def read_document(site: str, headers: str, path: str, form: Form) -> Document | None:
    """An answer from a site folder (the recording's or a copy's) and the headers' folder, or None."""
    try:
        name = relative_name(path, form)
        body = _read(os.path.join(site, name))
    except (ValueError, FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    stored = msgspec.json.decode(_read(os.path.join(headers, name + ".json")), type=StoredHeaders)
    return Document(body, stored, gzipped=form is not Form.TARBALL)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
    with open(temporary, "wb") as file:
        file.write(content)
    os.replace(temporary, path)


def _link(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    os.link(source, target)


def _files_below(root: str, prefix: str) -> Iterator[str]:
    with os.scandir(os.path.join(root, prefix)) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            name = os.path.join(prefix, entry.name)
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(root, name)
            elif not entry.name.endswith(".tmp"):
                yield name
