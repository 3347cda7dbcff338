"""All or nothing for node_modules: how its folders are changed so that a failure leaves the former ones.

A project has one *modules folder* for its root and one for each workspace that has packages of its own. Each is filled
in one of two ways:

- **fresh** (``ci``, or nothing is there yet): what stands in it moves into ``.pmpipe-old``, entry by entry, because the
  folder itself may be a mount point; the new tree is built in its final place. Success deletes the old entries, failure
  puts them back.
- **patch** (``install`` on an existing tree): new packages are built in ``.pmpipe-new`` beside the present ones. When
  all are complete, `commit` exchanges them by renames, and takes every rename back if one fails.

Both keep a journal in the folder from before the first change until the hidden lockfile has been written. A run that
finds one does not believe what it names. Names with a leading dot are passed over by npm and by everything else that
reads node_modules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from pmpipe.errors import FilesystemError
from stages.remove import remove_tree

JOURNAL = ".pmpipe-journal"
_OLD = ".pmpipe-old"
_NEW = ".pmpipe-new"
_TRASH = ".pmpipe-trash"
_OURS = (JOURNAL, _OLD, _NEW, _TRASH)


class Journal(msgspec.Struct, frozen=True):
    """What a run is changing in one modules folder.

    Attributes:
        everything: the whole folder is being built.
        locations: lockfile keys of the packages that are being added, exchanged or removed.
    """

    everything: bool = False
    locations: tuple[str, ...] = ()


@dataclass(slots=True)
class Exchange:
    """One subtree to be put in place at commit.

    Attributes:
        destination: absolute path of the package folder.
        staged: absolute path of what was built for it; empty when it is only to be removed.
    """

    destination: str
    staged: str


@dataclass(slots=True)
class ModulesFolder:
    """One folder called node_modules, being changed.

    Attributes:
        path: absolute path.
        fresh: built anew; otherwise patched.
    """

    path: str
    fresh: bool
    #: renames done at commit, in order, to be taken back if a later one fails
    _done: list[Exchange] = field(default_factory=list)
    _staged: int = 0
    _began: bool = False
    _existed: bool = False
    #: where the former entries of a fresh folder are; empty while there are none
    _old: str = ""
    #: what the folder was a symbolic link to, if it was one
    _link: str = ""
    #: the journal that a killed run had left before this one
    _before: Journal | None = None

    # -- before ---------------------------------------------------------------------------------------------------

    def journal(self) -> Journal | None:
        """What a killed run was changing here; None if none was. A torn journal stands for everything."""
        try:
            with open(f"{self.path}/{JOURNAL}", "rb") as file:
                return msgspec.json.decode(file.read(), type=Journal)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.MsgspecError:
            return Journal(everything=True)

    def begin(self, locations: Iterable[str]) -> None:
        """Make the folder ready to be filled.

        Args:
            locations: what will change, for the journal of a patch.

        Raises:
            OSError: the folder cannot be written, or is a file.
        """
        self._began = True
        self._before = self.journal()
        if self.fresh:
            self._begin_fresh()
            return
        before = self._before or Journal()
        self._write_journal(Journal(before.everything, tuple({*before.locations, *locations})))
        self._clear(_NEW, _TRASH)
        os.mkdir(f"{self.path}/{_NEW}")

    def _begin_fresh(self) -> None:
        if os.path.islink(self.path):
            # the link goes, its target is not ours to touch
            self._link = os.readlink(self.path)
            os.unlink(self.path)
        try:
            os.makedirs(self.path)
        except FileExistsError:
            self._existed = True
        self._write_journal(Journal(everything=True))
        if self._existed:
            former = [name for name in os.listdir(self.path) if name not in _OURS]
            os.makedirs(f"{self.path}/{_OLD}", exist_ok=True)
            self._old = f"{self.path}/{_OLD}/{len(os.listdir(f'{self.path}/{_OLD}'))}"
            os.mkdir(self._old)
            for name in former:
                os.rename(f"{self.path}/{name}", f"{self._old}/{name}")

    # -- during ---------------------------------------------------------------------------------------------------

    def stage(self, destination: str) -> Exchange:
        """A place where the subtree for `destination` is to be built until commit."""
        self._staged += 1
        return Exchange(destination, f"{self.path}/{_NEW}/{self._staged}/{os.path.basename(destination)}")

    def commit(self, exchanges: Iterable[Exchange]) -> None:
        """Put all staged subtrees in place, or none.

        Raises:
            FilesystemError: a rename failed; those before it have been taken back.
        """
        try:
            os.makedirs(f"{self.path}/{_TRASH}", exist_ok=True)
            for number, exchange in enumerate(exchanges):
                self._exchange(exchange, f"{self.path}/{_TRASH}/{number}")
        except OSError as error:
            self._take_back()
            raise FilesystemError(
                f"cannot change {self.path}: {error.strerror}", details=(f"path: {error.filename}",)
            ) from error

    def _exchange(self, exchange: Exchange, trash: str) -> None:
        if os.path.lexists(exchange.destination):
            os.rename(exchange.destination, trash)
            self._done.append(Exchange(exchange.destination, trash))
        # what was left out as an optional package has not been built
        if exchange.staged and os.path.lexists(exchange.staged):
            os.makedirs(os.path.dirname(exchange.destination), exist_ok=True)
            os.rename(exchange.staged, exchange.destination)
            self._done.append(Exchange(exchange.destination, ""))

    def _take_back(self) -> None:
        for step in reversed(self._done):
            if step.staged:
                os.rename(step.staged, step.destination)
            else:
                remove_tree(step.destination)
        self._done.clear()

    # -- after ----------------------------------------------------------------------------------------------------

    def roll_back(self, staging: str) -> None:
        """After a failure: leave the former folder as it was, or none where none was.

        Args:
            staging: the store's staging folder. What was built moves there if it can, to be deleted by a later run:
                who has pressed Ctrl-C does not wait for a hundred thousand files.
        """
        if not self._began:
            return
        if self.fresh:
            self._roll_back_fresh(staging)
        else:
            self._take_back()
            self._clear(_NEW, _TRASH)
        if self.fresh and not self._existed:
            return
        if self._before is not None:
            self._write_journal(self._before)
        else:
            self._remove_journal()

    def _roll_back_fresh(self, staging: str) -> None:
        if not self._existed:
            _discard(self.path, staging)
            if self._link:
                os.symlink(self._link, self.path)
            return
        if not self._old:
            return
        for name in os.listdir(self.path):
            if name not in _OURS:
                _discard(f"{self.path}/{name}", staging)
        for name in os.listdir(self._old):
            os.rename(f"{self._old}/{name}", f"{self.path}/{name}")
        os.rmdir(self._old)
        if not os.listdir(f"{self.path}/{_OLD}"):
            os.rmdir(f"{self.path}/{_OLD}")

    def finish(self) -> None:
        """After success: the folder is complete, the journal and the former tree go."""
        if self._began:
            self._clear(_OLD, _NEW, _TRASH)
            self._remove_journal()

    def _clear(self, *names: str) -> None:
        for name in names:
            remove_tree(f"{self.path}/{name}")

    def _write_journal(self, journal: Journal) -> None:
        partial = f"{self.path}/{JOURNAL}.partial"
        with open(partial, "wb") as file:
            file.write(msgspec.json.encode(journal))
        os.rename(partial, f"{self.path}/{JOURNAL}")

    def _remove_journal(self) -> None:
        try:
            os.unlink(f"{self.path}/{JOURNAL}")
        except FileNotFoundError:
            return


def _discard(path: str, staging: str) -> None:
    try:
        os.rename(path, f"{staging}/half-built-{os.getpid()}-{os.urandom(6).hex()}")
    except OSError:  # another filesystem, or a store that cannot be written
        remove_tree(path)
