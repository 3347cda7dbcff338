"""The tree that stands in node_modules, whatever package.json and the lockfile say by now."""

from __future__ import annotations

import os

import msgspec

from pmpipe.planning.planner import Wanted
from pmpipe.project.project import read_hidden_lockfile
from pmpipe.session import Session
from pmpipe.store import Store
from pmpipe.tree.wanted import WantedTree


class StandingTree(msgspec.Struct, frozen=True):
    """What a project has installed.

    Attributes:
        session: the project, with the lock that the tree follows from.
        wanted: the tree. If nothing lists it, it is what the lockfile wants, and need not stand as a whole.
    """

    session: Session
    wanted: Wanted


def standing_tree(session: Session, store: Store) -> StandingTree:
    """Find it out.

    Args:
        session: the project, with its lockfile.
        store: opened.

    Raises:
        PmpipeError: node_modules does not tell what is in it, and there is no lockfile that fits the project.
    """
    hidden = read_hidden_lockfile(session.folder)
    if hidden is not None:
        # what stands does so whatever would be left out now
        config = msgspec.structs.replace(session.config, omit=(), include=())
        standing = Session(config, session.folder, session.environ)
        standing.adopt(hidden.data, is_saved=False, with_extraneous=True)
        return StandingTree(standing, standing.wanted(store))
    if not session.lock and not os.path.isdir(f"{session.folder}/node_modules"):
        nothing = Wanted(session.folder, WantedTree((), (), (), (), ()), lambda _: frozenset(), str)
        return StandingTree(session, nothing)
    return StandingTree(session, session.wanted(store))


def known_tree(session: Session, store: Store) -> StandingTree:
    """What the lockfile wants; what stands, if there is no lockfile that fits the project.

    Args:
        session: the project, with its lockfile.
        store: opened.

    Raises:
        PmpipeError: there is neither of them, or the lockfile cannot be used.
    """
    wanted = session.wanted_if_current(store)
    if wanted is not None:
        return StandingTree(session, wanted)
    if read_hidden_lockfile(session.folder) is not None:
        return standing_tree(session, store)
    return StandingTree(session, session.wanted(store))
