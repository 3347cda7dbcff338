"""The packages of the whole machine: each for itself in ``<prefix>/lib/node_modules``, executables in ``<prefix>/bin``.

They are built beside their place, in a folder of our own on the same filesystem, and exchanged by renames when all of
them are complete; then their scripts run. What they replace lies in that folder until the end, and a journal says what
was where, so that a failure puts it back, and the next run takes back what a killed one left::

    <prefix>/lib/.pmpipe-global/new/node_modules/   being built, as a project of its own
    <prefix>/lib/.pmpipe-global/old/                what was replaced
    <prefix>/lib/.pmpipe-global/journal             as long as all this may have to be taken back

Source: npm's ``--global``; ``bin-links`` for what may be overwritten in ``<prefix>/bin``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from pmpipe.errors import FilesystemError, after
from pmpipe.npm.manifests.bins import bins_of_manifest
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.system.interrupts import signals_ignored
from pmpipe.system.owners import unwritable_hint
from pmpipe.system.presence import is_folder, is_link, is_there
from pmpipe.system.whole_file import write_whole
from stages.remove import remove_tree


class _Identity(msgspec.Struct):
    name: str = ""
    bin: dict[str, str] | str | None = None


class _Journal(msgspec.Struct):
    """What is being changed.

    Attributes:
        paths: what is replaced -> where its former content is put; empty: there was none.
        folders: those that are made for them, outermost first.
    """

    paths: dict[str, str] = msgspec.field(default_factory=dict)
    folders: list[str] = msgspec.field(default_factory=list)


class GlobalFolder(msgspec.Struct):
    """One global prefix.

    Args:
        prefix: absolute path.
        force: whatever stands in the way of an executable is replaced.
    """

    prefix: str
    force: bool = False
    _journal: _Journal = msgspec.field(default_factory=_Journal)

    @property
    def top(self) -> str:
        """The folder that holds ``node_modules``."""
        return f"{self.prefix}/lib"

    @property
    def bin_folder(self) -> str:
        """The folder of the executables."""
        return f"{self.prefix}/bin"

    @property
    def stage(self) -> str:
        """Where a new tree is built, as a project."""
        return f"{self._own}/new"

    @property
    def _own(self) -> str:
        return f"{self.top}/.pmpipe-global"

    def names(self) -> list[str]:
        """The packages that are there, links left out.

        Raises:
            FilesystemError: the prefix cannot be read.
        """
        with _refusals():
            return [name for name in _packages(f"{self.top}/node_modules") if not is_link(self._place(name))]

    def has(self, name: str) -> bool:
        """Whether there is a package of this name, or a link; whatever else a word leads to is none.

        Raises:
            FilesystemError: the prefix cannot be read.
        """
        with _refusals():
            return name in _packages(f"{self.top}/node_modules")

    def _place(self, name: str) -> str:
        return f"{self.top}/node_modules/{name}"

    # -- changing -------------------------------------------------------------------------------------------------

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Take back what a killed run has left, and have room for a new tree.

        In the end what was built or replaced is removed; what is not settled is taken back.

        Raises:
            FilesystemError: the prefix cannot be written, be it that the next run has to take back what was done.
        """
        with _refusals():
            self._journal = self._read_journal()
        try:
            self._begin()
            yield
        except BaseException as cause:
            self._end(cause)
            raise
        self._end(None)

    def _begin(self) -> None:
        with _refusals():
            self._take_back()
            remove_tree(self._own)
            os.makedirs(self.stage)

    def exchange(self, names: Iterable[str]) -> None:
        """Put what was built of these packages in place, and remove those of which nothing was built.

        Whatever else was built, peers for example, stays out, as it does with npm. Until `settle` all of it may be
        taken back.

        Raises:
            FilesystemError: something cannot be exchanged, or an executable belongs to somebody else.
        """
        names = list(dict.fromkeys(names))
        with _refusals():
            built = [name for name in names if is_there(f"{self.stage}/node_modules/{name}")]
            bins = dict(self._new_bins(built))
            going = [name for name in names if self.has(name)]
            former = [path for name in going for path in self._bins_of(name)]
            # what a package has had under a name that is its own is replaced, whatever stands there by now
            own = {*former, *(path for name in going for path in self._declared_bins(name))}
            self._refuse_foreign([path for path in bins if path not in own])
            self._set_aside([*map(self._place, going), *former, *map(self._place, built), *bins])
            for name in built:
                self._move_in(name)
            for path, target in bins.items():
                _make_link(path, target)
            self._drop_empty_scopes(going)

    def preserve(self, paths: Iterable[str]) -> None:
        """Make room for further executables, which a script has made.

        Raises:
            FilesystemError: one belongs to somebody else, or cannot be replaced.
        """
        new = [path for path in paths if path not in self._journal.paths]
        with _refusals():
            self._refuse_foreign([path for path in new if os.path.dirname(path) == self.bin_folder])
            self._set_aside(new)

    def settle(self) -> None:
        """From here on nothing is taken back.

        Raises:
            FilesystemError: the journal cannot be removed.
        """
        with _refusals():
            if self._journal.paths:
                os.unlink(self._journal_path)
        self._journal = _Journal()

    def _end(self, cause: BaseException | None) -> None:
        with signals_ignored():
            try:
                self._take_back()
            except OSError as error:
                raise FilesystemError(
                    f"cannot put back {error.filename}: {error.strerror}",
                    details=after(cause),
                    hint="the next command with -g puts everything back",
                ) from error
            try:
                remove_tree(self._own)
            except OSError as error:
                done = "the change is complete, but what was there before" if cause is None else "what was made for it"
                raise FilesystemError(
                    f"{done} cannot be removed: {error.strerror}",
                    details=(f"path: {error.filename}", *after(cause)),
                    hint="the next command with -g removes it",
                ) from error

    # -- steps ----------------------------------------------------------------------------------------------------

    @property
    def _journal_path(self) -> str:
        return f"{self._own}/journal"

    def _read_journal(self) -> _Journal:
        try:
            with open(self._journal_path, "rb") as file:
                return msgspec.json.decode(file.read(), type=_Journal)
        except FileNotFoundError:
            return _Journal()
        except (ValueError, RecursionError) as error:
            raise FilesystemError(
                f"{self._journal_path} cannot be read: a run that was cut off has left it damaged",
                details=[f"what it replaced lies in {self._own}"],
                hint="put back what is missing, and remove that folder",
            ) from error

    def _set_aside(self, paths: Iterable[str]) -> None:
        """Move what stands there out of the way, once the journal tells of it."""
        journal = self._journal
        new = [path for path in dict.fromkeys(paths) if path not in journal.paths]
        if not new:
            return
        for path in new:
            journal.paths[path] = f"{self._own}/old/{len(journal.paths)}" if is_there(path) else ""
            journal.folders += [one for one in _missing_above(path) if one not in journal.folders]
        self._write_journal()
        for path in new:
            if journal.paths[path]:
                os.makedirs(f"{self._own}/old", exist_ok=True)
                try:
                    os.rename(path, journal.paths[path])
                except OSError as error:
                    # a lower layer of an overlay: see `pmpipe.tree.transaction`
                    if error.errno != errno.EXDEV:
                        raise
                    journal.paths[path] = ""
                    self._write_journal()
                    remove_tree(path)

    def _write_journal(self) -> None:
        # once something was moved, nothing else knows where it belongs: a power cut must not damage this
        write_whole(self._journal_path, msgspec.json.encode(self._journal), durable=True)

    def _move_in(self, name: str) -> None:
        built, place = f"{self.stage}/node_modules/{name}", self._place(name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if is_link(built):
            target = os.path.normpath(os.path.join(os.path.dirname(built), os.readlink(built)))
            os.symlink(os.path.relpath(target, os.path.dirname(place)), place)
        else:
            os.rename(built, place)

    def _take_back(self) -> None:
        """What was not set aside yet stands where it did; what was not there is removed."""
        for path, former in self._journal.paths.items():
            if not former:
                remove_tree(path)
            elif is_there(former):
                remove_tree(path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.rename(former, path)
        for folder in reversed(self._journal.folders):
            with suppress(OSError):
                # somebody else may have put something there
                os.rmdir(folder)
        self._journal = _Journal()

    def _drop_empty_scopes(self, names: Iterable[str]) -> None:
        for scope in {os.path.dirname(self._place(name)) for name in names if "/" in name}:
            if is_folder(scope) and not os.listdir(scope):
                os.rmdir(scope)

    # -- executables ----------------------------------------------------------------------------------------------

    def _new_bins(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each executable's path, and the file that it leads to once all is in place."""
        modules = f"{self.stage}/node_modules"
        folder = f"{modules}/.bin"
        for name in sorted(os.listdir(folder)) if is_folder(folder) else ():
            target = os.path.normpath(os.path.join(folder, os.readlink(f"{folder}/{name}")))
            within = os.path.relpath(target, modules)
            if any(within.startswith(f"{one}/") for one in names):
                yield f"{self.bin_folder}/{name}", f"{self.top}/node_modules/{within}"

    def _bins_of(self, name: str) -> list[str]:
        """The links in the folder of executables that lead into a package."""
        folder = self.bin_folder
        if not is_folder(folder):
            return []
        return [path for one in os.listdir(folder) if self._leads_into((path := f"{folder}/{one}"), name)]

    def _declared_bins(self, name: str) -> dict[str, str]:
        """The executables that a package in its place says it has: link -> file."""
        place = self._place(name)
        try:
            with open(f"{place}/package.json", "rb") as file:
                identity = msgspec.json.decode(without_bom(file.read()), type=_Identity)
        except (OSError, ValueError, RecursionError):
            return {}  # what it says cannot be used, so none is known to be its own
        bins = bins_of_manifest(identity.name, identity.bin)
        return {f"{self.bin_folder}/{bin_name}": f"{place}/{target}" for bin_name, target in bins.items()}

    def _leads_into(self, path: str, name: str) -> bool:
        if not is_link(path):
            return False
        target = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        return target.startswith(f"{self._place(name)}/")

    def _refuse_foreign(self, paths: Iterable[str]) -> None:
        taken = [] if self.force else [path for path in paths if is_there(path)]
        if taken:
            raise FilesystemError(
                f"{taken[0]} is there already, and belongs to something else",
                details=[f"and {path}" for path in taken[1:]],
                hint="remove it, or let it be replaced with --force",
            )


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell what the system refuses as a prefix that cannot be changed."""
    try:
        yield
    except OSError as error:
        raise _unwritable(error) from error


def _make_link(path: str, target: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(os.path.relpath(target, os.path.dirname(path)), path)


def _missing_above(path: str) -> list[str]:
    """The folders above a path that are not there, outermost first."""
    missing: list[str] = []
    while not is_there(path := os.path.dirname(path)):
        missing.insert(0, path)
    return missing


def _packages(folder: str) -> list[str]:
    """The names of the packages in a node_modules folder."""
    found = []
    for name in _entries(folder):
        if name.startswith("@"):
            found += [f"{name}/{one}" for one in _entries(f"{folder}/{name}") if not one.startswith(".")]
        elif not name.startswith("."):
            found.append(name)
    return found


def _entries(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if is_folder(folder) else []


def _unwritable(error: OSError) -> FilesystemError:
    refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    elsewhere = "choose another place with --prefix, or set prefix in your .npmrc"
    return FilesystemError(
        f"cannot change {error.filename}: {error.strerror}",
        hint=elsewhere if refused else unwritable_hint(error),
    )
