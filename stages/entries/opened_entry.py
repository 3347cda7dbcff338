"""A store entry open for reading: its folder's descriptor and its index, or the word that it cannot be used."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from pmpipe.npm.texts.text import printable
from stages.entries.entry import EntryIndex, TornIndexError, read_index

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Something is not there, or a link, file or folder stands where something else is expected.
ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})


class DamagedEntryError(Exception):
    """A store entry is absent, has a torn index, lacks a listed file, or holds something else in its place."""


class OpenedEntry(msgspec.Struct, frozen=True):
    """A store entry. `folder` is an open descriptor."""

    folder: int
    index: EntryIndex


@contextmanager
def opened_entry(path: str) -> Iterator[OpenedEntry]:
    """Open the store entry at `path` for the length of a ``with`` block.

    Raises:
        DamagedEntryError: there is no entry, or its index is not whole.
        OSError: it cannot be read.
    """
    folder = _open_folder(path)
    try:
        yield OpenedEntry(folder, _read_index(path, folder))
    finally:
        os.close(folder)


def _open_folder(path: str) -> int:
    try:
        return os.open(path, FOLDER_FLAGS)
    except OSError as error:
        if error.errno in ABSENT:
            raise DamagedEntryError(f"the store has no entry at {printable(path)}") from error
        raise


def _read_index(path: str, folder: int) -> EntryIndex:
    try:
        return read_index("", dir_fd=folder)
    except TornIndexError as error:
        raise DamagedEntryError(f"the index of the store entry at {printable(path)} is torn") from error
    except OSError as error:
        if error.errno in ABSENT:
            raise DamagedEntryError(f"the store entry at {printable(path)} has no index") from error
        raise


def path_text(path: bytes) -> str:
    r"""The path of an entry's file as it crosses queues: bytes that are not UTF-8 as ``\xff``."""
    return path.decode("utf-8", "backslashreplace")
