"""What one install does about lifecycle scripts: which it runs, and which it remembers as not run.

Packages come first, then linked folders, as with npm: whatever a workspace's scripts use is ready by then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from pmpipe.lifecycle.folders import has_build_scripts, is_own
from pmpipe.lifecycle.gate import ScriptGate, built_packages, linked_folders
from pmpipe.lifecycle.unrun import Unrun, Waiting
from pmpipe.npm.locks.package_path import ROOT, PackagePath
from pmpipe.npm.scripts.lifecycle import COPY_EVENTS, DEPENDENCY_EVENTS, LINK_EVENTS, command_of, has_command
from pmpipe.settings.config import Config
from pmpipe.system import host
from pmpipe.tree.sources import git_key
from pmpipe.tree.wanted import WantedPackage, WantedTree
from stages.manifest_file import read_document

if TYPE_CHECKING:
    # most installs run no scripts, and pay for none of these
    from pmpipe.lifecycle.building import Builder
    from pmpipe.lifecycle.environment import ScriptEnvironment
    from pmpipe.lifecycle.script_run import ScriptTask
    from pmpipe.npm.locks.lockfile import Entry

#: What to say of a failure that takes back all that was done.
NOTHING_CHANGED = "nothing was changed; --ignore-scripts runs no scripts"

Relink = Callable[[Collection[PackagePath]], None]

LeftOutWith = Callable[[PackagePath], Collection[str]]


class Scripts(msgspec.Struct, dict=True):
    """The scripts of one install.

    Args:
        config: all settings.
        gate: which may run.
        project: absolute path of the project.
        lock: the lockfile's bytes; a script learns from it how its package is wanted.
        make_environment: called once if a script is to run.
        remember: called with the packages whose scripts have not run, if these are others than before.
        progress: told what is running.
        links: the linked folders whose scripts may run, relative to the project; None: all.
        waiting: packages whose scripts had not run before; afterwards those whose scripts have not run now.
        forgives: the install can do without an optional package whose scripts fail.
        with_own: the project's own scripts run with those of the packages.
        hint: what to do about a script that has failed.
        placed_in: absolute path of the folder whose node_modules the packages lie in by now; empty: the project's.

    Attributes:
        unreviewed: labels of packages that were placed now, and that nobody has allowed or denied.
        unprepared: labels of packages from git that were placed now, and that would have to prepare themselves.
        misplaced: workspaces whose package.json says what is allowed, which only the project's can.
        ran: how many packages' scripts were run, none of which has failed.
    """

    config: Config
    gate: ScriptGate
    project: str
    lock: bytes
    make_environment: Callable[[], ScriptEnvironment]
    remember: Callable[[Waiting], None]
    progress: Callable[[Sequence[str]], None]
    links: Collection[str] | None = None
    waiting: Waiting = msgspec.field(default_factory=Waiting)
    forgives: bool = True
    with_own: bool = False
    hint: str = NOTHING_CHANGED
    placed_in: str = ""
    unreviewed: list[str] = msgspec.field(default_factory=list)
    unprepared: list[str] = msgspec.field(default_factory=list)
    misplaced: list[str] = msgspec.field(default_factory=list)
    ran: int = 0

    def due(self, tree: WantedTree) -> list[PackagePath]:
        """Packages that were placed by an earlier run, and whose scripts may run only now."""
        unrun = self.waiting.packages
        if self.config.ignore_scripts or self.gate.says_nothing or not unrun:
            return []
        waiting = [package for package in tree.packages if Unrun.of(package) in unrun]
        return [package.location for package in waiting if self.gate.verdict(package)]

    def built(self, tree: WantedTree) -> frozenset[PackagePath]:
        """Packages whose scripts have run before, for all that is known."""
        return built_packages(tree, self.gate, self.waiting)

    @property
    def unrun(self) -> int:
        """How many packages have scripts that have not run."""
        return len(self.waiting.packages)

    def run(
        self,
        tree: WantedTree,
        placed: Collection[PackagePath],
        gyp: Collection[PackagePath],
        relink: Relink,
        left_out_with: LeftOutWith,
    ) -> dict[PackagePath, str]:
        """Run what is to run, after all packages have been placed.

        Args:
            tree: what stands now.
            placed: locations that were filled by this run, and what came bundled with them.
            gyp: those of them that node-gyp builds.
            relink: called with the locations that may have got executables.
            left_out_with: what is of no use any more if an optional package has failed.

        Returns:
            The optional packages that have failed, and why.

        Raises:
            ScriptError: a script has failed, or there is no program that runs it.
            WorkerCrashError, HostError, CancelledError: see `pmpipe.pipeline.driving.Crew.drive`.
        """
        candidates = _with_scripts(tree, placed, gyp)
        verdicts = {package.location: self.gate.verdict(package) for package in candidates}
        allowed = [] if self.config.ignore_scripts else [one for one in candidates if verdicts[one.location]]
        failed = self._run_packages(allowed, relink, left_out_with)
        gone = {*failed, *(one for location in failed for one in left_out_with(location))}
        self.ran += sum(package.location not in gone for package in allowed)
        if not self.config.ignore_scripts:
            undecided = [one for one in candidates if verdicts[one.location] is None and not one.in_bundle]
            # one package in several places is one to decide about
            self.unreviewed = list(dict.fromkeys(package.label for package in undecided))
            failed.update(self._run_links(tree, relink, left_out_with))
        unprepared = [package for package in tree.packages if self._is_unprepared(package, placed)]
        if not self.config.ignore_scripts:
            self.unprepared = [package.label for package in unprepared if self.gate.verdict(package) is None]
            self.misplaced = [path for path in tree.workspaces if self._has_policy(path)]
        self._note(tree, placed, [*candidates, *unprepared], allowed)
        return failed

    def prepare_copied(self, folders: Sequence[tuple[WantedPackage, str]]) -> None:
        """Run the ``prepare`` of folders that are about to be packed instead of linked (``install-links``).

        What it makes is packed, too. npm runs it whosever folder it is; here one that a package brings must be allowed.

        Args:
            folders: what becomes of each, and its absolute path.

        Raises:
            ScriptError: a script has failed; that of an optional package is no exception, as the folder is the user's.
            WorkerCrashError, HostError, CancelledError: see `pmpipe.pipeline.driving.Crew.drive`.
        """
        if self.config.ignore_scripts:
            return
        tasks = [
            self._copied_task(package, folder) for package, folder in folders if self._may_prepare(package, folder)
        ]
        self.ran += len(tasks)
        if tasks:
            environment = self._environment.own
            self._builder.build(tasks, COPY_EVENTS, environment, lambda _: None, lambda _: ())

    def _may_prepare(self, package: WantedPackage, folder: str) -> bool:
        if not has_command(read_document(folder), COPY_EVENTS, has_gyp_file=False):
            return False
        verdict = self.gate.verdict(package)
        return bool(verdict) or (verdict is None and is_own(package.holder, os.path.relpath(folder, self.project)))

    def _copied_task(self, package: WantedPackage, folder: str) -> ScriptTask:
        task = self._task(package, folder, package.label)
        variables = {**task.variables, "npm_package_resolved": folder}
        return msgspec.structs.replace(task, optional=False, variables=variables)

    def allowed(
        self, tree: WantedTree, placed: Collection[PackagePath], gyp: Collection[PackagePath]
    ) -> list[WantedPackage]:
        """The packages whose scripts `run` runs; see there. Linked folders are not among them."""
        if self.config.ignore_scripts:
            return []
        return [package for package in _with_scripts(tree, placed, gyp) if self.gate.verdict(package)]

    def doubt(self, packages: Iterable[WantedPackage]) -> None:
        """Remember that packages' scripts have not come to their end: the next install builds them anew."""
        cut_off = {Unrun.of(package) for package in packages if not package.in_bundle}
        self.waiting = Waiting(self.waiting.packages | cut_off)
        self.remember(self.waiting)

    def _is_unprepared(self, package: WantedPackage, placed: Collection[PackagePath]) -> bool:
        if package.location not in placed or package.is_prepared or not git_key(package.resolved):
            return False
        document = read_document(self._place(package))
        return bool(command_of(document, "prepare", has_gyp_file=False))

    def _place(self, package: WantedPackage) -> str:
        return f"{self.placed_in or self.project}/{package.location}"

    def _has_policy(self, workspace: str) -> bool:
        return "allowScripts" in read_document(f"{self.project}/{workspace}")

    def _run_packages(
        self, packages: Sequence[WantedPackage], relink: Relink, left_out_with: LeftOutWith
    ) -> dict[PackagePath, str]:
        tasks = [self._task(package, self._place(package), package.label) for package in packages]
        if self.with_own and not self.config.ignore_scripts and has_build_scripts(self.project):
            tasks.append(self._own_task())
            self.ran += 1
        if not tasks:
            return {}
        tasks.sort(key=lambda task: (task.location.count("node_modules/"), task.location))
        return self._builder.build(tasks, DEPENDENCY_EVENTS, self._environment.dependencies, relink, left_out_with)

    def _run_links(self, tree: WantedTree, relink: Relink, left_out_with: LeftOutWith) -> dict[PackagePath, str]:
        found = [
            (package, folder)
            for package, folder in linked_folders(tree, self.project, self.gate)
            if self.links is None or package.link_target in self.links
        ]
        if not found:
            return {}
        from pmpipe.npm.scripts.package_variables import label_of

        tasks = [self._task(package, folder, label_of(read_document(folder))) for package, folder in found]
        failed = self._builder.build(tasks, LINK_EVENTS, self._environment.own, relink, left_out_with)
        self.ran += len(tasks) - len(failed)
        return failed

    def _note(
        self,
        tree: WantedTree,
        placed: Collection[PackagePath],
        candidates: Iterable[WantedPackage],
        allowed: Iterable[WantedPackage],
    ) -> None:
        stay = {Unrun.of(package) for package in tree.packages if package.location not in placed}
        new = {Unrun.of(package) for package in candidates if not package.in_bundle}
        before = self.waiting
        left = before.packages & stay
        unrun = left | new.difference(map(Unrun.of, allowed))
        # what was not asked for is not decided
        is_decided = not self.config.ignore_scripts and not any(
            self.gate.verdict(package) for package in tree.packages if left and Unrun.of(package) in left
        )
        self.waiting = Waiting(unrun, self.gate.key if is_decided else "")
        if self.waiting != before:
            self.remember(self.waiting)

    # -- how --------------------------------------------------------------------------------------------------------

    @cached_property
    def _environment(self) -> ScriptEnvironment:
        return self.make_environment()

    @property
    def _builder(self) -> Builder:
        from pmpipe.lifecycle.building import Builder

        environment = self._environment
        return Builder(
            shell=environment.shell,
            gyp_folder=environment.gyp_folder,
            processes=1 if self.config.foreground_scripts else host.usable_cores(),
            # standard output is for the document alone
            shown_on=("stderr" if self.config.json else "stdout") if self.config.foreground_scripts else "",
            progress=self.progress,
            hint=self.hint,
        )

    @cached_property
    def _entries(self) -> dict[PackagePath, msgspec.Raw]:
        from pmpipe.npm.locks.lockfile import raw_entries
        from pmpipe.npm.texts.json_text import without_bom

        return raw_entries(without_bom(self.lock)) if self.lock else {}

    def _task(self, package: WantedPackage, folder: str, label: str) -> ScriptTask:
        from pmpipe.lifecycle.script_run import ScriptTask
        from pmpipe.npm.locks.lockfile import Entry

        raw = self._entries.get(package.location)
        variables = _flags(msgspec.json.decode(raw, type=Entry) if raw is not None else Entry())
        if package.resolved and package.link_target is None:
            variables["npm_package_resolved"] = package.resolved
        if package.integrity:
            variables["npm_package_integrity"] = package.integrity
        return ScriptTask(package.location, label, folder, package.optional and self.forgives, variables)

    def _own_task(self) -> ScriptTask:
        """The project itself. Its scripts have the environment that whoever called has given them."""
        from pmpipe.lifecycle.script_run import ScriptTask
        from pmpipe.npm.locks.lockfile import Entry
        from pmpipe.npm.scripts.package_variables import label_of

        environment = self._environment
        kept = {name: value for name, value in environment.own.items() if environment.dependencies.get(name) != value}
        label = label_of(read_document(self.project)) or os.path.basename(self.project)
        return ScriptTask(ROOT, label, self.project, optional=False, variables={**kept, **_flags(Entry())})


def _with_scripts(
    tree: WantedTree, placed: Collection[PackagePath], gyp: Collection[PackagePath]
) -> list[WantedPackage]:
    return [
        package
        for package in tree.packages
        if package.location in placed
        and package.link_target is None
        and (package.has_install_script or package.location in gyp)
    ]


def _flags(entry: Entry) -> dict[str, str]:
    """How a package is wanted, as its scripts find it in the environment."""
    return {
        "npm_package_optional": _flag(entry.optional),
        "npm_package_dev": _flag(entry.dev),
        "npm_package_peer": _flag(entry.peer),
        "npm_package_dev_optional": _flag(entry.dev_optional and not (entry.dev or entry.optional)),
    }


def _flag(value: bool) -> str:
    return "1" if value else ""
