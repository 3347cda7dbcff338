"""What of a lockfile the settings do not allow to be fetched, and what it lacks although they do.

See `pmpipe.npm.packages.source_policy`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.config.settings import SOURCE_KINDS
from pmpipe.npm.locks.lock_check import LockProblem, ProblemKind
from pmpipe.npm.locks.lock_graph import Edge, EdgeType, LockGraph
from pmpipe.npm.locks.lock_origin import is_for_registry
from pmpipe.npm.locks.lockfile import installed_name
from pmpipe.npm.locks.package_path import ROOT, PackagePath, is_installed
from pmpipe.npm.locks.satisfaction import Satisfaction
from pmpipe.npm.packages.source_policy import SourcePolicy
from pmpipe.npm.specs.spec import parse_spec


def refused_entries(graph: LockGraph, policy: SourcePolicy, satisfaction: Satisfaction) -> dict[PackagePath, str]:
    """The entries that may not be fetched, with the setting that forbids it.

    Links are not among them: nothing is fetched for these, and npm makes those of a lock whatever the settings say.

    Args:
        graph: the lockfile and the package.json files.
        policy: of the settings.
        satisfaction: of the same graph.

    Source: npm's ``@npmcli/arborist``, ``reify.js`` (#extractOrLink), where a package counts as the project's own if it
    is what one of the project's or its workspaces' dependencies asks for.
    """
    kinds: dict[PackagePath, str] = {}
    for path, entry in graph.lock.entries.items():
        if not entry.resolved or entry.link or not is_installed(path):
            continue
        kind = policy.kind_of(installed_name(path), entry.resolved)
        if kind in policy.limits:
            kinds[path] = kind
    if not kinds:
        return {}
    into: defaultdict[PackagePath, list[Edge]] = defaultdict(list)
    for edges in graph.edges.values():
        for edge in edges:
            if edge.target in kinds:
                into[edge.target].append(edge)
    judge = _Judge(graph, policy, satisfaction)
    return {path: policy.setting(kind) for path, kind in kinds.items() if judge.refuses(path, kind, into[path])}


def lacks_what_may_come(problems: Iterable[LockProblem], graph: LockGraph, policy: SourcePolicy | None) -> bool:
    """Whether something optional is missing in a lock although the settings let it be fetched, and from no registry.

    It may have been left out because they did not when the lock was made. npm's `install` tries to have whatever
    optional is missing; what a registry lacks (other platforms', mostly) would have it asked for that every time.

    Args:
        problems: of the lock.
        graph: the lockfile and the package.json files.
        policy: of the settings; None: all is allowed.
    """
    missing = (one for one in problems if one.kind is ProblemKind.MISSING and one.type is EdgeType.OPTIONAL)
    return any(_may_come(one, graph, policy) for one in missing)


def _may_come(problem: LockProblem, graph: LockGraph, policy: SourcePolicy | None) -> bool:
    try:
        # where a folder would be does not matter
        kind = parse_spec(problem.name, problem.requested, "/", home="/").type
    except InvalidSpecError:
        return False
    if kind not in SOURCE_KINDS:
        return False
    if kind in ("file", "directory") and problem.source not in (ROOT, *graph.project.folders):
        # packages do not name files of this machine
        return False
    own = (ROOT, *graph.project.workspaces.values())
    return policy is None or not policy.refuses(kind, for_project=problem.source in own)


class _Judge:
    def __init__(self, graph: LockGraph, policy: SourcePolicy, satisfaction: Satisfaction) -> None:
        self._graph = graph
        self._policy = policy
        self._satisfaction = satisfaction
        self._own = {ROOT, *graph.project.workspaces.values()}
        #: name and spec -> whether a registry answers that
        self._known: dict[tuple[str, str], bool] = {}

    def refuses(self, path: PackagePath, kind: str, edges: list[Edge]) -> bool:
        if kind == "remote" and self._is_from_registry(path, edges):
            return False
        if not self._policy.refuses(kind, for_project=True):
            return not any(edge.source in self._own and self._satisfaction.is_satisfied(edge) for edge in edges)
        return True

    def _is_from_registry(self, path: PackagePath, edges: list[Edge]) -> bool:
        resolved = self._graph.lock.entries[path].resolved or ""
        if not edges or not self._policy.is_from_registry(installed_name(path), resolved):
            return False
        return all(map(self._asks_registry, edges))

    def _asks_registry(self, edge: Edge) -> bool:
        line = (edge.name, self._satisfaction.spec(edge))
        if line not in self._known:
            self._known[line] = is_for_registry(*line)
        return self._known[line]
