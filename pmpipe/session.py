"""What every command on a project begins with: settings, project, lockfile, selection, store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pmpipe import __version__, host
from pmpipe.config import Config
from pmpipe.errors import LockfileError
from pmpipe.npm.lock_check import CheckOptions, LockProblem, check_lock, out_of_sync
from pmpipe.npm.lock_graph import EdgeType, LockGraph
from pmpipe.npm.package_path import PackagePath
from pmpipe.npm.platform import Engines, Platform
from pmpipe.npm.selection import DependencyKinds, Selection, SelectionOptions, optional_set, select
from pmpipe.npm.settings import SETTINGS
from pmpipe.pipeline import Sizes, sizes_for
from pmpipe.planner import Means, Wanted
from pmpipe.project import Project, read_project
from pmpipe.store import Store
from stages.fetch import FetchSettings

#: Names listed in a warning about many packages.
_NAMED = 3


@dataclass(slots=True)
class Session:
    """One project with its settings.

    Attributes:
        config: all settings.
        project: package.json files and lockfile.
        environ: the process's environment.
        warnings: what was odd but harmless so far, one line each.
    """

    config: Config
    project: Project
    environ: Mapping[str, str]
    warnings: list[str]

    @classmethod
    def open(cls, flags: Mapping[str, object], environ: Mapping[str, str], folder: str) -> Session:
        """Read a project.

        Args:
            flags: what the command line says, by npm's setting names.
            environ: the process's environment.
            folder: absolute path of the project, from `find_project`.

        Raises:
            PmpipeError: a setting, package.json or lockfile cannot be used.
        """
        config = Config.load(flags, environ, folder)
        return cls(config, read_project(folder), environ, list(config.warnings))

    def graph(self) -> LockGraph:
        """The lockfile's graph.

        Raises:
            LockfileError: there is no lockfile.
        """
        if self.project.lock is None:
            raise LockfileError(
                f"there is no package-lock.json in {self.project.folder}",
                hint="resolving is not there yet: `npm install --package-lock-only` writes one",
            )
        return LockGraph(self.project.lock, self.project.manifests, legacy_peer_deps=self.config.legacy_peer_deps)

    def check(self, graph: LockGraph, *, resolving_would_help: bool) -> None:
        """Refuse a lockfile that does not satisfy the package.json files.

        Args:
            graph: the lockfile's.
            resolving_would_help: the command is one that would resolve anew, once that is there.

        Raises:
            LockfileOutOfSyncError: with everything that is off.
        """
        config = self.config
        options = CheckOptions(
            strict_peer_deps=config.strict_peer_deps, force=config.force, home=self.environ.get("HOME", "")
        )
        problems = check_lock(graph, options)
        fatal = [problem for problem in problems if problem.is_fatal]
        self.warnings.extend(_as_warnings([problem for problem in problems if not problem.is_fatal], graph))
        if fatal:
            error = out_of_sync(fatal, graph)
            if resolving_would_help:
                error.hint = (
                    "resolving is not there yet: `npm install --package-lock-only` brings the lockfile up to date"
                )
            raise error

    def select(self, graph: LockGraph) -> Selection:
        """Choose what is to be installed on this host.

        Raises:
            PlatformError: a required package does not support this host.
            EngineError: under engine-strict, a required package does not support this Node.js.
        """
        config = self.config
        here = host.platform()
        wanted = Platform(config.os or here.os, config.cpu or here.cpu, config.libc or here.libc)
        needs_engines = any(entry.engines for entry in graph.lock.entries.values())
        options = SelectionOptions(
            host=here,
            platform=wanted,
            engines=Engines(host.node_version(self.environ) or "") if needs_engines else Engines(),
            omit=frozenset(config.omit),
            include=frozenset(config.include),
            engine_strict=config.engine_strict,
            force=config.force,
        )
        selection = select(graph, options)
        self.warnings.extend(selection.warnings)
        return selection

    def wanted(self, graph: LockGraph, selection: Selection) -> Wanted:
        """The tree that is to stand at the end."""
        kinds = DependencyKinds(graph)

        def left_out_with(location: str) -> frozenset[str]:
            gone = optional_set(graph, [PackagePath(location)], already=selection.left_out)
            inside = (path for path in selection.packages if any(path.startswith(f"{one}/") for one in gone))
            return frozenset((*gone, *inside))

        return Wanted(self.project.folder, graph, selection, kinds.is_optional, left_out_with)

    def workspace_folders(self) -> tuple[str, ...]:
        """Absolute paths of the project's workspaces."""
        paths = self.project.manifests.workspaces.values()
        return tuple(os.path.normpath(f"{self.project.folder}/{path}") for path in paths)

    def store(self) -> Store:
        """The store, not opened yet."""
        return Store(self.config.store_dir)

    def means(self, store: Store, damaged: frozenset[str] = frozenset()) -> Means:
        """What packages are made from."""
        config = self.config
        return Means(store, config.registries, config.clone_method, damaged, with_bins=config.bin_links)

    def sizes(self) -> Sizes:
        """How large the pipeline is on this host."""
        counts = host.worker_counts()
        return sizes_for(counts.extract, counts.clone, _connections(self.config))

    def fetch_settings(self, sizes: Sizes) -> FetchSettings:
        """How the network is used."""
        config = self.config
        proxies = config.proxies

        def first(*names: str) -> str:
            return next((value for name in names if (value := proxies.environment.get(name))), "")

        return FetchSettings(
            user_agent=f"pmpipe/{__version__} npm/? node/? {os.uname().sysname.lower()} {os.uname().machine}",
            maximum_connections=_connections(config),
            timeout_s=config.fetch_timeout / 1000,
            retries=config.fetch_retries,
            retry_factor=config.fetch_retry_factor,
            retry_minimum_s=config.fetch_retry_mintimeout / 1000,
            retry_maximum_s=config.fetch_retry_maxtimeout / 1000,
            http_proxy=proxies.configured or first("https_proxy", "http_proxy", "proxy"),
            https_proxy=proxies.configured or first("https_proxy"),
            no_proxy=",".join(proxies.excluded) or first("no_proxy"),
            ca_file=config.cafile,
            ca_pem="\n".join(config.ca),
            strict_ssl=config.strict_ssl,
            client_cert_pem=config.cert or "",
            client_key_pem=config.key or "",
            local_address=config.local_address or "",
            held_tarballs=sizes.held_tarballs,
        )


def find_project(flags: Mapping[str, object]) -> str:
    """The absolute path of the project's folder: the ``prefix`` flag's, else the nearest upwards with a package.json.

    Source: npm's find-prefix; a folder with node_modules counts there too, and so it does here.
    """
    prefix = flags.get("prefix")
    if prefix:
        return os.path.abspath(str(prefix))
    start = folder = os.getcwd()
    while True:
        if os.path.exists(f"{folder}/package.json") or os.path.isdir(f"{folder}/node_modules"):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return start
        folder = above


def _connections(config: Config) -> int:
    """Transfers at a time: npm's default is meant for a tool that does everything else in the same process."""
    chosen = config.maxsockets
    return chosen if chosen != SETTINGS["maxsockets"].default else FetchSettings().maximum_connections


def _as_warnings(problems: Sequence[LockProblem], graph: LockGraph) -> list[str]:
    """One line for all entries that optional dependencies lack: a registry without other platforms makes hundreds."""
    lacking = sorted({str(problem.name) for problem in problems if problem.type is EdgeType.OPTIONAL})
    others = [problem for problem in problems if problem.type is not EdgeType.OPTIONAL]
    lines = [f"{problem} (required by {graph.chain(problem.source)})" for problem in others]
    if lacking:
        named = ", ".join(lacking[:_NAMED]) + (f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else "")
        lines.append(f"{graph.lock.file} lacks entries that optional dependencies ask for: {named}")
    return lines
