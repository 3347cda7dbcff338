"""Writing a file as a whole: what a run that is cut off leaves there is the former content, or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter

#: What a file is called while it is being written.
PARTIAL = ".partial"


def write_whole(path: str, content: bytes, *, durable: bool = False) -> None:
    """Write a file by one rename: whoever reads `path` sees what was there before, or all of `content`.

    Args:
        path: of the file.
        content: all of it.
        durable: it is on the disk before this returns, so that a power cut cannot undo or damage it.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    partial = f"{path}{PARTIAL}"
    try:
        with naming(path), new_file(partial) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(partial, path)
        if durable:
            from stages.entries.entry_writer import flush_folder

            flush_folder(os.path.dirname(path))
    except BaseException:
        if os.path.lexists(partial):
            os.unlink(partial)
        raise


def write_new(path: str, content: bytes) -> None:
    """Write a file that nobody else knows of; if it cannot be written as a whole (disk full), nothing of it is left.

    Raises:
        OSError: it cannot be written.
    """
    try:
        with naming(path), open(path, "wb") as file:
            file.write(content)
    except OSError:
        if os.path.lexists(path):
            os.unlink(path)
        raise


def write_by_way_of(partial: str, path: str, content: bytes) -> None:
    """Write a file that nobody else knows of, and rename it; if that is refused, nothing of it is left either.

    Raises:
        OSError: it cannot be written, or not take its place.
    """
    write_new(partial, content)
    try:
        os.rename(partial, path)
    except OSError:
        os.unlink(partial)
        raise


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Have every OSError say which file it is about: those of reading and writing know a descriptor only."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


def new_file(path: str) -> BufferedWriter:
    """Open a file that is new, whatever a killed run has left there, or a project has brought along.

    A link in its place would have something else overwritten, anywhere on this machine.

    Raises:
        OSError: it cannot be made.
    """
    if os.path.lexists(path):
        os.unlink(path)
    return open(path, "xb")
