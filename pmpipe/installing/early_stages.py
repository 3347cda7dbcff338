"""Which stages are certain to have work before there is a plan, so that their processes can load their libraries."""

from __future__ import annotations

from collections.abc import Sequence

from pmpipe.orders import StageName
from pmpipe.store import Store
from pmpipe.tree.sources import entry_candidates
from pmpipe.tree.wanted import WantedTree


def stages_needed(tree: WantedTree, store: Store, *, offline: bool) -> Sequence[StageName]:
    """Stages that have work if all of a tree is to be placed: its first package is enough to tell.

    Args:
        tree: what is wanted.
        store: opened.
        offline: nothing may be fetched.
    """
    first = next((one for one in tree.packages if one.link_target is None and not one.in_bundle), None)
    if first is None or first.optional:
        return ()
    if any(map(store.has, entry_candidates(store.folder, first))):
        return (StageName.CLONE,)
    if offline or first.resolved.startswith("file:"):
        return ()
    return (StageName.FETCH, StageName.EXTRACT)
