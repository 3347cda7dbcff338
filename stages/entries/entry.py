"""A store entry: one unpacked package, its place in the store, and the index that says it is complete.

``<store>/<algorithm>/<2 hex>/<hex>/`` holds the package as it is to be placed, and in it the index file. Both are
written in a staging folder and appear by one rename, so an entry that can be seen is complete. The index lists folders
and files, so that clone needs neither ``stat`` nor ``readdir``, and a checksum of each file, so that a store can be
verified without its tarballs. The index carries a checksum of itself: after a power cut a torn one is not believed.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import NewType

import msgspec
import xxhash

from pmpipe.npm.packages.integrity import Digest, strongest

#: Absolute path of an entry's folder.
EntryPath = NewType("EntryPath", str)

#: The index file's name in the entry's folder; no package may bring a file of this name.
INDEX_NAME = ".pmpipe-index"

#: Changes with the layout of `EntryIndex`; an index of another format is as good as none.
_MAGIC = b"pmpipe-index-1\n\0"

#: What makes a package one that node-gyp builds.
_GYP = b"binding.gyp"

#: The folder of a package that is bundled with another one.
_BUNDLED = re.compile(rb"(?:.*/)?node_modules/(?:@[^/]+/)?[^/@][^/]*")

#: Of the keys that name git checkouts, in characters.
_SHORTEST_KEY = 40


class EntryIndex(msgspec.Struct, frozen=True, array_like=True):
    """What an entry holds, in columns of equal length for files.

    Attributes:
        folders: paths relative to the package, parents before children, without the package folder itself.
        paths: the regular files' paths relative to the package, as bytes on disk.
        sizes: in bytes.
        executable: whether a file's mode is 755; all others have 644.
        digests: xxh3-128 of each file's content, 16 bytes each, one after the other.
        has_install_script: there is a preinstall, install or postinstall script, or a binding.gyp that stands for one.
        integrity: SRI of the tarball, as verified or computed.
    """

    folders: tuple[bytes, ...]
    paths: tuple[bytes, ...]
    sizes: tuple[int, ...]
    executable: tuple[bool, ...]
    digests: bytes
    has_install_script: bool
    integrity: str

    def gyp_packages(self) -> list[bytes]:
        """Folders of packages with a ``binding.gyp``: empty for this one, paths for those that are bundled with it."""
        found = [b""] if _GYP in self.paths else []
        # seldom, and all paths are to be looked at then
        if b"node_modules" in self.folders:
            inner = [path[: -len(_GYP) - 1] for path in self.paths if path.endswith(b"/" + _GYP)]
            found += [folder for folder in inner if _BUNDLED.fullmatch(folder)]
        return found


class TornIndexError(Exception):
    """An index file is cut off, altered, or of another format."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EntryIndex)


def encode_index(index: EntryIndex) -> bytes:
    """The index file's content: magic, checksum, msgpack."""
    body = _encoder.encode(index)
    return _MAGIC + xxhash.xxh3_64_digest(body) + body


def decode_index(content: bytes) -> EntryIndex:
    """The index in an index file's content.

    Raises:
        TornIndexError: the content is not what `encode_index` made.
    """
    start = len(_MAGIC) + 8
    if content[: len(_MAGIC)] != _MAGIC or xxhash.xxh3_64_digest(content[start:]) != content[len(_MAGIC) : start]:
        raise TornIndexError("the index is torn, or of another format")
    return _decoder.decode(content[start:])


def read_index(entry: str, *, dir_fd: int | None = None) -> EntryIndex:
    """The index of the entry at `entry`.

    Args:
        entry: the entry's folder; or empty with `dir_fd`.
        dir_fd: a descriptor of the entry's folder, to spare the path walk.

    Raises:
        OSError: there is no index, so no entry.
        TornIndexError: the index is not whole.
    """
    fd = os.open(os.path.join(entry, INDEX_NAME), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        size = os.fstat(fd).st_size
        return decode_index(os.read(fd, size))
    finally:
        os.close(fd)


def entry_path(store: str, integrity: str) -> EntryPath:
    """Where the entry of a tarball lies: by the strongest of its digests.

    Args:
        store: absolute path of the store's version folder.
        integrity: an SRI string; of several digests of the strongest algorithm the first in order counts.

    Raises:
        IntegrityError: `integrity` holds no digest that is usable.
    """
    return digest_entry_path(store, strongest(integrity)[0])


def digest_entry_path(store: str, digest: Digest) -> EntryPath:
    """Where the entry of the tarball with this digest lies.

    When a lockfile allows several tarballs for one package, each has an entry of its own: by the digest that it
    matched, so that an entry never answers for another digest than its tarball's.
    """
    return EntryPath(f"{store}/{digest_entry_name(digest)}")


def digest_entry_name(digest: Digest) -> str:
    """The entry's path within the store's version folder."""
    return f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}"


def git_entry_path(store: str, key: str) -> EntryPath:
    """Where the entry of a git checkout lies, which has no tarball to be named by.

    Args:
        store: absolute path of the store's version folder.
        key: a digest in hexadecimal of repository, commit and subfolder.

    Raises:
        ValueError: the key is no digest.
    """
    return EntryPath(f"{store}/{git_entry_name(key)}")


def patched_entry_name(name: str, integrity: str) -> str:
    """The path of a patched package's entry within the store's version folder.

    Args:
        name: the entry's of the package as it was published.
        integrity: SRI of the patch.
    """
    key = hashlib.sha256(f"{name}\n{integrity}".encode()).hexdigest()
    return f"patched/{key[:2]}/{key}"


def git_entry_name(key: str) -> str:
    """The entry's path within the store's version folder.

    Raises:
        ValueError: the key is no digest.
    """
    if len(key) < _SHORTEST_KEY or key.strip("0123456789abcdef"):
        raise ValueError(f"not a digest: {key!r}")
    return f"git/{key[:2]}/{key}"
