"""Frozen lockfiles: where the lock may only be used, not changed, as ``ci`` does; the default of `install` in CI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import LockfileError, LockfileOutOfSyncError
from pmpipe.npm.locks.lockfile import package_name
from pmpipe.npm.locks.package_path import is_installed
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.project.extension_file import find_extension_file
from pmpipe.project.missing_files import no_lock
from pmpipe.project.project_files import MANIFEST, read_file
from pmpipe.session import Session

if TYPE_CHECKING:
    from pmpipe.store import Store

_OFF = frozenset(("", "0", "false"))


def runs_in_ci(environ: Mapping[str, str]) -> bool:
    """Whether the environment says that this is a build server: they all set CI."""
    return environ.get("CI", "").lower() not in _OFF


def is_frozen(session: Session) -> bool:
    """Whether the lockfile may only be used, not changed."""
    frozen = session.config.frozen_lockfile
    return runs_in_ci(session.environ) and session.config.package_lock if frozen is None else frozen


def require_unfrozen(session: Session, store: Store) -> None:
    """Refuse to make or change the lock if that was not asked for.

    Args:
        session: the project, whose lock is missing or out of sync.
        store: opened.

    Raises:
        LockfileError: the lockfile is frozen: what is off about it.
    """
    if not is_frozen(session):
        return
    try:
        error: LockfileError = no_lock(session.folder)
        if session.lock:
            session.wanted(store)
    except LockfileError as out_of_sync:
        error = out_of_sync
    change = "change" if session.lock else _making(session.folder)
    error.hint = f"the lockfile is frozen, as is the default where CI is set; --no-frozen-lockfile lets it {change}"
    raise error


def _making(folder: str) -> str:
    from pmpipe.project.foreign_locks import first_lock

    foreign = first_lock(folder)
    return f"be made, with the versions of {foreign}" if foreign else "be made"


def under_head_of(old: bytes, lock: bytes) -> bytes:
    """A lock that is not saved, with the project's name and version as the lockfile that stays states them.

    npm takes both from the lockfile, even if package.json has gone on since, and writes them to the hidden lockfile.

    Args:
        old: the lockfile that stays; empty if there is none, and then npm has neither.
        lock: what was made of it.
    """
    from pmpipe.npm.locks.hidden_lockfile import lockfile_of
    from pmpipe.npm.locks.lock_head import kept_members
    from pmpipe.npm.locks.lockfile import raw_entries

    before = kept_members(without_bom(old))
    return lock if before == kept_members(lock) else lockfile_of(lock, raw_entries(lock), before)


def require_same_versions(session: Session, old: bytes) -> None:
    """Refuse an old lock for `ci` if completing it has changed it: every package must have been in it as it is now.

    Args:
        session: the project; its lock is the completed one.
        old: the lock of version 1.

    Raises:
        LockfileOutOfSyncError: a package is missing in the old lock, or has another version there.
    """
    from pmpipe.npm.locks.lock_v1 import modern_lock
    from pmpipe.npm.locks.lockfile import read_lockfile

    manifest = msgspec.json.decode(without_bom(read_file(session.folder, MANIFEST) or b"{}"))
    before = read_lockfile(modern_lock(old, manifest, session.folder, session.lock_file), session.lock_file).entries
    off = []
    if "packageExtensions" in manifest:
        off.append("Missing: packageExtensions of package.json from lock file")
    if find_extension_file(session.folder, session.config) is not None:
        off.append("Missing: .npm-extension from lock file")
    for path, entry in read_lockfile(session.lock, session.lock_file).entries.items():
        known = before.get(path)
        if not path or entry.link or not is_installed(path) or entry.optional:
            continue
        if known is None:
            off.append(f"Missing: {package_name(path, entry)}@{entry.version} from lock file")
        elif known.version != entry.version:
            off.append(f"Invalid: lock file's {package_name(path, entry)}@{known.version} does not satisfy it")
    if off:
        raise LockfileOutOfSyncError(
            f"{session.lock_file} does not satisfy the package.json files of the project",
            details=off,
            hint="update the lockfile with `pmpipe install --package-lock-only`",
        )
