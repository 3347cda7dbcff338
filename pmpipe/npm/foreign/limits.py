"""How large a foreign lock may be: a file that somebody else wrote must not hold the installer up."""

from __future__ import annotations

from pmpipe.errors import LockfileError

#: The largest locks of real monorepos have some 5 MB.
MAX_LOCK_BYTES = 32 * 1024 * 1024

#: Objects within objects; no lock has more than a handful.
MAX_DEPTH = 64


def checked_size(data: bytes, file: str) -> None:
    """Refuse what is larger than any real lock.

    Raises:
        LockfileError: it is.
    """
    if len(data) > MAX_LOCK_BYTES:
        raise LockfileError(
            f"{file} is too large to be a lockfile: {len(data):,} bytes, more than {MAX_LOCK_BYTES:,}",
            hint="if it is none, remove it",
        )
