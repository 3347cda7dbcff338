"""Building what is installed once more: scripts run in packages that stay where they are, and executables are linked.

A package whose scripts were cut off is not what anybody wants. While they run, the journals of the modules folders name
the packages, so that whoever finds a killed run there places them anew; a failure is remembered to the same end.

Source: npm's ``lib/commands/rebuild.js``, and arborist's ``rebuild.js``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from pmpipe.errors import FilesystemError, InvalidSpecError, UsageError
from pmpipe.lifecycle.scripts import Scripts
from pmpipe.lifecycle.step import ScriptStep
from pmpipe.lifecycle.unrun import Unrun
from pmpipe.npm.locks.lockfile import installed_name
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.scripts.lifecycle import DEPENDENCY_EVENTS, GYP_FILE, has_command
from pmpipe.npm.semver import satisfies
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.specs.spec import parse_argument
from pmpipe.npm.specs.spec_types import DirectorySpec, RangeSpec, VersionSpec
from pmpipe.plan import Plan
from pmpipe.planning.planner import Wanted, modules_folder_of
from pmpipe.system.interrupts import CancelledError, note_done, signals_ignored
from pmpipe.tree.installed import survey
from pmpipe.tree.transaction import ModulesFolder
from pmpipe.tree.wanted import WantedPackage
from stages.manifest_file import read_document
from stages.remove import remove_tree

#: What to do about a script that has failed.
PUT_RIGHT = "the next `pmpipe install` places what was being built anew, and runs its scripts"


class Rebuild(msgspec.Struct):
    """One run of it.

    Args:
        wanted: the tree that stands.
        scripts: which run, and how.
        make: makes links; returns what is odd about them.

    Attributes:
        warnings: one line each.
    """

    wanted: Wanted
    scripts: Scripts
    make: Callable[[Plan], list[str]]
    warnings: list[str] = msgspec.field(default_factory=list)

    def standing(self) -> list[WantedPackage]:
        """The packages and links that are there. What a killed run was changing is not believed to be."""
        project = self.wanted.project
        paths = {f"{project}/{modules_folder_of(package.location)}" for package in self.wanted.tree.packages}
        try:
            found = survey(project, [ModulesFolder(path, fresh=False) for path in sorted(paths)], self.wanted.tree)
        except OSError as error:
            raise FilesystemError(f"cannot read {error.filename}: {error.strerror}") from error
        return [
            package
            for package in self.wanted.tree.packages
            if (have := found.packages.get(package.location)) is not None
            and (package.link_target is not None or (have.name, have.version) == (package.name, package.version))
        ]

    def to_build(self, chosen: Sequence[WantedPackage]) -> list[WantedPackage]:
        """Those of some packages whose scripts run; linked folders are not among them."""
        ready = self._ready(chosen)
        return self.scripts.allowed(self.wanted.tree, _locations(ready), self._built_by_gyp(ready))

    def run(self, chosen: Sequence[WantedPackage]) -> None:
        """Do it.

        Args:
            chosen: from `standing`.

        Raises:
            PmpipeError: a script has failed, or something cannot be written.
            CancelledError: a signal ended it.
        """
        step = ScriptStep(self.wanted, self.scripts, remove_tree, lambda _: None, self.make)
        building = self.to_build(chosen)
        try:
            with self._marked(building):
                step.link(_locations(chosen))
                if not self.scripts.config.ignore_scripts:
                    ready = self._ready(chosen)
                    step.run(_locations(ready), self._built_by_gyp(ready))
        except OSError as error:
            raise FilesystemError(f"cannot change {error.filename}: {error.strerror}") from error
        except CancelledError as cancelled:
            cancelled.state = PUT_RIGHT if building else "some executables may not be linked"
            raise
        note_done()
        self.warnings += step.warnings

    def _ready(self, chosen: Iterable[WantedPackage]) -> list[WantedPackage]:
        """Without packages from git that have yet to make what they consist of, which they do when they are placed."""
        waiting = self.scripts.waiting.packages
        return [package for package in chosen if not (package.is_prepared and Unrun.of(package) in waiting)]

    def _built_by_gyp(self, chosen: Iterable[WantedPackage]) -> set[PackagePath]:
        """The locations that node-gyp builds, whatever the lockfile knows of it."""
        project = self.wanted.project
        return {package.location for package in chosen if _is_built_by_gyp(package, f"{project}/{package.location}")}

    @contextmanager
    def _marked(self, building: Sequence[WantedPackage]) -> Iterator[None]:
        """Have the packages placed anew by the next run if this one does not come to its end."""
        project = self.wanted.project
        marks: dict[str, list[str]] = {}
        for package in building:
            marks.setdefault(f"{project}/{modules_folder_of(package.location)}", []).append(package.location)
        folders = [ModulesFolder(path, fresh=False) for path in marks]
        for folder in folders:
            folder.mark(marks[folder.path])
        try:
            yield
        except BaseException:
            with signals_ignored():
                self.scripts.doubt(building)
                _unmark(folders)
            raise
        with signals_ignored():
            _unmark(folders)


def _is_built_by_gyp(package: WantedPackage, folder: str) -> bool:
    if package.link_target is not None or not os.path.isfile(f"{folder}/{GYP_FILE}"):
        return False
    return has_command(read_document(folder), DEPENDENCY_EVENTS, has_gyp_file=True)


def _unmark(folders: Iterable[ModulesFolder]) -> None:
    for folder in folders:
        folder.unmark()


def _locations(packages: Iterable[WantedPackage]) -> set[PackagePath]:
    return {package.location for package in packages}


class Named(msgspec.Struct, frozen=True):
    """What the command line names.

    Attributes:
        packages: those that are meant, and what came bundled with them.
        unknown: the words that mean none.
    """

    packages: list[WantedPackage]
    unknown: list[str]


def named(words: Iterable[str], standing: Sequence[WantedPackage], project: str, start: str, home: str) -> Named:
    """The packages that some words mean.

    Args:
        words: a name, alone or with a version or range, or a folder.
        standing: what there is.
        project: absolute path of the project.
        start: absolute path that folders among the words start from.
        home: absolute path of the user's home folder.

    Raises:
        UsageError: a word is nothing of these.
    """
    chosen: set[PackagePath] = set()
    unknown = []
    for word in words:
        is_meant = _meaning(word, project, start, home)
        # what comes bundled can call itself anything
        meant = [package.location for package in standing if not package.in_bundle and is_meant(package)]
        chosen.update(meant)
        unknown += [] if meant else [word]
    for package in standing:
        # parents come before what lies in them
        if package.in_bundle and package.holder in chosen:
            chosen.add(package.location)
    return Named([package for package in standing if package.location in chosen], unknown)


def _meaning(word: str, project: str, start: str, home: str) -> Callable[[WantedPackage], bool]:
    try:
        spec = parse_argument(word, start, home=home or None)
    except InvalidSpecError as error:
        raise UsageError(f"{shown(word)} names no package: {error.what}") from error
    if isinstance(spec, DirectorySpec):
        folder = spec.fetch_spec
        return lambda package: folder in _folders(package, project)
    if not isinstance(spec, (VersionSpec, RangeSpec)) or spec.name is None:
        raise UsageError(f"rebuild takes names, alone or with versions and ranges, got {shown(word)}")
    name, version_range = spec.name, spec.fetch_spec

    def is_meant(package: WantedPackage) -> bool:
        if installed_name(package.location) != name:
            return False
        if version_range in ("", "*"):
            return True
        return satisfies(_version(package, project), version_range, loose=False)

    return is_meant


def _folders(package: WantedPackage, project: str) -> Collection[str]:
    target = [] if package.link_target is None else [os.path.normpath(f"{project}/{package.link_target}")]
    return [f"{project}/{package.location}", *target]


def _version(package: WantedPackage, project: str) -> str:
    if package.link_target is None:
        return package.version
    return str(read_document(f"{project}/{package.location}").get("version") or "")
