"""Writing a store entry: everything into a staging folder on the same filesystem, then one rename makes it visible.

A process that is killed on the way leaves a folder in ``<store>/staging`` and nothing else. Two writers of one entry do
not disturb each other: who comes second finds the place taken, and takes what is there if it is whole.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Collection
from typing import TypeVar

import xxhash

from pmpipe.errors import StoreError
from pmpipe.npm.texts.text import printable
from stages.entries.check import is_sound
from stages.entries.entry import INDEX_NAME, EntryIndex, EntryPath, TornIndexError, encode_index, read_index
from stages.entries.entry_removal import changing, is_taken, move_aside
from stages.entries.store_trouble import store_error, store_trouble
from stages.remove import remove_tree
from stages.unpacking.layout import Layout
from stages.unpacking.package_json import PackageFacts

SourceT = TypeVar("SourceT")

#: Where entries are made, within the store's version folder.
STAGING_NAME = "staging"

_INDEX_NAME = INDEX_NAME.encode()

FOLDER_MODE = 0o755
FILE_MODE = 0o644
EXECUTABLE_MODE = 0o755

#: What makes a folder one that several users write to, the sticky bit included.
_WRITABLE_FOR_OTHERS = stat.S_IWGRP | stat.S_IWOTH | stat.S_ISVTX

#: Names of staging folders are unique among processes, machines and containers that share a store.
_token = os.urandom(6).hex()
_serial = 0

_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER_OR_LINK = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: What rename says when the place is taken by a folder that is not empty, or by something that is no folder.
_TAKEN = frozenset((errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR))
#: Others can take the place, or clear it, between our looking and our renaming, but not for ever.
_PUBLISH_ATTEMPTS = 16

#: npm's bin-links turns ``#!… \r\n`` of an executable into a line that the kernel understands, and looks this far.
_WINDOWS_HASHBANG = re.compile(rb"(#![^\n]+)\r\n")
_HASHBANG_BYTES = 2048

Content = bytes | bytearray | memoryview


class StagedEntry:
    """One entry in the making; used as a context manager, which deletes what was not published.

    Args:
        store: absolute path of the store's version folder.
        durable: flush everything to the disk before the entry appears.

    Raises:
        StoreError: the staging folder cannot be made.
    """

    def __init__(self, store: str, *, durable: bool) -> None:
        self._durable = durable
        self._staging = f"{store}/{STAGING_NAME}"
        self.path = ""
        self._fd = -1

    def __enter__(self) -> StagedEntry:  # noqa: PYI034 - Self is not in typing before 3.11
        with store_trouble(self._staging):
            self.path = self._create()
            try:
                self._fd = os.open(self.path, _FOLDER)
            except OSError:
                os.rmdir(self.path)
                raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        if self.path:
            discard(self.path)

    def write(
        self, layout: Layout[SourceT], read: Callable[[SourceT], Content], facts: PackageFacts, integrity: str
    ) -> EntryIndex:
        """Write all folders and files, and the index.

        Args:
            layout: what goes where; its paths are safe.
            read: gives a file's content.
            facts: says which files are executables.
            integrity: SRI of the tarball, for the index.

        Returns:
            The index as written.

        Raises:
            StoreError: the filesystem refuses.
            ArchiveError: it refuses because of a name.
        """
        self._make_folders(layout)
        executables = layout.executable | facts.bins
        sizes, digests = self._write_files(layout, read, executables, facts.bins)
        index = EntryIndex(
            folders=tuple(layout.folders),
            paths=tuple(layout.files),
            sizes=tuple(sizes),
            executable=tuple([path in executables for path in layout.files]),
            digests=b"".join(digests),
            has_install_script=facts.has_install_script,
            integrity=integrity,
        )
        self._write_index(encode_index(index))
        if self._durable:
            self._flush_folders(layout)
        return index

    def publish(self, entry: EntryPath, index: EntryIndex, *, replace: bool = False) -> EntryIndex:
        """Make the entry visible at its place, unless a whole one is there already.

        Args:
            entry: the place.
            index: what was written.
            replace: what was there was damaged, even if its index is whole; it is replaced unless somebody else has
                done so meanwhile, whose entry may be in use.

        Returns:
            The index of the entry that is in the place now.

        Raises:
            StoreError: the filesystem refuses.
        """
        with store_trouble(entry):
            for _ in range(_PUBLISH_ATTEMPTS):
                if self._rename_to(entry):
                    return index
                aside = f"{self.path}-damaged"
                with changing(entry):
                    # who adds an entry does so only where nothing is, and without waiting for others: what is looked at
                    # here can change no more, but what is not there yet may come at any moment
                    if not is_taken(entry):
                        continue
                    present = whole_index(entry) if not replace or is_sound(entry) else None
                    if present is not None:
                        return present
                    is_aside = move_aside(entry, aside)
                    is_published = self._rename_to(entry)
                if is_aside:
                    remove_tree(aside)
                if is_published:
                    return index
        raise StoreError(f"cannot write {printable(entry)}: others keep putting damaged entries in its place")

    def _create(self) -> str:
        global _serial  # noqa: PLW0603 - one counter per process is what makes names unique
        while True:
            _serial += 1
            # the process is part of the name because the token is inherited over a fork
            path = f"{self._staging}/extract-{os.getpid()}-{_token}-{_serial}"
            try:
                os.mkdir(path, FOLDER_MODE)
            except FileNotFoundError:
                make_folders(self._staging)
            except FileExistsError:
                continue
            else:
                return path

    def _make_folders(self, layout: Layout[SourceT]) -> None:
        folder = b""
        try:
            for folder in layout.folders:
                os.mkdir(folder, FOLDER_MODE, dir_fd=self._fd)
        except OSError as error:
            raise store_error(self._location(folder), error) from error

    def _write_files(
        self,
        layout: Layout[SourceT],
        read: Callable[[SourceT], Content],
        executables: Collection[bytes],
        bins: Collection[bytes],
    ) -> tuple[list[int], list[bytes]]:
        """Write all files; returns their sizes and digests."""
        # once for every file that is ever installed: what can be a local variable is one
        folder, create, write, close, digest = self._fd, os.open, os.write, os.close, xxhash.xxh3_128_digest
        sizes: list[int] = []
        digests: list[bytes] = []
        path, fd = b"", -1
        try:
            for path, source in layout.files.items():
                content = read(source)
                mode = FILE_MODE
                if path in executables:
                    mode = EXECUTABLE_MODE
                    if path in bins:
                        content = _unix_hashbang(content)
                size = len(content)
                fd = create(path, _CREATE, mode, dir_fd=folder)
                if size and write(fd, content) != size:
                    _write_rest(fd, content)
                if self._durable:
                    os.fsync(fd)
                written, fd = fd, -1
                close(written)
                sizes.append(size)
                digests.append(digest(content))
        except OSError as error:
            raise store_error(self._location(path), error) from error
        finally:
            if fd >= 0:
                close(fd)
        return sizes, digests

    def _write_index(self, content: bytes) -> None:
        with store_trouble(f"{self.path}/{INDEX_NAME}"):
            fd = os.open(_INDEX_NAME, _CREATE, FILE_MODE, dir_fd=self._fd)
            try:
                if os.write(fd, content) != len(content):
                    _write_rest(fd, content)
                if self._durable:
                    os.fsync(fd)
            finally:
                os.close(fd)

    def _location(self, path: bytes) -> str:
        return os.path.join(self.path, os.fsdecode(path))

    def _flush_folders(self, layout: Layout[SourceT]) -> None:
        with store_trouble(self.path):
            for folder in reversed(layout.folders):
                flush_folder(folder, self._fd)
            os.fsync(self._fd)

    def _rename_to(self, entry: str) -> bool:
        """Whether the entry could take its place."""
        try:
            os.rename(self.path, entry)
        except FileNotFoundError:
            if not os.path.lexists(self.path):
                raise
            make_folders(os.path.dirname(entry), durable=self._durable)
            return False
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            return False
        self.path = ""
        if self._durable:
            flush_folder(os.path.dirname(entry))
        return True


def whole_index(entry: str) -> EntryIndex | None:
    """The index of the entry in a place, or None if there is no whole one.

    Raises:
        OSError: the store cannot be read.
    """
    try:
        return read_index(entry)
    except (FileNotFoundError, NotADirectoryError, TornIndexError):
        return None
    except OSError as error:
        # a link or a folder where the index should be
        if error.errno in {errno.ELOOP, errno.EISDIR}:
            return None
        raise


def make_folders(path: str, *, durable: bool = False) -> None:
    """Make a folder of the store and its missing parents, in which others may write if they may so around it.

    With `durable`, folders that got a new one in them are flushed. The process's umask has to be 0.
    """
    try:
        around = os.stat(os.path.dirname(path)).st_mode
        os.mkdir(path, FOLDER_MODE | around & _WRITABLE_FOR_OTHERS)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folders(os.path.dirname(path), durable=durable)
        make_folders(path, durable=durable)
        return
    if durable:
        flush_folder(os.path.dirname(path))


def flush_folder(path: str | bytes, dir_fd: int | None = None) -> None:
    """Have a folder's names on the disk."""
    fd = os.open(path, _FOLDER_OR_LINK, dir_fd=dir_fd)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def discard(path: str) -> None:
    """Delete a folder of the staging area with all that is in it.

    Raises:
        StoreError: the filesystem refuses.
    """
    with store_trouble(path, "remove"):
        remove_tree(path)


def _write_rest(fd: int, content: Content) -> None:
    """Go on after a first write that was cut short: by the kernel's limit of 2 GiB, or by a disk that is full."""
    done = os.lseek(fd, 0, os.SEEK_CUR)
    with memoryview(content) as view:
        while done < len(view):
            done += os.write(fd, view[done:])


def _unix_hashbang(content: Content) -> Content:
    if content[:2] != b"#!" or (found := _WINDOWS_HASHBANG.match(bytes(content[:_HASHBANG_BYTES]))) is None:
        return content
    # npm reads and writes the whole file as UTF-8
    return (found[1] + b"\n" + bytes(content[found.end() :])).decode("utf-8", "replace").encode()
