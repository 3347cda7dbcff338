"""Whom files belong to: what was once installed by root nobody else can change, which the system's words do not say."""

from __future__ import annotations

import errno
import os

_PERMISSIONS = "check permissions and free space"


def unwritable_hint(error: OSError) -> str:
    """What to do about a file of the project that could not be changed; with whom it belongs to, if that is why."""
    return foreign_owner_hint(error) or _PERMISSIONS


def foreign_owner_hint(error: OSError) -> str:
    """Whom a file that was refused belongs to, or else its folder, and what to do; empty if that is not why."""
    if error.errno not in (errno.EACCES, errno.EPERM) or not isinstance(error.filename, str):
        return ""
    for path in (error.filename, os.path.dirname(error.filename)):
        try:
            owner = os.lstat(path).st_uid
        except OSError:
            continue
        if owner != os.geteuid():
            return f"{path} belongs to {_name(owner)}, and this is run by {_name(os.geteuid())}: chown -R gives it away"
    return ""


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
