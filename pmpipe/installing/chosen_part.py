"""A command that is about some workspaces: what they need is installed, the rest of node_modules stays."""

from __future__ import annotations

from pmpipe.planning.planner import Wanted
from pmpipe.project.workspace_choice import chosen_workspaces
from pmpipe.session import Session
from pmpipe.settings.choice import Choice
from pmpipe.store import Store
from pmpipe.tree.limited import chosen_entries, installed_graph, limited_lock


def limit(session: Session, choice: Choice, store: Store, *, fresh: bool, prunes: bool = False) -> Wanted:
    """Go on with what some workspaces need; everything else in node_modules stays as it is.

    Args:
        session: the project.
        choice: which ones.
        store: opened.
        fresh: what stands in node_modules goes anyway.
        prunes: so does all that is not chosen.

    Returns:
        the tree that is to stand at the end.

    Raises:
        PmpipeError: no workspace is meant, or see `Session.wanted`.
    """
    whole = session.locked
    workspaces: list[str] = []
    if choice.is_made:
        workspaces = chosen_workspaces(choice, whole.project.manifests.workspaces, session.folder)
    installed = None
    if not (fresh or prunes):
        installed = installed_graph(session.folder, whole.graph, find=session.find_folders)
    graphs = [whole.graph, *([installed] if installed is not None else [])]
    chosen = chosen_entries(graphs, workspaces, with_root=choice.with_root or not choice.is_made)
    # where nothing is chosen at all npm's limit is none
    if chosen or prunes:
        limited = limited_lock(whole.graph, whole.selection.listed(), installed, chosen)
        session.adopt(limited.lock, session.manifests, is_settled=True, is_saved=False)
        session.untouched = limited.untouched
    return session.wanted(store)
