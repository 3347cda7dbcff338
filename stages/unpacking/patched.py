"""A package of the store as a patch makes it: an entry of its own, to be shared and verified like any other.

What the entry holds is decided in memory, file by file of the diff, before anything is written. The files that the diff
does not name are read from the published package's entry, and compared with its index on the way: a damaged file must
not get a new, good digest.

Source: npm 12's ``@npmcli/arborist``, ``lib/patch.js``.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from contextlib import suppress

import msgspec
import xxhash

from pmpipe.errors import PatchError
from pmpipe.npm.packages.integrity import Digest
from pmpipe.npm.texts.text import printable
from pmpipe.npm.texts.unified_diff import DiffError, FileDiff, apply_diff, read_diff
from stages.entries.opened_entry import ABSENT, DamagedEntryError, OpenedEntry
from stages.unpacking.layout import Layout

#: xxh3-128 of each file, one after the other in the index.
_DIGEST_BYTES = 16

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class PatchedFiles(msgspec.Struct):
    """The files of a package on their way from one entry to another.

    Args:
        entry: the package as it was published.
        label: ``name@version`` for messages.
        layout: what goes where; a number is a file of the entry, bytes are new contents.
    """

    entry: OpenedEntry
    label: str
    layout: Layout[int | bytes]

    def read(self, source: int | bytes) -> bytes:
        """The content of a file.

        Raises:
            DamagedEntryError: it is not what the entry's index says.
            OSError: it cannot be read.
        """
        if isinstance(source, bytes):
            return source
        index = self.entry.index
        path = index.paths[source]
        try:
            with open(os.open(path, _READ_FLAGS, dir_fd=self.entry.folder), "rb") as file:
                content: bytes = file.read()
        except OSError as error:
            if error.errno in ABSENT:
                raise DamagedEntryError(f"the store's {self.label} lacks {printable(path)}") from error
            raise
        start = source * _DIGEST_BYTES
        if xxhash.xxh3_128_digest(content) != index.digests[start : start + _DIGEST_BYTES]:
            raise DamagedEntryError(f"the store's {self.label} has other contents in {printable(path)}")
        return content

    def apply(self, patch: bytes) -> None:
        """Change the layout as a diff says.

        Raises:
            PatchError: the diff cannot be read, does not fit, or leads out of the package.
            DamagedEntryError: a file that it changes is damaged.
            OSError: one cannot be read.
        """
        try:
            for file in read_diff(patch.decode("utf-8", "replace")):
                self._apply(file)
        except DiffError as error:
            raise PatchError(f"its patch cannot be read: {error}") from error

    def _apply(self, file: FileDiff) -> None:
        name = file.new or file.old
        assert name is not None, "a diff of no file"
        path = self._path(name)
        exists = path in self.layout.files
        if file.old is None and (exists or path in self.layout.folders):
            raise self._misfit(path, "is to be new, and is there already")
        if file.old is not None and not exists:
            raise self._misfit(path, "is not there")
        text = self.read(self.layout.files[path]).decode("utf-8", "replace") if exists else ""
        try:
            changed = self._changed(path, text, file)
        except DiffError as error:
            raise self._misfit(path, f"is not as the patch has it: {error}") from error
        if file.new is None:
            del self.layout.files[path]
            self.layout.executable.discard(path)
        elif exists:
            self.layout.files[path] = changed.encode()
        else:
            self.layout.place(path, changed.encode())

    def _changed(self, path: bytes, text: str, file: FileDiff) -> str:
        """The text of a file as a diff says.

        Raises:
            DiffError: it does not fit.
        """
        try:
            return apply_diff(text, file)
        except DiffError:
            hashbang, newline, rest = text.partition("\n")
            if not newline or path not in self.layout.executable or not hashbang.startswith("#!"):
                raise
            # npm mends a Windows hashbang when it links an executable, after patches; the entry has it mended
            with suppress(DiffError):
                return apply_diff(f"{hashbang}\r\n{rest}", file)
            raise

    def _path(self, name: str) -> bytes:
        """The path within the package that a diff means."""
        plain = name[2:] if name.startswith(("a/", "b/")) else name
        path = posixpath.normpath(plain)
        if path in (".", "..") or path.startswith(("/", "../")) or "\0" in name:
            raise PatchError(f"its patch leads out of the package: {printable(name, 200)}")
        return path.encode("utf-8", "replace")

    def _misfit(self, path: bytes, what: str) -> PatchError:
        return PatchError(
            f"its patch does not fit: {printable(path)} {what}",
            hint="make the patch anew for this version, or take it out of patchedDependencies",
        )


def published_files(entry: OpenedEntry, label: str, maximum_entries: int) -> PatchedFiles:
    """All files of a package as it was published.

    Args:
        entry: the package's.
        label: ``name@version`` for messages.
        maximum_entries: cap on files and folders together.
    """
    index = entry.index
    layout: Layout[int | bytes] = Layout(maximum_entries)
    layout.folders.update(dict.fromkeys(index.folders))
    layout.files.update((path, number) for number, path in enumerate(index.paths))
    layout.executable.update(path for path, is_set in zip(index.paths, index.executable, strict=True) if is_set)
    return PatchedFiles(entry, printable(label), layout)


def require_integrity(content: bytes, integrity: str) -> None:
    """Refuse a patch that is not the one that the lockfile knows.

    Raises:
        PatchError: it is another one.
    """
    found = str(Digest("sha512", hashlib.sha512(content).hexdigest()))
    if found != integrity:
        raise PatchError(
            "its patch has changed",
            details=(f"expected: {integrity}   got: {found}",),
            hint="`pmpipe install` takes it as it is now",
        )
