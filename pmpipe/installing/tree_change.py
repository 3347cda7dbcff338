"""A project's modules folders, the root's and the workspaces', which change together: all of them or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import msgspec

from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.planning.planner import Work, modules_folder_of
from pmpipe.system.presence import is_real_folder, is_there
from pmpipe.tree.transaction import Exchange, ModulesFolder
from pmpipe.tree.wanted import WantedTree


class TreeChange(msgspec.Struct):
    """The change of one project's tree; each step may fail with an OSError, and `roll_back` takes all of them back.

    Attributes:
        project: absolute path of the project.
        folders: its modules folders by absolute path.
    """

    project: str
    folders: dict[str, ModulesFolder]

    @classmethod
    def find(cls, project: str, tree: WantedTree, *, fresh: bool) -> TreeChange:
        """The folders that have packages, and those that will have some.

        Args:
            project: absolute path of the project.
            tree: what is to stand there.
            fresh: what stands there goes.
        """
        paths = {f"{project}/{path}" for path in {modules_folder_of(package.location) for package in tree.packages}}
        for folder in (project, *(os.path.normpath(f"{project}/{path}") for path in tree.workspaces)):
            if is_there(f"{folder}/node_modules"):
                paths.add(f"{folder}/node_modules")
        return cls(project, {path: ModulesFolder(path, fresh or not is_real_folder(path)) for path in sorted(paths)})

    def include(self, locations: Iterable[PackagePath]) -> None:
        """The folders of these packages are patched, too: nothing is wanted in them any more."""
        for path in {f"{self.project}/{modules_folder_of(location)}" for location in locations}:
            if path not in self.folders and is_real_folder(path):
                self.folders[path] = ModulesFolder(path, fresh=False)

    @property
    def patched(self) -> list[ModulesFolder]:
        """The folders in which something may stay."""
        return [folder for folder in self.folders.values() if not folder.fresh]

    @property
    def is_lossy(self) -> bool:
        """Something was deleted that could not be set aside, so that a failure cannot put it back."""
        return any(folder.is_lossy for folder in self.folders.values())

    def has_to_empty(self) -> bool:
        """Something has to go, even if nothing is to be placed."""
        return any(folder.has_to_be_emptied() for folder in self.folders.values())

    def begin(self, work: Work) -> list[str]:
        """Make all folders ready to be filled; what the user is to know of it, one line each."""
        told = []
        for folder in self.folders.values():
            folder.begin(work.changed(folder, self.project))
            if folder.link:
                place = os.path.relpath(folder.path, self.project)
                told.append(f"{place} was a link to {folder.link}, and is a folder now; what it led to stays as it is")
        return told

    def commit(self, exchanges: Mapping[str, Iterable[Exchange]]) -> None:
        """Put in place what was built beside the present tree, by the folders' absolute paths."""
        for path, exchanged in exchanges.items():
            self.folders[path].commit(exchanged)

    def discard(self, path: str) -> None:
        """Remove what stands at an absolute path."""
        self._folder_of(path).discard(path)

    def preserve(self, paths: Iterable[str]) -> None:
        """Have a failure put back the links that stand at these absolute paths."""
        for path in paths:
            self._folder_of(path).preserve(path)

    def roll_back(self, staging: str) -> list[str]:
        """Put all folders back as far as that is possible; what could not be, one line each.

        Args:
            staging: the store's staging folder.
        """
        failed = []
        for folder in self.folders.values():
            try:
                folder.roll_back(staging)
            except OSError as error:  # noqa: PERF203 - each of them may fail
                failed.append(f"cannot put back {error.filename}: {error.strerror}")
        return failed

    def finish(self) -> None:
        """The tree is complete: the journals and what was there before go."""
        for folder in self.folders.values():
            folder.finish()

    def forget_killed_runs(self) -> bool:
        """The tree is as it should be: what killed runs have left goes. Whether there was any."""
        return sum(folder.forget_killed_run() for folder in self.folders.values()) > 0

    def _folder_of(self, path: str) -> ModulesFolder:
        return self.folders[f"{self.project}/{modules_folder_of(os.path.relpath(path, self.project))}"]
