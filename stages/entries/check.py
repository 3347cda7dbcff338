"""Compares a folder with the index of a store entry: is every file there, a file, as long, as executable and the same?

Contents are always hashed: that a file is the store's own inode proves nothing, since an edit through a hardlink has
changed the store's file too. In a package folder two differences from the index are right, because linking an
executable makes them, as npm does: the file may be executable although the index says it is not, and the carriage
return at the end of its first line may be gone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

import msgspec
import xxhash

from pmpipe.npm.manifests.bins import unix_hashbang
from pmpipe.npm.texts.text import printable
from stages.entries.entry import EntryIndex
from stages.entries.opened_entry import ABSENT, FOLDER_FLAGS, DamagedEntryError, OpenedEntry, opened_entry, path_text
from stages.failure import filesystem_failure
from stages.messages import Check, Checked, Damaged, Failed, JobId

_DIGEST_BYTES = 16

#: Files are read in pieces of this size.
_PIECE_BYTES = 1 << 20

#: Paths in one result have about this many bytes together, so that it fits in a datagram.
_RESULT_BYTES = 16 << 10

#: What opening says of something that cannot be the file: a link, a socket, a mode that forbids reading.
_NOT_THE_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EACCES, errno.EPERM})

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def check(job: Check) -> Iterator[Checked | Damaged | Failed]:
    """Carry out one `Check` job."""
    try:
        with opened_entry(job.entry) as entry:
            findings = _compare(job, entry)
    except DamagedEntryError as error:
        yield Damaged(job.job, f"{job.label}: {error}")
    except OSError as error:
        where = f"/{printable(error.filename)}" if isinstance(error.filename, bytes) else ""
        yield filesystem_failure(job.job, f"{job.label}: cannot read {printable(job.destination)}{where}", error)
    else:
        yield from findings.results(job)


def is_sound(entry: str) -> bool:
    """Whether a store entry is there, and every file in it is as its index says.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with opened_entry(entry) as opened:
            findings = _compare(Check(JobId(-1), "", entry, entry), opened)
    except DamagedEntryError:
        return False
    return not (findings.missing or findings.changed)


class _Findings(msgspec.Struct):
    """Paths within the package; `missing` and `changed` have none in common."""

    missing: list[str] = msgspec.field(default_factory=list)
    changed: list[str] = msgspec.field(default_factory=list)

    def results(self, job: Check) -> Iterator[Checked]:
        """The findings in results that each fit in a datagram; the last one, maybe empty, has not `more`."""
        part, size = _Findings(), 0
        for found, paths in ((self.missing, "missing"), (self.changed, "changed")):
            for path in found:
                if size > _RESULT_BYTES:
                    yield part._result(job, more=True)
                    part, size = _Findings(), 0
                getattr(part, paths).append(path)
                size += len(path.encode())
        yield part._result(job, more=False)

    def _result(self, job: Check, *, more: bool) -> Checked:
        return Checked(job.job, tuple(self.missing), tuple(self.changed), more)


def _compare(job: Check, entry: OpenedEntry) -> _Findings:
    index = entry.index
    try:
        folder = os.open(job.destination, FOLDER_FLAGS)
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return _Findings(missing=[path_text(path) for path in index.paths])
    try:
        return _Comparison(entry, folder, is_store=job.destination == job.entry).run()
    finally:
        os.close(folder)


class _Comparison:
    """One folder, open as descriptor `folder`, against the index of `entry`."""

    def __init__(self, entry: OpenedEntry, folder: int, *, is_store: bool) -> None:
        self._entry = entry
        self._folder = folder
        self._is_store = is_store

    def run(self) -> _Findings:
        index, findings = self._entry.index, _Findings()
        unreal = self._unreal_folders(index)
        for number, path in enumerate(index.paths):
            if os.path.dirname(path) in unreal:
                findings.missing.append(path_text(path))
                continue
            try:
                same = self._is_same(number, path)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    findings.missing.append(path_text(path))
                    continue
                if error.errno not in _NOT_THE_FILE:
                    raise
                same = False
            if not same:
                findings.changed.append(path_text(path))
        return findings

    def _unreal_folders(self, index: EntryIndex) -> set[bytes]:
        """Folders of the index that are no folders here, and all below them: a link to a folder is none."""
        unreal: set[bytes] = set()
        for folder in index.folders:
            if os.path.dirname(folder) in unreal or not self._is_folder(folder):
                unreal.add(folder)
        return unreal

    def _is_folder(self, path: bytes) -> bool:
        try:
            return stat.S_ISDIR(os.stat(path, dir_fd=self._folder, follow_symlinks=False).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _is_same(self, number: int, path: bytes) -> bool:
        index = self._entry.index
        descriptor = os.open(path, _READ_FLAGS, dir_fd=self._folder)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not self._mode_is_right(status.st_mode, index.executable[number]):
                return False
            start = number * _DIGEST_BYTES
            expected = index.digests[start : start + _DIGEST_BYTES]
            if status.st_size == index.sizes[number] and _digest(descriptor) == expected:
                return True
            return not self._is_store and self._is_linked_executable(path, descriptor, expected)
        finally:
            os.close(descriptor)

    def _mode_is_right(self, mode: int, executable: bool) -> bool:
        is_executable = bool(mode & stat.S_IXUSR)
        return is_executable == executable or (is_executable and not self._is_store)

    def _is_linked_executable(self, path: bytes, descriptor: int, expected: bytes) -> bool:
        """Whether the file is what linking makes of the store's file, which itself is as the index says."""
        if os.pread(descriptor, 2, 0) != b"#!":
            return False
        try:
            original = os.open(path, _READ_FLAGS, dir_fd=self._entry.folder)
        except OSError as error:
            if error.errno in ABSENT:
                return False
            raise
        try:
            content = _read(original)
        finally:
            os.close(original)
        if xxhash.xxh3_128_digest(content) != expected:
            return False
        linked = unix_hashbang(content)
        return linked is not None and linked == _read(descriptor)


def _digest(descriptor: int) -> bytes:
    piece = os.read(descriptor, _PIECE_BYTES)
    if len(piece) < _PIECE_BYTES:
        return xxhash.xxh3_128_digest(piece)
    digest = xxhash.xxh3_128()
    while piece:
        digest.update(piece)
        piece = os.read(descriptor, _PIECE_BYTES)
    return digest.digest()


def _read(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    pieces = []
    while piece := os.read(descriptor, _PIECE_BYTES):
        pieces.append(piece)
    return b"".join(pieces)
