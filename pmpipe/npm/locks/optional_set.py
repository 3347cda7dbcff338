"""What goes with an optional package that cannot be installed.

Source: npm's ``@npmcli/arborist``, ``lib/optional-set.js`` and ``lib/gather-dep-set.js``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from pmpipe.npm.locks.lock_graph import OPTIONAL_EDGES, Edge, LockGraph
from pmpipe.npm.locks.package_path import PackagePath

_EdgesInto: TypeAlias = Mapping[PackagePath, Sequence[Edge]]


def optional_set(
    graph: LockGraph,
    failed: Iterable[PackagePath],
    already: Iterable[PackagePath] = (),
    *,
    with_extraneous: bool = False,
) -> set[PackagePath]:
    """What is to be left out together with optional packages that cannot be installed.

    That is every package that needs one of them, up to the optional dependency that makes them dispensable, and what
    these packages need and no other does.

    Args:
        graph: the lockfile's graph.
        failed: entries that are optional (`DependencyKinds.is_optional`).
        already: entries that are left out for other reasons; they need nothing any more.
        with_extraneous: what nothing needs is there, too, and needs what it depends on.

    Returns:
        the failed ones and all that goes with them, without what lies in their folders.
    """
    into = graph.all_edges_into if with_extraneous else graph.edges_into
    gone = set(already)
    result: set[PackagePath] = set()
    for path in failed:
        together = _optional_set_of_one(graph, into, path, gone)
        gone |= together
        result |= together
    return result


def _optional_set_of_one(
    graph: LockGraph, into: _EdgesInto, path: PackagePath, gone: set[PackagePath]
) -> set[PackagePath]:
    core = _closure({path}, lambda one: _required_from(into, one))
    candidates = _closure(set(core), lambda one: () if one in gone else _targets(graph, one))

    def is_needed(one: PackagePath) -> bool:
        edges = into.get(one, ())
        return one not in core and any(e.source not in candidates and e.source not in gone for e in edges)

    # each that is needed from outside stays, and then so does what it needs itself
    waiting = [one for one in candidates if is_needed(one)]
    while waiting:
        one = waiting.pop()
        if one in candidates:
            candidates.discard(one)
            waiting.extend(other for other in _targets(graph, one) if other in candidates and is_needed(other))
    return candidates


def _closure(start: set[PackagePath], following: Callable[[PackagePath], Iterable[PackagePath]]) -> set[PackagePath]:
    waiting = list(start)
    while waiting:
        for path in following(waiting.pop()):
            if path not in start:
                start.add(path)
                waiting.append(path)
    return start


def _required_from(into: _EdgesInto, path: PackagePath) -> list[PackagePath]:
    return [edge.source for edge in into.get(path, ()) if edge.type not in OPTIONAL_EDGES]


def _targets(graph: LockGraph, path: PackagePath) -> list[PackagePath]:
    return [edge.target for edge in graph.edges.get(path, ()) if edge.target is not None]
