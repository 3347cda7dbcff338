"""Taking an entry out of the store: for everybody else it is there as a whole, or not at all.

Several runs may find the same entry damaged. Who has not put a sound one in its place first must not take that out
again: somebody may be about to link it. So whoever changes what stands in an entry's place does it alone, and looks
again before.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from stages.entries.entry import INDEX_NAME
from stages.file_lock import NoLocksError, flock
from stages.remove import remove_tree


@contextmanager
def changing(entry: str) -> Iterator[None]:
    """Keep out others on this host that change what stands in an entry's place, or in one beside it.

    Who reads an entry, or adds one where none is, does not wait. Where the filesystem knows no locks, nobody does.

    Args:
        entry: absolute path; its folder need not be there: then there is nothing that could be taken out.

    Raises:
        OSError: its folder cannot be opened.
    """
    try:
        fd = os.open(os.path.dirname(entry), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        with suppress(NoLocksError):
            flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def take_out_damaged(entry: str, aside: str) -> None:
    """Take what is in an entry's place away, unless it is a sound entry by now; nothing there is no error.

    Args:
        entry: absolute path.
        aside: absolute path on the same filesystem where nothing is; nothing will be.

    Raises:
        OSError: it cannot be renamed or deleted.
    """
    with changing(entry):
        # where nothing is, somebody may be about to put an entry
        is_aside = is_taken(entry) and not _seems_sound(entry) and move_aside(entry, aside)
    # it may be large, and others need not wait for that
    if is_aside:
        remove_tree(aside)


def is_taken(entry: str) -> bool:
    """Whether anything stands in an entry's place.

    Raises:
        OSError: the system does not say.
    """
    try:
        os.lstat(entry)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _seems_sound(entry: str) -> bool:
    # loaded only here: nearly no run has to know
    from stages.entries.check import is_sound

    try:
        return is_sound(entry)
    except OSError:
        return False  # what cannot be read is no use to anybody


def move_aside(entry: str, aside: str) -> bool:
    """Rename what is in an entry's place, or delete it where it cannot be renamed; nothing there is no error.

    Args:
        entry: absolute path.
        aside: absolute path on the same filesystem where nothing is.

    Returns:
        Whether it is at `aside` now, to be deleted.

    Raises:
        OSError: it cannot be renamed or deleted.
    """
    try:
        os.rename(entry, aside)
    except FileNotFoundError:
        return False
    except OSError as error:
        # overlayfs renames no folder of a lower layer
        if error.errno != errno.EXDEV:
            raise
        # without its index it is no entry any more
        remove_tree(f"{entry}/{INDEX_NAME}")
        remove_tree(entry)
        return False
    return True
