"""Taking an entry out of the store: for everybody else it is there as a whole, or not at all."""

from __future__ import annotations

import errno
import os

from stages.entries.entry import INDEX_NAME
from stages.remove import remove_tree


def take_out(entry: str, aside: str) -> None:
    """Take what is in an entry's place away, whole or not; nothing there is no error.

    Args:
        entry: absolute path.
        aside: absolute path on the same filesystem where nothing is; nothing will be.

    Raises:
        OSError: it cannot be renamed or deleted.
    """
    if move_aside(entry, aside):
        remove_tree(aside)


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
