"""``flock``, with word of filesystems that know no locks: some for clusters, and some in user space."""

from __future__ import annotations

import errno
import fcntl

_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL))


class NoLocksError(Exception):
    """The filesystem cannot lock."""


def flock(fd: int, operation: int) -> None:
    """Lock what a descriptor is open on, or change the lock; it is released when the last copy of it is closed.

    Args:
        fd: of a file or folder.
        operation: ``LOCK_SH`` or ``LOCK_EX``, with ``LOCK_NB`` in order not to wait.

    Raises:
        BlockingIOError: somebody else holds it, and the operation does not wait.
        NoLocksError: the filesystem knows no locks.
    """
    try:
        fcntl.flock(fd, operation)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise NoLocksError(error.strerror) from error
        raise
