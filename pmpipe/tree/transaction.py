"""All or nothing for node_modules: how its folders are changed so that a failure leaves the former ones.

A project has one *modules folder* for its root and one for each workspace that has packages of its own. Each is filled
in one of two ways:

- **fresh** (``ci``, or nothing is there yet): what stands in it moves into ``.pmpipe-old``, entry by entry, because the
  folder itself may be a mount point; the new tree is built in its final place. Success deletes the old entries, failure
  puts them back.
- **patch** (``install`` on an existing tree): new packages are built in ``.pmpipe-new`` beside the present ones. When
  all are complete, `commit` exchanges them by renames, and what they replace stays in ``.pmpipe-trash`` until the end.

`roll_back` leaves the former folder, wherever a failure or signal has cut the change off: each step is noted before it
is done, and taking back a step that was not done changes nothing.

overlayfs renames no folder of a lower layer: in a build of a container's image, what earlier steps have installed.
Moving the files one by one would copy them all (measured: minutes for 150,000). So such a folder is deleted where it
should be set aside; a failure after that leaves the journal, and the next run completes the tree.

Both keep a journal in the folder from before the first change until the hidden lockfile has been written. A run that
finds one does not believe what it names. Names with a leading dot are passed over by npm and by everything else that
reads node_modules.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from itertools import count

import msgspec

from pmpipe.errors import FilesystemError
from pmpipe.project.project_files import HIDDEN_LOCKFILE
from pmpipe.system.presence import is_folder, is_link, is_there
from pmpipe.system.whole_file import PARTIAL, write_whole
from stages.remove import remove_tree

JOURNAL = ".pmpipe-journal"
_OLD = ".pmpipe-old"
_NEW = ".pmpipe-new"
_TRASH = ".pmpipe-trash"
_UNFINISHED = f"{JOURNAL}{PARTIAL}"
_OURS = (JOURNAL, _UNFINISHED, _OLD, _NEW, _TRASH)
#: What a folder without any package holds.
_REST = {*_OURS, os.path.basename(HIDDEN_LOCKFILE)}


class Journal(msgspec.Struct, frozen=True):
    """What a run is changing in one modules folder.

    Attributes:
        everything: the whole folder is being built.
        locations: lockfile keys of the packages that are being added, exchanged or removed.
    """

    everything: bool = False
    locations: tuple[str, ...] = ()


class Exchange(msgspec.Struct):
    """One subtree to be put in place at commit.

    Attributes:
        destination: absolute path of the package folder.
        staged: absolute path of what was built for it; empty when it is only to be removed.
    """

    destination: str
    staged: str


class _Step(msgspec.Struct):
    """How a change is taken back: what was at `path` lies at `trash`; empty where nothing was, or nothing is left."""

    path: str
    trash: str = ""


class ModulesFolder(msgspec.Struct):
    """One folder called node_modules, being changed.

    Attributes:
        path: absolute path.
        fresh: built anew; otherwise patched.
        is_lossy: something was deleted that could not be set aside, so that a failure cannot put it back.
        link: what the folder was a symbolic link to before `begin`, if it was one.
    """

    path: str
    fresh: bool
    is_lossy: bool = False
    link: str = ""
    #: what was changed in a patched folder, in order
    _done: list[_Step] = msgspec.field(default_factory=list)
    _staged: int = 0
    _began: bool = False
    #: it was there before, as a folder of its own
    _existed: bool = False
    #: where the former entries of a fresh folder are; empty while there are none
    _old: str = ""
    #: all of them are there: whatever else stands in the folder is new
    _emptied: bool = False
    #: those that cannot be moved, because something is mounted there
    _mounted: set[str] = msgspec.field(default_factory=set)
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
        except (ValueError, RecursionError):
            return Journal(everything=True)

    def has_to_be_emptied(self) -> bool:
        """Something stands in a folder that is built anew: it has to go, even if nothing is to be placed.

        Raises:
            OSError: the folder cannot be read.
        """
        return self.fresh and is_folder(self.path) and not _REST.issuperset(os.listdir(self.path))

    def begin(self, locations: Iterable[str]) -> None:
        """Make the folder ready to be filled.

        Args:
            locations: what will change, for the journal of a patch.

        Raises:
            OSError: the folder cannot be written.
            FilesystemError: it is no folder.
        """
        if is_there(self.path) and not (is_folder(self.path) or is_link(self.path)):
            raise FilesystemError(f"{self.path} is no folder", hint="remove it, or rename it, and try again")
        # all before the change counts as begun: what `roll_back` does not know to have been there, it takes for new
        self._before = self.journal()
        if self.fresh and is_link(self.path):
            self.link = os.readlink(self.path)
        self._existed = not self.link and is_folder(self.path)
        self._began = True
        if self.fresh:
            self._begin_fresh()
            return
        before = self._before or Journal()
        self._write_journal(Journal(before.everything, tuple({*before.locations, *locations})))
        self._clear(_NEW, _TRASH)
        os.mkdir(f"{self.path}/{_NEW}")
        os.mkdir(f"{self.path}/{_TRASH}")

    def _begin_fresh(self) -> None:
        if self.link:
            # the link goes, its target is not ours to touch
            os.unlink(self.path)
        os.makedirs(self.path, exist_ok=True)
        self._write_journal(Journal(everything=True))
        if self._existed:
            former = [name for name in os.listdir(self.path) if name not in _OURS]
            if is_link(f"{self.path}/{_OLD}"):
                # it has come with the project: nothing is to go wherever it leads
                self._clear(_OLD)
            self._old = self._free_old()
            os.makedirs(self._old)
            for name in former:
                try:
                    self._move_or_delete(f"{self.path}/{name}", f"{self._old}/{name}")
                except OSError as error:  # noqa: PERF203 - each of them may be a mount point
                    # a cache that outlives builds, for instance; only a package needs the place
                    if error.errno != errno.EBUSY or not name.startswith("."):
                        raise
                    self._mounted.add(name)
        self._emptied = True

    def _free_old(self) -> str:
        """A free place for the former entries, beside those of killed runs, some of which may be gone already."""
        return next(path for number in count() if not is_there(path := f"{self.path}/{_OLD}/{number}"))

    def mark(self, locations: Iterable[str]) -> None:
        """Have the next run place packages anew, unless `unmark` follows: their files are about to change in place.

        Raises:
            OSError: the folder cannot be written.
        """
        self._before = self.journal()
        before = self._before or Journal()
        self._write_journal(Journal(before.everything, tuple({*before.locations, *locations})))

    def unmark(self) -> None:
        """What was marked is as it should be, or somebody else knows that it is not."""
        if self._before is None:
            self._clear(JOURNAL)
        else:
            self._write_journal(self._before)

    # -- during ---------------------------------------------------------------------------------------------------

    def stage(self, destination: str) -> Exchange:
        """A place where the subtree for `destination` is to be built until commit."""
        self._staged += 1
        return Exchange(destination, f"{self.path}/{_NEW}/{self._staged}/{os.path.basename(destination)}")

    def commit(self, exchanges: Iterable[Exchange]) -> None:
        """Put all staged subtrees in place.

        Raises:
            OSError: a rename failed; `roll_back` takes back those before it.
        """
        for exchange in exchanges:
            self.set_aside(exchange.destination)
            # what was left out as an optional package has not been built
            if exchange.staged and is_there(exchange.staged):
                os.makedirs(os.path.dirname(exchange.destination), exist_ok=True)
                os.rename(exchange.staged, exchange.destination)

    def set_aside(self, path: str) -> None:
        """Move what stands at `path` away, so that something else can take its place; a failure puts it back.

        In a fresh folder nothing needs to be put back, and nothing is moved.
        """
        if self.fresh:
            return
        self._note_parents(path)
        if not is_there(path):
            self._done.append(_Step(path))
            return
        self._move_to_trash(path)

    def _move_to_trash(self, path: str) -> None:
        step = _Step(path, f"{self.path}/{_TRASH}/{len(self._done)}")
        self._done.append(step)
        if not self._move_or_delete(path, step.trash):
            step.trash = ""

    def _move_or_delete(self, path: str, trash: str) -> bool:
        """Whether it could be moved."""
        try:
            _move(path, trash)
        except OSError as error:
            if error.errno != errno.EXDEV or is_link(path) or not is_folder(path):
                raise
        else:
            return True
        self.is_lossy = True
        remove_tree(path)
        return False

    def discard(self, path: str) -> None:
        """Remove what stands at `path`: in a patched folder that is being changed when all has succeeded, else now."""
        if self.fresh or not self._began:
            remove_tree(path)
        else:
            self.set_aside(path)

    def preserve(self, path: str) -> None:
        """Have a failure put back the link that stands at `path`; anything else that stands there is set aside."""
        if self.fresh:
            return
        self._note_parents(path)
        if not is_link(path):
            self.set_aside(path)
            return
        trash = f"{self.path}/{_TRASH}/{len(self._done)}"
        os.symlink(os.readlink(path), trash)
        self._done.append(_Step(path, trash))

    def _note_parents(self, path: str) -> None:
        """The folders between this one and `path` may be made for its sake; what is no folder makes room for one."""
        parent = self.path
        for name in os.path.relpath(os.path.dirname(path), self.path).split("/"):
            parent = os.path.normpath(f"{parent}/{name}")
            if is_link(parent) or not is_folder(parent):
                if is_there(parent):
                    self._move_to_trash(parent)
                else:
                    self._done.append(_Step(parent))

    def _take_back(self) -> None:
        for step in reversed(self._done):
            if not step.trash:
                remove_tree(step.path)
            elif is_there(step.trash):
                remove_tree(step.path)
                _move(step.trash, step.path)
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
        if (self.fresh and not self._existed) or self.is_lossy:
            return
        if self._before is None:
            self._clear(JOURNAL)
        elif self.journal() != self._before:
            self._write_journal(self._before)

    def _roll_back_fresh(self, staging: str) -> None:
        if not self._existed:
            _discard(self.path, staging)
            if self.link:
                os.symlink(self.link, self.path)
            return
        if self._emptied:
            for name in os.listdir(self.path):
                if name not in _OURS and name not in self._mounted:
                    _discard(f"{self.path}/{name}", staging)
        if self._old and is_folder(self._old):
            for name in os.listdir(self._old):
                _move(f"{self._old}/{name}", f"{self.path}/{name}")
            os.rmdir(self._old)
        if is_folder(f"{self.path}/{_OLD}") and not os.listdir(f"{self.path}/{_OLD}"):
            os.rmdir(f"{self.path}/{_OLD}")

    def finish(self) -> None:
        """After success: the folder is complete, the journal and the former tree go."""
        if self._began:
            self._clear(_OLD, _NEW, _TRASH, JOURNAL)

    def forget_killed_run(self) -> bool:
        """The packages are as they should be: what a killed run has left beside them goes, and the journal last.

        Returns:
            Whether a run had been killed here.
        """
        if self.journal() is None:
            # the run had changed nothing yet
            self._clear(_UNFINISHED)
            return False
        self._clear(_OLD, _NEW, _TRASH, JOURNAL)
        return True

    def _clear(self, *names: str) -> None:
        for name in names:
            # on a read-only filesystem even the removal of what is not there fails
            if is_there(f"{self.path}/{name}"):
                remove_tree(f"{self.path}/{name}")

    def _write_journal(self, journal: Journal) -> None:
        write_whole(f"{self.path}/{JOURNAL}", msgspec.json.encode(journal))


def _move(source: str, destination: str) -> None:
    """Rename, even a folder that is closed to its owner: the system lets only those move that can be written."""
    try:
        os.rename(source, destination)
    except PermissionError:
        status = os.lstat(source)
        if not stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_IRWXU == stat.S_IRWXU:
            raise
        mode = stat.S_IMODE(status.st_mode)
        os.chmod(source, mode | stat.S_IRWXU)
        try:
            os.rename(source, destination)
        except BaseException:
            os.chmod(source, mode)
            raise
        os.chmod(destination, mode)


def _discard(path: str, staging: str) -> None:
    try:
        os.rename(path, f"{staging}/half-built-{os.getpid()}-{os.urandom(6).hex()}")
    except OSError:  # another filesystem or layer, or a store that cannot be written
        remove_tree(path)
