"""What the store's filesystem says, as errors that name the path and what to do."""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager

from pmpipe.errors import ArchiveError, PmpipeError, StoreError
from pmpipe.npm.texts.text import printable

#: What to do about it, by the system's number.
HINTS = {
    errno.ENOSPC: "free some space, or choose another place with --store-dir",
    errno.EDQUOT: "free some space, or choose another place with --store-dir",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or choose another filesystem with --store-dir",
    errno.ENOENT: "somebody has emptied the store meanwhile: install again; `pmpipe store prune` waits for runs to end",
    errno.EROFS: "choose another place with --store-dir",
    errno.EACCES: "make it writable for you, or choose another place with --store-dir",
    errno.EPERM: "make it writable for you, or choose another place with --store-dir",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files",
}


def store_error(path: str, error: OSError, verb: str = "write") -> PmpipeError:
    """What to tell the user of an error of the store's filesystem; a name that is too long is the package's fault."""
    if error.errno == errno.ENAMETOOLONG:
        return ArchiveError(f"a path in it is too long: {printable(path, 200)}")
    return StoreError(
        f"cannot {verb} {printable(path)}: {error.strerror or error}", hint=HINTS.get(error.errno or 0, "")
    )


def store_trouble(path: str, verb: str = "write") -> AbstractContextManager[None]:
    """Turn what the filesystem says about `path` into an error that names it.

    Raises:
        ArchiveError: a name is too long.
        StoreError: anything else.
    """
    return _StoreTrouble(path, verb)


class _StoreTrouble(AbstractContextManager[None]):
    # entered several times for each package, and a class costs a fourth of a generator
    __slots__ = ("_path", "_verb")

    def __init__(self, path: str, verb: str) -> None:
        self._path = path
        self._verb = verb

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            raise store_error(self._path, error, self._verb) from error
