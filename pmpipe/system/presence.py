"""Whether something stands at a path, for whoever would destroy something on a wrong answer.

`os.path.lexists` and its like answer no to whatever error the system has: on a disk that fails, or where memory is
short, what stands in the trash would not be put back, and deleted with it. These raise instead.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

#: What the system says where there is nothing. ELOOP: a link that leads in a circle leads to nothing.
_NOTHING = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))


def is_there(path: str) -> bool:
    """Whether anything stands at a path, and be it a link that leads nowhere.

    Raises:
        OSError: the system does not say.
    """
    return _mode(path, os.lstat) is not None


def is_folder(path: str) -> bool:
    """Whether a folder stands at a path, or a link to one.

    Raises:
        OSError: the system does not say.
    """
    mode = _mode(path, os.stat)
    return mode is not None and stat.S_ISDIR(mode)


def is_real_folder(path: str) -> bool:
    """Whether a folder itself stands at a path, not a link to one.

    Raises:
        OSError: the system does not say.
    """
    mode = _mode(path, os.lstat)
    return mode is not None and stat.S_ISDIR(mode)


def is_link(path: str) -> bool:
    """Whether a symbolic link stands at a path.

    Raises:
        OSError: the system does not say.
    """
    mode = _mode(path, os.lstat)
    return mode is not None and stat.S_ISLNK(mode)


def _mode(path: str, status: Callable[[str], os.stat_result]) -> int | None:
    try:
        return status(path).st_mode
    except OSError as error:
        if error.errno in _NOTHING:
            return None
        raise
