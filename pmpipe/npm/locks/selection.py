"""Which of a lockfile's entries are to be installed here, and which are left out.

In npm's order: what the project does not reach is extraneous. Optional packages for other platforms or engines are left
out, together with the optional packages that need them and what is needed by those alone. Required ones that do not fit
stop the install. Then ``omit`` leaves out by kind. What lies in the folder of a package that is left out goes with it.

The kinds (dev, optional, peer) follow from the graph, not from the flags in the lock: npm's `ci` does not trust them.

Source: npm's ``@npmcli/arborist``: ``build-ideal-tree.js``, ``calc-dep-flags.js``, ``optional-set.js``, ``diff.js``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from pmpipe.errors import EngineError, PlatformError
from pmpipe.npm.locks.dependency_kinds import DependencyKinds
from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.npm.locks.lockfile import installed_name
from pmpipe.npm.locks.optional_set import optional_set
from pmpipe.npm.locks.package_path import ROOT, PackagePath, is_installed
from pmpipe.npm.packages.platform import Engines, Platform, unsupported_engines, unsupported_platform

__all__ = ["DependencyKinds", "Selection", "SelectionOptions", "is_bundled", "optional_set", "select"]


class SelectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about entries.

    Attributes:
        host: the platform of this machine; required packages must support it.
        platform: the platform to install for (npm's ``--os``, ``--cpu``, ``--libc``); optional packages must support
            it. None: the host.
        engines: versions of node and npm.
        omit: kinds to leave out: ``dev``, ``optional``, ``peer``.
        include: kinds to install although `omit` names them.
        engine_strict: a required package that does not support the engines stops the install.
        force: what does not fit is only warned of.
        with_extraneous: what nothing needs is installed, too, as npm does after making a lock anew: optional peers that
            came along, and their dependencies.
        is_settled: the lockfile is of what is to stand in the end; nothing of it is left out.
    """

    host: Platform
    platform: Platform | None = None
    engines: Engines = Engines()
    omit: frozenset[str] = frozenset()
    include: frozenset[str] = frozenset()
    engine_strict: bool = False
    force: bool = False
    with_extraneous: bool = False
    is_settled: bool = False


class Selection(msgspec.Struct, frozen=True):
    """What is to be installed.

    Attributes:
        packages: paths to fill or to link, all within a node_modules folder, in the lock's order.
        folders: folders of the project and beside it that links lead to; nothing is installed at them.
        left_out: path -> why, in words, for what the project would have needed elsewhere or otherwise.
        extraneous: entries of the lock that the project does not need at all; they are not installed.
        warnings: packages that do not support the engines, or the platform under `force`; one line each.
    """

    packages: tuple[PackagePath, ...]
    folders: frozenset[PackagePath]
    left_out: Mapping[PackagePath, str] = msgspec.field(default_factory=dict)
    extraneous: frozenset[PackagePath] = frozenset()
    warnings: tuple[str, ...] = ()

    def listed(self) -> frozenset[PackagePath]:
        """The entries that the hidden lockfile has after this install."""
        return self.folders.union(self.packages)


def select(graph: LockGraph, options: SelectionOptions, missing: Iterable[PackagePath] = ()) -> Selection:
    """Choose the entries that are to be installed.

    Args:
        graph: the lockfile and the project's package.json files.
        options: the platform, and what to leave out.
        missing: optional entries that are known to be unavailable.

    Raises:
        PlatformError: required packages do not support the host; all of them are named.
        EngineError: under `engine_strict`, required packages do not support the engines; all of them are named.
    """
    if options.is_settled:
        return _everything(graph)
    kinds = DependencyKinds(graph)
    omit = options.omit - options.include
    entries = graph.lock.entries
    considered = graph.reachable.union(entries) if options.with_extraneous else graph.reachable
    warnings = _check_required(graph, kinds, options, omit)
    left_out = _unfit_optionals(graph, kinds, options, considered)
    for path in optional_set(graph, missing, already=left_out, with_extraneous=options.with_extraneous):
        left_out.setdefault(path, "not available")
    packages: list[PackagePath] = []
    for path in entries:
        if path not in considered or not graph.is_placed(path):
            continue
        if omit and path not in left_out and _may_be_omitted(graph, path):
            kind = kinds.omitted_as(path, omit)
            if kind:
                left_out[path] = f"{kind} dependencies are omitted"
        packages.append(path)
    if left_out:
        packages = [path for path in packages if not _lies_in(graph, path, left_out)]
    folders = frozenset(path for path in graph.reachable if path and graph.holder(path) is None)
    extraneous = frozenset(entries.keys() - considered)
    return Selection(tuple(packages), folders, left_out, extraneous, tuple(warnings))


def _everything(graph: LockGraph) -> Selection:
    placed = tuple(path for path in graph.lock.entries if graph.is_placed(path))
    return Selection(placed, frozenset(path for path in map(graph.target, placed) if graph.holder(path) is None))


# -- platforms and engines ----------------------------------------------------------------------------------------


def _check_required(
    graph: LockGraph, kinds: DependencyKinds, options: SelectionOptions, omit: frozenset[str]
) -> list[str]:
    """Warnings about required packages that do not fit."""
    platform_faults: dict[PackagePath, str] = {}
    engine_faults: dict[PackagePath, str] = {}
    # npm leaves node out of account under force
    engines = Engines(npm=options.engines.npm) if options.force else options.engines
    for path in (ROOT, *filter(None, graph.lock.entries)):
        declared = graph.declared(path)
        if path not in graph.reachable or not (declared.engines or declared.os or declared.cpu or declared.libc):
            continue
        if kinds.is_optional(path) or (omit and _may_be_omitted(graph, path) and kinds.omitted_as(path, omit)):
            continue
        wanted = unsupported_platform(declared, options.host)
        if wanted:
            platform_faults[path] = wanted
        ignores_engines = path == ROOT and graph.project.root.dev_engines
        wanted = "" if ignores_engines else unsupported_engines(declared, engines)
        if wanted:
            engine_faults[path] = wanted
    return _report(graph, platform_faults, engine_faults, options)


def _report(
    graph: LockGraph,
    platform_faults: Mapping[PackagePath, str],
    engine_faults: Mapping[PackagePath, str],
    options: SelectionOptions,
) -> list[str]:
    if platform_faults and not options.force:
        details = _with_chains(graph, platform_faults)
        raise PlatformError(
            f"{_count(details)} not for this platform, {options.host}",
            details=details,
            hint="--force installs them nevertheless",
        )
    if engine_faults and options.engine_strict:
        details = _with_chains(graph, engine_faults)
        there = [f"{name} {version}" for name, version in options.engines.versions().items()]
        raise EngineError(
            f"{_count(details)} not for {' and '.join(there)}",
            details=details,
            hint="use another version of node, or leave engine-strict off",
        )
    warnings = [
        f"{graph.label(path)} wants {wanted}" for path, wanted in (*platform_faults.items(), *engine_faults.items())
    ]
    return list(dict.fromkeys(warnings))


def _with_chains(graph: LockGraph, faults: Mapping[PackagePath, str]) -> list[str]:
    # a link and its target are one package for the reader
    return list(dict.fromkeys(f"{graph.chain(graph.target(path))} wants {wanted}" for path, wanted in faults.items()))


def _count(faults: Sequence[str]) -> str:
    return "a required package is" if len(faults) == 1 else f"{len(faults)} required packages are"


def _unfit_optionals(
    graph: LockGraph, kinds: DependencyKinds, options: SelectionOptions, considered: AbstractSet[PackagePath]
) -> dict[PackagePath, str]:
    platform = options.platform or options.host
    left_out: dict[PackagePath, str] = {}
    for path in graph.lock.entries:
        if path in left_out or path not in considered or not kinds.is_optional(path):
            continue
        declared = graph.declared(path)
        wanted = unsupported_platform(declared, platform) or unsupported_engines(declared, options.engines)
        if wanted:
            for one in optional_set(graph, (path,), already=left_out, with_extraneous=options.with_extraneous):
                left_out.setdefault(one, f"it wants {wanted}" if one == path else f"{graph.label(path)} wants {wanted}")
    return left_out


# -- what goes with what ------------------------------------------------------------------------------------------


def _may_be_omitted(graph: LockGraph, path: PackagePath) -> bool:
    """Whether `omit` has a say: not below a folder that is neither the project nor one of its workspaces."""
    top = path
    while (holder := graph.holder(top)) is not None:
        top = holder
    return top == ROOT or top in graph.project.workspaces.values()


def _lies_in(graph: LockGraph, path: PackagePath, left_out: Mapping[PackagePath, str]) -> bool:
    one: PackagePath | None = path
    while one:
        if one in left_out:
            return True
        one = graph.holder(one)
    return False


def is_bundled(graph: LockGraph, path: PackagePath) -> bool:
    """Whether a package comes in the tarball of one that it lies in, so that nothing is fetched for it.

    What the project itself or a workspace bundles is fetched: they have no tarball here.
    """
    holder = graph.holder(path)
    if not holder or not is_installed(holder):
        return False
    if installed_name(path) in graph.declared(holder).bundled_names() or is_bundled(graph, holder):
        return True
    return graph.lock.entries[path].comes_with(graph.lock.entries[holder])
