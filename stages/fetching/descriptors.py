"""How many connections the limit on open files leaves room for."""

from __future__ import annotations

import os
import resource

#: More than are open before there is a connection.
_MANY_DESCRIPTORS = 64

#: Descriptors that are not connections: the loop's own, git's pipes, the CA file while it is read.
_SPARE_DESCRIPTORS = 16


def possible_connections(wanted: int) -> int:
    """As many connections as are wanted and as the limit on open files leaves room for; at least one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, soft - _open_descriptors() - _SPARE_DESCRIPTORS))


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:
        return _MANY_DESCRIPTORS  # a sandbox without /proc
