"""The hidden lockfile of an install: made while the processes work, written when all is in place, dated at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import msgspec

from pmpipe.npm.locks.package_path import PackagePath, paths_inside
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.project.project_files import HIDDEN_LOCKFILE
from pmpipe.system.presence import is_folder, is_real_folder
from pmpipe.system.whole_file import write_whole
from pmpipe.tree.standing import TOLERANCE_NS
from pmpipe.tree.transaction import ModulesFolder
from pmpipe.tree.wanted import WantedTree

_SECOND_NS = 1_000_000_000

#: Makes the text for the locations that are installed, those that node-gyp builds, and digests that the lockfile lacks.
MakeHiddenLockfile: TypeAlias = Callable[
    [Collection[PackagePath], Collection[PackagePath], Mapping[PackagePath, str]], bytes
]


class HiddenLockfile(msgspec.Struct):
    """The record by which npm, and the next run, know the tree.

    Args:
        project: absolute path of the project.
        tree: what is to stand there.
        folders: the project's modules folders by absolute path.
        make: makes its text, see `MakeHiddenLockfile`.
    """

    project: str
    tree: WantedTree
    folders: Mapping[str, ModulesFolder]
    make: MakeHiddenLockfile
    #: that of the whole tree; empty until it is made
    _content: bytes = b""

    @property
    def path(self) -> str:
        """Its absolute path."""
        return f"{self.project}/{HIDDEN_LOCKFILE}"

    def make_ahead(self) -> None:
        """Make the text for the whole tree, while there is time."""
        if not self._content:
            self._content = self.make(self.tree.listed(), (), {})

    def is_current(self) -> bool:
        """Whether the one that stands there says the same; of what node-gyp builds a former run may know more.

        Raises:
            OSError: it cannot be read.
        """
        self.make_ahead()
        with open(self.path, "rb") as file:
            there = file.read()
        return there == self._content or _without_scripts(there) == _without_scripts(self._content)

    def make_room(self) -> None:
        """Move away what is no file, and cannot be replaced by one; a failure puts it back.

        A former one stays until `write` puts the new one in its place: whenever a run is killed, there is one.
        """
        if is_real_folder(self.path):
            self.folders[os.path.dirname(self.path)].set_aside(self.path)

    def write(
        self,
        left_out: Collection[str] = (),
        built: Collection[PackagePath] = (),
        digests: Mapping[PackagePath, str] | None = None,
    ) -> None:
        """Put it in the place of the former one by one rename, unless the project has no packages.

        Args:
            left_out: locations that are not installed after all, with what lies in them.
            built: new packages that node-gyp builds, while the lockfile knows of no install script.
            digests: SRI of new packages that the lockfile has none for.

        Raises:
            OSError: it cannot be written.
        """
        if not is_folder(os.path.dirname(self.path)):
            return  # a project without dependencies
        content = self._content
        if left_out or built or digests or not content:
            paths = sorted(self.tree.listed())
            gone = frozenset(left_out).union(*(paths_inside(paths, one) for one in left_out))
            content = self.make(frozenset(paths) - gone, built, digests or {})
        write_whole(self.path, content)

    def touch(self) -> None:
        """It must be newer than every folder that it lists, and removing the journal was the last change to one.

        By npm's tolerance it may be a little older. It is made older by just that, so that npm and the next run notice
        whatever changes from now on, were it the moment after. But not where that would be another second: a layer of a
        container's image keeps whole ones, and would make it older than what it lists.

        Raises:
            OSError: its time cannot be set.
        """
        path = self.path
        if not os.path.exists(path):
            return
        changed = [os.lstat(folder).st_mtime_ns for folder in self.folders if is_folder(folder)]
        newest_ns = max(changed)
        time_ns = newest_ns - TOLERANCE_NS
        if time_ns // _SECOND_NS == newest_ns // _SECOND_NS:
            os.utime(path, ns=(time_ns, time_ns))
            if os.stat(path).st_mtime_ns == time_ns:
                return
        # the filesystem may be one that keeps whole seconds
        os.utime(path)


def _without_scripts(text: bytes) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(without_bom(text))
    for entry in document["packages"].values():
        entry.pop("hasInstallScript", None)
    return document
