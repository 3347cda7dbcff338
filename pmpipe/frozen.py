"""Frozen lockfiles: where the lock may only be used, not changed, as ``ci`` does; the default of `install` in CI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pmpipe.errors import LockfileError
from pmpipe.session import Session, no_lock

if TYPE_CHECKING:
    from pmpipe.store import Store

_OFF = frozenset(("", "0", "false"))


def runs_in_ci(environ: Mapping[str, str]) -> bool:
    """Whether the environment says that this is a build server: they all set CI."""
    return environ.get("CI", "").lower() not in _OFF


def require_unfrozen(session: Session, store: Store) -> None:
    """Refuse to make or change the lock if that was not asked for.

    Args:
        session: the project, whose lock is missing or out of sync.
        store: opened.

    Raises:
        LockfileError: the lockfile is frozen: what is off about it.
    """
    frozen = session.config.frozen_lockfile
    if frozen is None:
        frozen = runs_in_ci(session.environ) and session.config.package_lock
    if not frozen:
        return
    try:
        error: LockfileError = no_lock(session.folder)
        if session.lock:
            session.wanted(store)
    except LockfileError as out_of_sync:
        error = out_of_sync
    error.hint = "the lockfile is frozen, as is the default where CI is set; --no-frozen-lockfile lets it change"
    raise error
