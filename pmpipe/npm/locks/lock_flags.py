"""The flags of a lockfile's entries: ``dev``, ``optional``, ``devOptional``, ``peer``, ``extraneous``.

What is installed does not depend on them, and npm's `ci` does not trust them; but an `install` writes them anew. They
say by what ways an entry cannot be reached. Here it is the ways themselves that are found, as one number per entry.

Source: npm's ``@npmcli/arborist``, ``lib/calc-dep-flags.js``.
"""

from __future__ import annotations

from collections.abc import Mapping

from pmpipe.npm.locks.lock_graph import EdgeType, LockGraph
from pmpipe.npm.locks.lockfile import Entry, link_target
from pmpipe.npm.locks.package_path import ROOT, PackagePath

#: Each stands for ways that an entry is reached by: without dependencies for development, without optional ones,
#: without both of these, without peers, without optional peers.
_NOT_DEV, _NOT_OPTIONAL, _NEITHER, _NOT_PEER, _NEEDED = 1, 2, 4, 8, 16
_BOTH = _NOT_DEV | _NOT_OPTIONAL
_ALL = _NOT_DEV | _NOT_OPTIONAL | _NEITHER | _NOT_PEER | _NEEDED

#: What remains of these behind a dependency; behind all others everything does.
_REMAINS = (
    (EdgeType.PEER, _NOT_DEV | _NOT_OPTIONAL | _NEITHER | _NEEDED),
    (EdgeType.OPTIONAL, _NOT_DEV | _NOT_PEER | _NEEDED),
    (EdgeType.DEV, _NOT_OPTIONAL | _NOT_PEER | _NEEDED),
    (EdgeType.PEER_OPTIONAL, _NOT_DEV),
)

#: All keys that an entry can have because of the ways to it.
FLAGS = ("extraneous", "peer", "dev", "optional", "devOptional")


def has_wrong_flags(graph: LockGraph) -> bool:
    """Whether an entry that the project needs has other flags than npm would write.

    Costs about 5 ms for 11,000 dependencies.
    """
    entries, reachable = graph.lock.entries, graph.reachable
    for path, ways in ways_to_entries(graph).items():
        entry = entries.get(path)
        # of what only optional peers lead to, nothing is said but that it is extraneous
        if entry is None or path == ROOT or path not in reachable or entry.link:
            continue
        if ways != noted_ways(entry) or (entry.dev_optional and (entry.dev or entry.optional)):
            return True
    return False


def ways_to_entries(graph: LockGraph, given: Mapping[PackagePath, int] | None = None) -> dict[PackagePath, int]:
    """The kinds of ways that lead to each entry that can be reached; it is looked at again whenever there is a new one.

    Args:
        graph: of the lockfile.
        given: the ways that are known already, of all entries, from a tree that was looked at before.
    """
    edges, production = graph.edges, EdgeType.PROD
    found = {path: _as_flags_tell(ways) for path, ways in given.items()} if given else {}
    found[ROOT] = _ALL
    waiting = [ROOT]
    while waiting:
        path = waiting.pop()
        mine = found[path]
        if mine & _NEITHER and mine & _BOTH != _BOTH:
            mine &= ~_NEITHER
        if path not in edges:
            onward = [(link_target(graph.lock.entries[path]), mine)]
        else:
            onward = [
                (edge.target, mine if edge.type is production else mine & _remains(edge.type))
                for edge in edges[path]
                if edge.target is not None
            ]
        for target, ways in onward:
            before = found.get(target, -1)
            if before < 0 or ways | before != before:
                found[target] = ways | max(before, 0)
                waiting.append(target)
    _keep_holders(graph, found)
    return found


def _as_flags_tell(ways: int) -> int:
    """What npm still knows of the ways to an entry when it has flagged it.

    It does not say ``devOptional`` beside ``dev`` or ``optional``, and does not come back to it when those are gone.
    """
    return ways | _NEITHER if ways and ways & _BOTH != _BOTH else ways


def _keep_holders(graph: LockGraph, found: dict[PackagePath, int]) -> None:
    """What holds a package that is needed is needed, too."""
    for path in [path for path, ways in found.items() if ways & _NEEDED]:
        holder = graph.holder(path)
        while holder is not None and not found.get(holder, 0) & _NEEDED:
            found[holder] = found.get(holder, 0) | _NEEDED
            holder = graph.holder(holder)


def _remains(kind: EdgeType) -> int:
    for one, ways in _REMAINS:
        if kind is one:
            return ways
    return _ALL


def noted_ways(entry: Entry) -> int:
    """The kinds of ways that an entry's flags tell of."""
    if entry.extraneous:
        return 0
    ways = _NEEDED | (0 if entry.dev else _NOT_DEV)
    ways |= 0 if entry.optional else _NOT_OPTIONAL
    ways |= 0 if entry.peer else _NOT_PEER
    return ways | (0 if entry.dev or entry.optional or entry.dev_optional else _NEITHER)


def is_extraneous(ways: int) -> bool:
    """Whether an entry that these ways lead to is needed by nothing."""
    return not ways & _NEEDED


def flags_for(ways: int) -> dict[str, bool]:
    """The flags that tell of these kinds of ways."""
    if is_extraneous(ways):
        return {"extraneous": True}
    lacking = {
        "peer": not ways & _NOT_PEER,
        "dev": not ways & _NOT_DEV,
        "optional": not ways & _NOT_OPTIONAL,
        "devOptional": bool(ways & _NOT_DEV and ways & _NOT_OPTIONAL and not ways & _NEITHER),
    }
    return {flag: True for flag, lacks in lacking.items() if lacks}
