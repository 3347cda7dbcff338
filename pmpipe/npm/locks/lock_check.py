"""Does a lockfile satisfy the package.json files? What npm's `ci` refuses, found without asking a registry.

Every dependency of the project, of its workspaces and folders and of all packages that they need must find an entry,
and that entry must be what is asked for. Where npm resolves anew what is off and compares the outcome with the lock,
this check names the dependency that is off. It is as lenient as npm's `ci` is: extra entries, flags, missing integrity
or addresses are no matter, nor is an optional peer dependency of the wrong version. Nor are conflicts of peer
dependencies for which there is no better place, unless the project itself brings them about, or those of a workspace's
packages with what the project or another workspace asks for.

On purpose it differs twice. A missing optional dependency is a warning: registries that mirror only some platforms make
npm write such locks, and then refuse them. And where npm looks no further than the workspace itself, the packages that
it needs are checked like all others; what is off there is a warning, and resolving completes it
(`Builder.queue_problems`).

Source: npm's ``lib/commands/ci.js`` and ``lib/utils/validate-lockfile.js``; ``@npmcli/arborist``,
``lib/arborist/build-ideal-tree.js``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

import msgspec

from pmpipe.errors import LockfileError, LockfileOutOfSyncError
from pmpipe.npm.locks.lock_graph import PEER_EDGES, Edge, EdgeType, LockGraph
from pmpipe.npm.locks.lockfile import link_target
from pmpipe.npm.locks.package_path import ROOT, PackagePath, is_external, is_installed
from pmpipe.npm.locks.satisfaction import Satisfaction, file_path
from pmpipe.npm.manifests.override_conflict import OverrideConflict, override_error
from pmpipe.npm.manifests.overrides import Overrides
from pmpipe.npm.manifests.resolutions import may_contradict
from pmpipe.npm.semver import intersects, parse_range
from pmpipe.npm.specs.names import name_key


class ProblemKind(enum.Enum):
    """What is off about a dependency."""

    MISSING = "Missing"
    INVALID = "Invalid"
    HIDDEN = "Hidden"


class LockProblem(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency that the lockfile does not satisfy.

    Attributes:
        kind: it has no entry, or one of the wrong version or source; or none because of another dependency of the same
            package, whose name differs only in case.
        name: the dependency's name; `requested` the spec that counts for it, overrides included.
        type: the map that names it.
        source: the path of the package that needs it; `LockGraph.chain` says how the project comes to need that one.
        found: the version of the entry that is there, or the name of that other dependency; empty if there is none.
        is_fatal: `ci` refuses the lock; else it is worth a warning.
        is_unseen: npm does not look there, so that it passes over what a resolution completes; not fatal.
    """

    kind: ProblemKind
    name: str
    requested: str
    type: EdgeType
    source: PackagePath
    found: str = ""
    is_fatal: bool = True
    is_unseen: bool = False

    def __str__(self) -> str:
        """The line that npm prints, with the spec in place of the version that the registry would have given."""
        wanted = f"{self.name}@{self.requested or '*'}"
        if self.kind is ProblemKind.MISSING:
            return f"Missing: {wanted} from lock file"
        if self.kind is ProblemKind.HIDDEN:
            return f"{wanted} is not installed: its name differs from {self.found} only in case, and that is"
        return f"Invalid: lock file's {self.name}@{self.found or '?'} does not satisfy {wanted}"


class CheckOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How strict the check is.

    Attributes:
        strict_peer_deps: conflicts of peer dependencies are fatal, whoever has them.
        force: conflicts of peer dependencies are warnings, even the project's own.
        home: the user's home folder, for ``file:~/x``; empty if there is none.
        install_links: folders are copied, not linked.
        heeds_resolutions: yarn's ``resolutions`` count like overrides; npm ignores them.
        overrides_own_bundle: overrides hold for what the project bundles, too, as with npm 12.
    """

    strict_peer_deps: bool = False
    force: bool = False
    home: str = ""
    install_links: bool = False
    heeds_resolutions: bool = True
    overrides_own_bundle: bool = False


def check_lock(graph: LockGraph, options: CheckOptions) -> list[LockProblem]:
    """Compare a lockfile with the package.json files of its project.

    Returns:
        all problems, warnings included; `out_of_sync` makes an error of those that are fatal.

    Raises:
        ManifestError: an override contradicts a dependency of the project, or is malformed.
        LockfileError: an entry leads out of the project, and no package.json of the project asks for that.

    Costs about 20 ms for 11,000 dependencies whose ranges are known already.
    """
    satisfaction = satisfaction_of(graph, options)
    _check_root_overrides(graph, satisfaction)
    problems: list[LockProblem] = []
    for path, edges in graph.edges.items():
        if edges and path in graph.reachable and not _brings_its_own(graph, path):
            problems.extend(_problems_of(graph, path, edges, satisfaction, options))
    _refuse_strangers(graph, options)
    return problems


def has_unfit_optional_peers(graph: LockGraph, options: CheckOptions) -> bool:
    """Whether an optional peer dependency finds another version than it asks for.

    `ci` passes that over, but an `install` resolves such a lock anew, as npm's does where it looks at the package.

    Raises:
        ManifestError: see `check_lock`.
    """
    satisfaction = satisfaction_of(graph, options)
    for path, edges in graph.edges.items():
        for edge in edges:
            if edge.type is not EdgeType.PEER_OPTIONAL or edge.target is None:
                continue
            if path not in graph.reachable or _brings_its_own(graph, path) or _is_shrinkwrapped(graph, edge.target):
                continue
            if satisfaction.is_satisfied(edge) or edge.name in graph.declared(path).bundled_names():
                continue
            if _is_seen_by_npm(graph, path):
                return True
    return False


def satisfaction_of(graph: LockGraph, options: CheckOptions) -> Satisfaction:
    """What judges the edges of a graph under these options."""
    overrides = Overrides(graph, with_resolutions=options.heeds_resolutions)
    return Satisfaction(
        graph,
        overrides,
        options.home,
        install_links=options.install_links,
        overrides_own_bundle=options.overrides_own_bundle,
    )


def out_of_sync(
    problems: Iterable[LockProblem], graph: LockGraph, faults: Sequence[str] = ()
) -> LockfileOutOfSyncError:
    """The error that lists what is off; the same dependency of several packages is one line with one of them.

    Args:
        problems: the fatal ones.
        graph: the one that was checked.
        faults: what else is off, one line each (`pmpipe.npm.locks.lock_repairs`).
    """
    dependents: dict[str, list[PackagePath]] = {}
    for problem in problems:
        dependents.setdefault(str(problem), []).append(problem.source)
    details: list[str] = []
    for line, sources in dependents.items():
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        details.extend((line, f"  required by: {graph.chain(sources[0])}{more}"))
    return LockfileOutOfSyncError(
        f"{graph.lock.file} does not satisfy the package.json files of the project",
        details=[*details, *faults],
        hint="update the lockfile with `pmpipe install --package-lock-only`, or undo the change to package.json",
    )


def _problems_of(
    graph: LockGraph, path: PackagePath, edges: Sequence[Edge], satisfaction: Satisfaction, options: CheckOptions
) -> Iterable[LockProblem]:
    is_own = path == ROOT or path in graph.project.workspaces.values()
    bundled = () if is_own else frozenset(graph.declared(path).bundled_names())
    for edge in edges:
        # what comes in the package's tarball is what its author packed
        if edge.name in bundled or edge.type is EdgeType.PEER_OPTIONAL:
            continue
        if edge.target is None and (other := _hidden_by(edge, edges)):
            yield LockProblem(
                kind=ProblemKind.HIDDEN,
                name=edge.name,
                requested=satisfaction.spec(edge),
                type=edge.type,
                source=path,
                found=other,
                is_fatal=False,
            )
        elif edge.target is None or (edge.type is EdgeType.PEER and _is_hidden_peer(graph, edge)):
            is_fatal = edge.type is not EdgeType.OPTIONAL
            yield _problem(graph, edge, satisfaction, ProblemKind.MISSING, is_fatal=is_fatal, options=options)
        elif not satisfaction.is_satisfied(edge) and not _is_shrinkwrapped(graph, edge.target):
            is_fatal = is_own and not _is_left_out(graph, edge)
            is_fatal = is_fatal or _is_fatal_mismatch(graph, edge, satisfaction, options)
            if edge.type is EdgeType.PEER and options.force:
                is_fatal = False
            yield _problem(graph, edge, satisfaction, ProblemKind.INVALID, is_fatal=is_fatal, options=options)


def _is_left_out(graph: LockGraph, edge: Edge) -> bool:
    """Whether the lock was made without something optional that a workspace asks for, which finds what lies above."""
    entry = graph.lock.entries.get(edge.source)
    if edge.type is not EdgeType.OPTIONAL or entry is None or edge.target is None:
        return False
    locked = (entry.optional_dependencies or {}).get(edge.name)
    return locked == edge.requested and graph.holder(edge.target) != edge.source


def _hidden_by(edge: Edge, edges: Sequence[Edge]) -> str:
    """The dependency of the same package that npm has in place of another one, because a filesystem may confuse them.

    Empty if there is none. Of several it has the last, unless a workspace has the name.
    """
    key = name_key(edge.name)
    alike = [other for other in edges if name_key(other.name) == key]
    kept = next((other for other in alike if other.type is EdgeType.WORKSPACE), alike[-1])
    return kept.name if kept is not edge and kept.target is not None else ""


def _is_hidden_peer(graph: LockGraph, edge: Edge) -> bool:
    """Whether a peer lies in the node_modules of the package that has it, where those that share it cannot see it."""
    return edge.target is not None and graph.holder(edge.target) == edge.source and is_installed(edge.source)


def _is_fatal_mismatch(graph: LockGraph, edge: Edge, satisfaction: Satisfaction, options: CheckOptions) -> bool:
    """Whether npm would refuse the lock for this dependency of a package that is not the project's own."""
    if edge.type is EdgeType.OPTIONAL:
        # the entry is another package's, further up: the one that belongs here is missing; unless it is the right one
        # but for an override that the lock does not know yet
        return satisfaction.was_satisfied(edge)
    if edge.type is not EdgeType.PEER or options.strict_peer_deps:
        return True
    if _is_held(graph, edge, satisfaction):
        return False
    if _is_asked_for_by_project(graph, edge.source):
        return True
    # npm keeps the conflict only if the folder that it would have to be solved in wants just what is there
    holder = graph.holder(edge.source)
    return holder is None or not _is_wanted_by(graph, holder, edge, satisfaction)


def _is_wanted_by(graph: LockGraph, holder: PackagePath, edge: Edge, satisfaction: Satisfaction) -> bool:
    """Whether a package wants what another one finds for a peer: itself, or as a peer of something that it wants.

    The latter counts if no version would do for both.
    """
    waiting = [other for other in graph.edges[holder] if other.target is not None and satisfaction.is_satisfied(other)]
    seen = {other.target for other in waiting}
    for other in waiting:
        if other.source == holder and other.name == edge.name:
            return True
        if other.target == edge.target and not _may_agree(satisfaction.spec(other), satisfaction.spec(edge)):
            return True
        assert other.target is not None, "it finds something"
        for peer in graph.edges.get(other.target, ()):
            if peer.type not in PEER_EDGES or peer.target is None or not satisfaction.is_satisfied(peer):
                continue
            if peer.target not in seen or peer.target == edge.target:
                seen.add(peer.target)
                waiting.append(peer)
    return False


def _may_agree(first: str, second: str) -> bool:
    """Whether one version may be what two specs ask for."""
    if parse_range(first) is None or parse_range(second) is None:
        return first == second
    return intersects(first, second, loose=False)


def _is_held(graph: LockGraph, edge: Edge, satisfaction: Satisfaction) -> bool:
    """Whether what a package of a workspace finds for a peer is there because the project or a workspace asks for that.

    npm does so where the peers of workspaces contradict each other, or the project has come to depend on another
    version, and neither `ci` nor `install` looks there again.
    """
    assert edge.target is not None, "it finds something"
    workspaces = frozenset(graph.project.workspaces.values())
    return not _is_needed_by_root(graph, edge.source, workspaces) and any(
        (other.source == ROOT or other.source in workspaces)
        and other.type is not EdgeType.PEER_OPTIONAL
        and satisfaction.is_satisfied(other)
        for other in graph.edges_into.get(edge.target, ())
    )


def _is_needed_by_root(graph: LockGraph, path: PackagePath, workspaces: frozenset[PackagePath]) -> bool:
    """Whether the project needs a package otherwise than by way of its workspaces."""
    seen = {path}
    waiting = [path]
    while waiting:
        for edge in graph.edges_into.get(waiting.pop(), ()):
            if edge.source == ROOT:
                return True
            if edge.source not in seen and edge.source not in workspaces:
                seen.add(edge.source)
                waiting.append(edge.source)
    return False


def _is_asked_for_by_project(graph: LockGraph, path: PackagePath) -> bool:
    """Whether the project or a workspace depends on a package, or on one that brings it along as a peer."""
    own = {ROOT, *graph.project.workspaces.values()}
    seen = {path}
    waiting = [path]
    while waiting:
        for edge in graph.edges_into.get(waiting.pop(), ()):
            if edge.source in own:
                return True
            if edge.type in PEER_EDGES and edge.source not in seen:
                seen.add(edge.source)
                waiting.append(edge.source)
    return False


def _is_seen_by_npm(graph: LockGraph, path: PackagePath) -> bool:
    """Whether npm looks at what a package needs in a lock: it follows no links, but looks at where they lead."""
    return not is_installed(path) or _is_needed_by_root(graph, path, frozenset(graph.project.workspaces.values()))


def _problem(
    graph: LockGraph,
    edge: Edge,
    satisfaction: Satisfaction,
    kind: ProblemKind,
    *,
    is_fatal: bool,
    options: CheckOptions,
) -> LockProblem:
    is_refused_peer = edge.type is EdgeType.PEER and options.strict_peer_deps
    is_unseen = is_fatal and not is_refused_peer and not _is_seen_by_npm(graph, edge.source)
    return LockProblem(
        kind=kind,
        name=edge.name,
        requested=satisfaction.spec(edge),
        type=edge.type,
        source=edge.source,
        found=(graph.declared(edge.target).version or "") if edge.target is not None else "",
        is_fatal=is_fatal and not is_unseen,
        is_unseen=is_unseen,
    )


def _brings_its_own(graph: LockGraph, path: PackagePath) -> bool:
    """Whether a package's dependencies are not the lock's business: it has a shrinkwrap, or is another project."""
    if path == ROOT:
        return False
    return graph.lock.entries[path].has_shrinkwrap or (is_external(path) and not is_installed(path))


def _is_shrinkwrapped(graph: LockGraph, path: PackagePath) -> bool:
    holder = graph.holder(path)
    while holder:
        if graph.lock.entries[holder].has_shrinkwrap:
            return True
        holder = graph.holder(holder)
    return False


def _check_root_overrides(graph: LockGraph, satisfaction: Satisfaction) -> None:
    """An override must not contradict what the project itself asks for, unless it refers to just that."""
    root = graph.project.root
    exempt = may_contradict(root.overrides, root.resolutions)
    conflicts = [
        OverrideConflict(edge.name, edge.requested, overridden)
        for edge in graph.edges[ROOT]
        if (overridden := satisfaction.spec(edge)) != edge.requested and edge.name not in exempt
    ]
    if conflicts:
        raise override_error(conflicts)


# -- what leads out of the project --------------------------------------------------------------------------------


def _refuse_strangers(graph: LockGraph, options: CheckOptions) -> None:
    """Links to folders and tarballs outside of the project must be asked for by one of its own package.json files."""
    places = [path for path, entry in graph.lock.entries.items() if entry.link or (entry.resolved or "")[:5] == "file:"]
    outside = [path for path in places if _leads_outside(graph, path)]
    if not outside:
        return
    # a folder is asked for even if it is now to be copied instead of linked, or the other way about: the lock is
    # merely out of date then
    either_way = [
        satisfaction_of(graph, msgspec.structs.replace(options, install_links=install_links))
        for install_links in (False, True)
    ]
    asked_for = {
        edge.target
        for satisfaction in either_way
        for source in (ROOT, *graph.project.folders)
        if not is_external(source)
        for edge in graph.edges.get(source, ())
        if edge.target is not None and satisfaction.asks_for_place(edge) and satisfaction.is_satisfied(edge)
    }
    faults = [
        f"{graph.lock.place('packages', path)}: {path} is taken from {graph.lock.entries[path].resolved}"
        for path in outside
        if path not in asked_for
    ]
    if faults:
        raise LockfileError(
            f"{graph.lock.file} leads out of the project, and no package.json of the project asks for that",
            details=faults,
            hint="if that is meant to be, add it to the dependencies as file:…",
        )


def _leads_outside(graph: LockGraph, path: PackagePath) -> bool:
    entry = graph.lock.entries[path]
    if entry.link:
        return is_external(link_target(entry))
    folder = graph.project.folder.rstrip("/") + "/"
    return is_installed(path) and not file_path(entry, graph.project.folder).startswith(folder)
