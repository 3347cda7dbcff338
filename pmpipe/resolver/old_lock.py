"""A lockfile of whatever age and state, read for resolving: conflicts merged, version 1 flattened, paths checked.

`ci` and whatever else installs a lock as it stands must not use this; it reads with `pmpipe.npm.lockfile` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pmpipe.npm.lock_conflict import without_conflicts
from pmpipe.npm.lock_v1 import is_version_1, modern_lock, needs_inflating
from pmpipe.npm.lockfile import Lockfile, read_lockfile
from pmpipe.resolver.project import LockedEntry, locked_entries


@dataclass(slots=True, frozen=True)
class OldLock:
    """What an old lock gives to a `Project`.

    Attributes:
        entries: `Project.locked`.
        is_old: `Project.is_old`: npm warns that it has to ask for metadata.
        had_conflict: the file has merge conflicts, so that it is out of date whatever it says.
        lockfile: the lock as it was understood; its `data` is not the file's text if it was of version 1 or in
            conflict.
    """

    entries: dict[str, LockedEntry]
    is_old: bool
    had_conflict: bool
    lockfile: Lockfile


def read_old_lock(data: bytes, file: str, manifest: Mapping[str, Any], folder: str) -> OldLock:
    """Read a package-lock.json or npm-shrinkwrap.json that is to be resolved from.

    Args:
        data: the file's bytes.
        file: its name for messages.
        manifest: the project's package.json.
        folder: the project's absolute path.

    Raises:
        LockfileError: it cannot be read, even so, or has an entry that is damaged or unsafe.
    """
    read = without_conflicts(data, file)
    text = modern_lock(read.data, manifest, folder, file) if is_version_1(read.data) else read.data
    lockfile = read_lockfile(text, file)
    return OldLock(locked_entries(lockfile.data), needs_inflating(read.data), read.had_conflict, lockfile)
