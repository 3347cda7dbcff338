"""The packages of the whole machine: each for itself in ``<prefix>/lib/node_modules``, executables in ``<prefix>/bin``.

They are built beside their place, in a folder of our own on the same filesystem, and exchanged by renames when all of
them are complete; what they replace lies in that folder until the end, so that a failure puts it back and the next run
finishes what a killed one left::

    <prefix>/lib/.pmpipe-global/new/node_modules/   being built, as a project of its own
    <prefix>/lib/.pmpipe-global/old/                what was replaced

Source: npm's ``--global``; ``bin-links`` for what may be overwritten in ``<prefix>/bin``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import msgspec

from pmpipe.errors import FilesystemError
from pmpipe.interrupts import signals_ignored
from pmpipe.npm.bins import bins_of_manifest
from stages.remove import remove_tree


class _Identity(msgspec.Struct):
    name: str = ""
    bin: dict[str, str] | str | None = None


class GlobalFolder(msgspec.Struct):
    """One global prefix.

    Args:
        prefix: absolute path.
        force: whatever stands in the way of an executable is replaced.
    """

    prefix: str
    force: bool = False
    #: what was done, to be taken back in reverse order: path, and where its former content lies; empty: there was none
    _done: list[tuple[str, str]] = msgspec.field(default_factory=list)

    @property
    def top(self) -> str:
        """The folder that holds ``node_modules``."""
        return f"{self.prefix}/lib"

    @property
    def stage(self) -> str:
        """Where a new tree is built, as a project."""
        return f"{self._own}/new"

    @property
    def _own(self) -> str:
        return f"{self.top}/.pmpipe-global"

    def names(self) -> list[str]:
        """The packages that are there, links left out."""
        return [name for name in _packages(f"{self.top}/node_modules") if not os.path.islink(self._place(name))]

    def has(self, name: str) -> bool:
        """Whether there is a package of this name, or a link."""
        return os.path.lexists(self._place(name))

    def _place(self, name: str) -> str:
        return f"{self.top}/node_modules/{name}"

    # -- changing -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make room for a new tree, and bring to its end what a killed run has left.

        Raises:
            FilesystemError: the prefix cannot be written.
        """
        try:
            if os.path.lexists(self._own):
                for name in _packages(f"{self._own}/old"):
                    if not self.has(name):
                        self._put_back(name)
                remove_tree(self._own)
            os.makedirs(self.stage)
        except OSError as error:
            raise _unwritable(error) from error

    def exchange(self, names: Iterable[str]) -> None:
        """Put what was built of these packages in place, and remove those of which nothing was built.

        Whatever else was built, peers for example, stays out, as it does with npm.

        Raises:
            FilesystemError: something cannot be exchanged, or an executable belongs to somebody else; all is as before.
        """
        names = list(dict.fromkeys(names))
        built = [name for name in names if os.path.lexists(f"{self.stage}/node_modules/{name}")]
        bins = dict(self._new_bins(built))
        going = [name for name in names if self.has(name)]
        former = [path for name in going for path in self._bins_of(name)]
        if not self.force:
            # what a package has had under a name that is its own is replaced, whatever stands there by now
            own = {*former, *(path for name in going for path in self._declared_bins(name))}
            self._refuse_foreign([path for path in bins if path not in own])
        try:
            for path in (*(self._place(name) for name in going), *former):
                self._set_aside(path)
            for name in built:
                self._move_in(name)
            for path, target in bins.items():
                self._set_aside(path)
                self._make_link(path, target)
        except BaseException as error:
            with signals_ignored():
                self._take_back()
            if isinstance(error, OSError):
                raise _unwritable(error) from error
            raise
        self._drop_empty_scopes(going)

    def end(self) -> None:
        """Remove what was built or replaced; also after a failure."""
        remove_tree(self._own)

    # -- steps ----------------------------------------------------------------------------------------------------

    def _set_aside(self, path: str) -> None:
        if not os.path.lexists(path):
            return
        within = os.path.relpath(path, f"{self.top}/node_modules")
        trash = f"{self._own}/old/{within}" if not within.startswith("..") else f"{self._own}/bin/{len(self._done)}"
        os.makedirs(os.path.dirname(trash), exist_ok=True)
        self._done.append((path, trash))
        os.rename(path, trash)

    def _move_in(self, name: str) -> None:
        built, place = f"{self.stage}/node_modules/{name}", self._place(name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        self._done.append((place, ""))
        if os.path.islink(built):
            target = os.path.normpath(os.path.join(os.path.dirname(built), os.readlink(built)))
            os.symlink(os.path.relpath(target, os.path.dirname(place)), place)
        else:
            os.rename(built, place)

    def _make_link(self, path: str, target: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._done.append((path, ""))
        os.symlink(os.path.relpath(target, os.path.dirname(path)), path)

    def _take_back(self) -> None:
        for path, trash in reversed(self._done):
            if not trash:
                remove_tree(path)
            elif os.path.lexists(trash):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.rename(trash, path)
        self._done.clear()

    def _put_back(self, name: str) -> None:
        """A killed run had taken this package away, and put nothing in its place."""
        place = self._place(name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.rename(f"{self._own}/old/{name}", place)
        for path, target in self._declared_bins(name).items():
            if not os.path.lexists(path):
                self._make_link(path, target)

    def _drop_empty_scopes(self, names: Iterable[str]) -> None:
        for scope in {os.path.dirname(self._place(name)) for name in names if "/" in name}:
            if os.path.isdir(scope) and not os.listdir(scope):
                os.rmdir(scope)

    # -- executables ----------------------------------------------------------------------------------------------

    def _new_bins(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each executable's path, and the file that it leads to once all is in place."""
        modules = f"{self.stage}/node_modules"
        folder = f"{modules}/.bin"
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            target = os.path.normpath(os.path.join(folder, os.readlink(f"{folder}/{name}")))
            within = os.path.relpath(target, modules)
            if any(within.startswith(f"{one}/") for one in names):
                yield f"{self.prefix}/bin/{name}", f"{self.top}/node_modules/{within}"

    def _bins_of(self, name: str) -> list[str]:
        """The links in the folder of executables that lead into a package."""
        folder = f"{self.prefix}/bin"
        if not os.path.isdir(folder):
            return []
        return [path for one in os.listdir(folder) if self._leads_into((path := f"{folder}/{one}"), name)]

    def _declared_bins(self, name: str) -> dict[str, str]:
        """The executables that a package in its place says it has: link -> file."""
        place = self._place(name)
        try:
            with open(f"{place}/package.json", "rb") as file:
                identity = msgspec.json.decode(file.read(), type=_Identity)
        except (OSError, ValueError, RecursionError):
            return {}
        bins = bins_of_manifest(identity.name, identity.bin)
        return {f"{self.prefix}/bin/{bin_name}": f"{place}/{target}" for bin_name, target in bins.items()}

    def _leads_into(self, path: str, name: str) -> bool:
        if not os.path.islink(path):
            return False
        target = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        return target.startswith(f"{self._place(name)}/")

    def _refuse_foreign(self, paths: Iterable[str]) -> None:
        taken = [path for path in paths if os.path.lexists(path)]
        if taken:
            raise FilesystemError(
                f"{taken[0]} is there already, and belongs to something else",
                details=[f"and {path}" for path in taken[1:]],
                hint="remove it, or let it be replaced with --force",
            )


def _packages(folder: str) -> list[str]:
    """The names of the packages in a node_modules folder."""
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if name.startswith("@"):
            found += [f"{name}/{one}" for one in sorted(os.listdir(f"{folder}/{name}")) if not one.startswith(".")]
        elif not name.startswith("."):
            found.append(name)
    return found


def _unwritable(error: OSError) -> FilesystemError:
    return FilesystemError(
        f"cannot change {error.filename}: {error.strerror}",
        hint="choose another place with --prefix, or set prefix in your .npmrc",
    )
