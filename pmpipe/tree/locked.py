"""A project with its lockfile, read, checked against each other, and the wanted tree that follows."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pmpipe.errors import LockfileError, ManifestError
from pmpipe.npm.locks.lock_check import (
    CheckOptions,
    LockProblem,
    ProblemKind,
    check_lock,
    has_unfit_optional_peers,
    out_of_sync,
)
from pmpipe.npm.locks.lock_drift import has_drifted, unlike_entries
from pmpipe.npm.locks.lock_flags import has_wrong_flags
from pmpipe.npm.locks.lock_graph import EdgeType, LockGraph
from pmpipe.npm.locks.lock_version import VERSION_OF_REPAIRS
from pmpipe.npm.locks.package_path import PackagePath, paths_inside
from pmpipe.npm.locks.selection import Selection, SelectionOptions, optional_set, select
from pmpipe.npm.packages.platform import Engines
from pmpipe.project.extension_file import ExtensionFile, extension_warnings, find_extension_file
from pmpipe.project.folder_bins import with_folder_bins
from pmpipe.project.patched_dependencies import Patches, check_patches
from pmpipe.project.project import Project, read_project
from pmpipe.project.project_files import Contents
from pmpipe.project.workspace_folders import FindFolders
from pmpipe.settings.config import Config
from pmpipe.system import host
from pmpipe.tree.wanted import WantedTree
from pmpipe.tree.wanted_builder import wanted_tree

#: Names listed in a warning about many packages.
_NAMED = 3


class LockedProject(msgspec.Struct, frozen=True):
    """A project whose lockfile satisfies its package.json files.

    Attributes:
        project: package.json files and lockfile.
        graph: the lockfile's graph.
        selection: which entries are to be installed on this host.
        tree: what is to stand in node_modules.
        has_drifted: the lockfile satisfies the package.json files, and would be written differently all the same.
        is_in_order: nothing is off about the lockfile. One that has just been made is installed from all the same:
            npm, too, writes locks that it refuses the next time.
    """

    project: Project
    graph: LockGraph
    selection: Selection
    tree: WantedTree
    has_drifted: bool = False
    is_in_order: bool = True

    def left_out_with(self, location: str) -> frozenset[str]:
        """What is left out together with an optional location that cannot be had, what lies in it included."""
        gone = optional_set(
            self.graph,
            [PackagePath(location)],
            already=self.selection.left_out,
            # where the selection has passed over nothing, all that there is counts
            with_extraneous=not self.selection.extraneous,
        )
        paths = sorted(self.selection.packages)
        return frozenset(gone).union(*(paths_inside(paths, one) for one in gone))

    @property
    def workspace_folders(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The root's workspace patterns, and all folders that they find, workspaces or not."""
        return tuple(self.project.manifests.root.workspace_patterns()), self.project.found

    @property
    def is_memorable(self) -> bool:
        """The tree follows from the lockfile, the package.json files and the settings alone.

        A folder of executables (``directories.bin``) of a workspace is something that it depends on besides.
        """
        return not any(manifest.bin_folder for manifest in self.project.manifests.folders.values())


class LockSource(msgspec.Struct, frozen=True):
    """A lockfile, and what it was made of.

    Attributes:
        file: its name.
        lock: its bytes.
        is_own: it has just been made of the package.json files, and fits them.
        manifests: those of them that are not on the disk yet.
        unavailable: locations of optional packages in it that cannot be installed.
        is_settled: nothing of it is left out; see `SelectionOptions`.
        with_extraneous: what nothing needs is installed, too; see `SelectionOptions`.
        find: who knows the folders of workspace patterns; by default they are looked for.
    """

    file: str
    lock: bytes
    is_own: bool = False
    manifests: Contents = msgspec.field(default_factory=dict)
    unavailable: tuple[str, ...] = ()
    is_settled: bool = False
    with_extraneous: bool = False
    find: FindFolders | None = None


def read_locked_project(
    folder: str,
    config: Config,
    environ: Mapping[str, str],
    source: LockSource | None = None,
    take_fitting: Callable[[LockGraph], None] | None = None,
) -> LockedProject:
    """Read a project, and refuse a lockfile that does not satisfy its package.json files.

    Args:
        folder: absolute path of the project.
        config: all settings.
        environ: the process's environment: where node and the user's home are.
        source: the lockfile; by default it is read from the folder.
        take_fitting: called with the lockfile's graph as soon as it is known that it fits and need not be written anew.

    Raises:
        LockfileOutOfSyncError: with everything that is off.
        LockfileError: the lockfile cannot be used, or there is none.
        ManifestError: a package.json cannot be used.
        PlatformError: a required package does not support this host.
        EngineError: under engine-strict, a required package does not support this Node.js.
    """
    if source is not None:
        project = read_project(folder, source.file, source.lock, source.manifests, source.find)
    else:
        project = read_project(folder)
    if project.lock is None:
        raise LockfileError(f"there is no package-lock.json in {folder}")
    graph = LockGraph(project.lock, project.manifests, legacy_peer_deps=config.legacy_peer_deps)
    options = CheckOptions(
        strict_peer_deps=config.strict_peer_deps,
        force=config.force,
        home=environ.get("HOME", ""),
        install_links=config.install_links,
        overrides_own_bundle=_overrides_own_bundle(project),
    )
    problems: list[LockProblem] = []
    drifted = False
    file = find_extension_file(folder, config)
    faults = _faults_of_repairs(project, graph, file)
    repairs_warnings = _warnings_of_repairs(project)
    if source is not None and source.is_own:
        # the run that made it has told of all but what it has left out in silence, as npm does
        found = _problems_of_own(graph, options)
        problems = [problem for problem in found or () if problem.kind is ProblemKind.HIDDEN]
        # npm works the flags out before it takes out what nothing needs, and corrects them the next time
        in_order = found == [] and not (faults or repairs_warnings) and not has_wrong_flags(graph)
        repairs_warnings = []
    else:
        # npm knows nothing of ``resolutions``: a lock of its own may pass over them
        problems, passes_over = _check(graph, options, faults)
        patches = Patches(folder, project.manifests.root.patched_dependencies or {}, config.allow_unused_patches)
        check_patches(graph, patches)
        drifted = (
            passes_over
            or _has_drifted(graph)
            or has_unfit_optional_peers(graph, options)
            or _may_be_completed(problems, graph, config)
        )
        in_order = not problems
    refused = _refused(graph, config, options)
    # nothing is begun with then: the run may have to end without having fetched anything
    if take_fitting is not None and not drifted and not refused:
        take_fitting(graph)
    unavailable = [PackagePath(path) for path in source.unavailable] if source is not None else []
    options_of_selection = _selection_options(graph, config, environ, source or LockSource("", b""))
    selection = select(graph, options_of_selection, unavailable)
    warnings = (*_as_warnings(problems, graph), *repairs_warnings, *selection.warnings)
    tree = wanted_tree(graph, selection, folder, warnings, refused)
    return LockedProject(project, graph, selection, tree, drifted, in_order)


def _refused(graph: LockGraph, config: Config, options: CheckOptions) -> Mapping[PackagePath, str]:
    """The entries that may not be fetched, with the setting that forbids it."""
    policy = config.source_policy
    if policy is None:
        return {}
    # most projects forbid nothing, and do not pay for it
    from pmpipe.npm.locks.lock_check import satisfaction_of
    from pmpipe.npm.locks.lock_sources import refused_entries

    return refused_entries(graph, policy, satisfaction_of(graph, options))


def _may_be_completed(problems: Sequence[LockProblem], graph: LockGraph, config: Config) -> bool:
    """Whether there is something to be had that the lock lacks."""
    if not problems:
        return False
    if any(problem.is_unseen for problem in problems):
        return True
    # hardly any lock lacks anything
    from pmpipe.npm.locks.lock_sources import lacks_what_may_come

    return lacks_what_may_come(problems, graph, config.source_policy)


def _problems_of_own(graph: LockGraph, options: CheckOptions) -> list[LockProblem] | None:
    """What is off about a lock that this run has made; None if it would be refused."""
    try:
        return check_lock(graph, options)
    except (ManifestError, LockfileError):
        return None


def _has_drifted(graph: LockGraph) -> bool:
    if has_drifted(graph):
        return True
    for unlike in unlike_entries(graph):
        # loaded only here: it takes longer than all else
        from pmpipe.resolver.restated import is_restated

        folder = os.path.join(graph.project.folder, unlike.path)
        as_read = msgspec.structs.replace(unlike, document=with_folder_bins(unlike.document, folder))
        if not is_restated(as_read, may_be_built=os.path.exists(os.path.join(folder, "binding.gyp"))):
            return True
    return False


def _check(graph: LockGraph, options: CheckOptions, faults: Sequence[str]) -> tuple[list[LockProblem], bool]:
    """What is off about a lock, but not so that it must be refused; and whether it passes over ``resolutions``.

    npm knows nothing of that field, so that a lock that npm made without it has to do.
    """
    problems = check_lock(graph, options)
    fatal = [problem for problem in problems if problem.is_fatal]
    if fatal and not faults and graph.project.root.resolutions:
        as_npm = check_lock(graph, msgspec.structs.replace(options, heeds_resolutions=False))
        if not any(problem.is_fatal for problem in as_npm):
            return as_npm, True
    if fatal or faults:
        raise out_of_sync(fatal, graph, faults)
    return problems, False


def _overrides_own_bundle(project: Project) -> bool:
    """Whether the project bundles packages, and asks for an npm for which its overrides hold there."""
    if not project.manifests.root.bundled_names():
        return False
    # loaded only here: hardly any project bundles
    from pmpipe.npm.packages.npm_version import follows_npm_12, npm_version_for
    from stages.manifest_file import read_document

    return follows_npm_12(npm_version_for(read_document(project.folder)))


def _faults_of_repairs(project: Project, graph: LockGraph, file: ExtensionFile | None) -> list[str]:
    """In what the lock and the project's repairs of manifests disagree, one line each."""
    if project.extensions is None and file is None and graph.lock.lockfile_version < VERSION_OF_REPAIRS:
        return []
    # loaded only here: hardly any project has them
    from pmpipe.npm.locks.lock_repairs import faults_of_code, faults_of_rules

    file_hash = file.hash if file is not None else None
    return [*faults_of_rules(graph, project.extensions), *faults_of_code(graph.lock, file_hash)]


def _warnings_of_repairs(project: Project) -> list[str]:
    """What the project repairs in vain, one line each."""
    of_code = list(extension_warnings(project.folder, project.manifests.workspaces.values()))
    if project.extensions is None:
        return of_code
    from pmpipe.npm.manifests.package_extensions import workspace_warnings

    folders, workspaces = project.manifests.folders, project.manifests.workspaces
    documents = {name: folders[path].document for name, path in workspaces.items() if path in folders}
    return [*workspace_warnings(project.extensions, documents), *of_code]


def _selection_options(
    graph: LockGraph, config: Config, environ: Mapping[str, str], source: LockSource
) -> SelectionOptions:
    here = host.platform()
    return SelectionOptions(
        host=here,
        platform=here.instead(os=config.os, cpu=config.cpu, libc=config.libc),
        engines=_engines(graph, environ),
        omit=frozenset(config.omit),
        include=frozenset(config.include),
        engine_strict=config.engine_strict,
        force=config.force,
        with_extraneous=source.with_extraneous,
        is_settled=source.is_settled,
    )


def _engines(graph: LockGraph, environ: Mapping[str, str]) -> Engines:
    """The versions of the engines that anything in the project asks for; the others are not looked up."""
    root, folders = graph.project.root, graph.project.folders.values()
    declared = (root.engines, *(one.engines for one in folders), *(one.engines for one in graph.lock.entries.values()))
    asked = [engines for engines in declared if engines]
    node = host.node_version(environ) or "" if asked else ""
    if not any("npm" in engines for engines in asked):
        return Engines(node)
    # few projects ask for one
    from pmpipe.npm.packages.npm_version import npm_version_for

    return Engines(node, npm_version_for(root.document))


def _as_warnings(problems: Sequence[LockProblem], graph: LockGraph) -> list[str]:
    """One line for all entries that optional dependencies lack: a registry without other platforms makes hundreds."""
    others, optional = [], set()
    for problem in problems:
        if problem.type is EdgeType.OPTIONAL and problem.kind is not ProblemKind.HIDDEN:
            optional.add(problem.name)
        else:
            others.append(problem)
    lacking = sorted(optional)
    lines = [f"{problem} (required by {graph.chain(problem.source)})" for problem in others]
    if any(problem.is_unseen for problem in problems):
        lines.append(f"`pmpipe install` completes {graph.lock.file}; npm leaves it so")
    if lacking:
        named = ", ".join(lacking[:_NAMED]) + (f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else "")
        lines.append(f"{graph.lock.file} lacks entries that optional dependencies ask for: {named}")
    return lines
