"""Where a user's own files are: the home folder, and the store where no setting says where.

A container that is run as some user by number (``docker run --user``) has no home folder for that user. The store is
among the temporary files then.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress

import msgspec


class StorePlace(msgspec.Struct, frozen=True):
    """Where the store is.

    Attributes:
        path: absolute.
        instead_of: the usual place, if the store cannot be there; else empty.
    """

    path: str
    instead_of: str = ""


def home_folder(environ: Mapping[str, str]) -> str:
    """The absolute path of the user's home folder; ``/``, as Docker has it, for one whom the system does not know."""
    # os.path.expanduser would take an empty HOME for the root folder, where root could write
    return os.path.abspath(environ.get("HOME") or _home_of_account())


def _home_of_account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir or "/"
    except KeyError:
        return "/"


def default_store(environ: Mapping[str, str], home: str) -> StorePlace:
    """Where the store is if no setting says it.

    Args:
        environ: the process's environment.
        home: absolute path of the home folder.
    """
    cache = environ.get("XDG_CACHE_HOME", "")
    # the XDG specification has relative paths ignored
    usual = os.path.join(cache if os.path.isabs(cache) else os.path.join(home, ".cache"), "pmpipe")
    if _exists_or_can_be_made(usual):
        return StorePlace(usual)
    temporary = environ.get("TMPDIR", "")
    path = os.path.join(temporary if os.path.isabs(temporary) else "/tmp", f"pmpipe-{os.geteuid()}")  # noqa: S108 - checked below
    return StorePlace(path, usual) if _is_made_for_us_alone(path) else StorePlace(usual)


def _exists_or_can_be_made(path: str) -> bool:
    if os.path.lexists(path):
        # packages may be had from it even if nothing can be written
        return True
    above = os.path.dirname(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    return os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK)


def _is_made_for_us_alone(path: str) -> bool:
    """Whether a folder stands there, made now or before, into which nobody else can put anything."""
    try:
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
