"""The store: where unpacked packages live on this host, shared by all projects.

::

    <root>/v1/sha512/ab/ab12…/    one package, unpacked, with its index (see `stages.entries.entry`)
    <root>/v1/git/ab/ab12…/       the same for a git commit, which has no tarball
    <root>/v1/patched/ab/ab12…/   the same for a package as a project's patch makes it
    <root>/v1/staging/            what is being written; nothing in it is ever read by another run

An entry appears by one rename, so any number of installers may share a store without waiting for each other. Everyone
holds a shared lock on the version folder while running; whoever finds itself alone may clean the staging folder, and
who prunes waits until it is alone. What is to go is settled then, by listing and renaming; it is deleted while others
are at work again. Who has to wait says so. The lock is ``flock`` on the folder itself: it needs no file, works on a
read-only store, and is gone with its last process, workers included. It is this host's: where several hosts share a
store, only what is old is taken for what a killed run has left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from pmpipe.errors import HostError, StoreError
from pmpipe.npm.texts.text import printable
from pmpipe.system.host import is_on_network
from pmpipe.tree.standing import STORE_VERSION
from stages.entries.entry import INDEX_NAME, EntryPath
from stages.entries.entry_removal import move_aside, take_out_damaged
from stages.file_lock import NoLocksError, flock
from stages.remove import remove_tree

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)

#: What has been in the staging folder of a store on the network for so long (seconds), nobody is writing any more.
_ABANDONED_S = 86_400

#: Who waits for the store says so after this long (seconds): cleaning up after a killed run seldom takes longer.
_UNTOLD_S = 0.3
_LOOK_AGAIN_S = 0.005

#: So long (seconds) a run cleans up after others before it begins; a prune that was killed may have left a lot, of
#: which each run then takes its part.
_CLEANING_S = 5.0

#: A store that is removed again and again while it is being opened is used as it is found at last.
_OPENINGS = 8

#: Variable by which a run tells the scripts that it starts which store it uses: who wants to be alone there would wait
#: for ever.
IN_USE = "PMPIPE_USES_STORE"

Tell = Callable[[str], object]


def _say_nothing(_: str) -> None:
    return


class Store:
    """One store on this host.

    Attributes:
        root: absolute path, as the user gave it.
        folder: its version folder.
        staging: folder for what is being written; on the same filesystem as the entries.
        writable: whether new entries can be added.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = f"{root}/{STORE_VERSION}"
        self.staging = f"{self.folder}/staging"
        self.writable = True
        self._lock_fd = -1
        #: to be deleted when others may use the store again
        self._aside: list[str] = []

    def refuse_modules_of(self, project: str) -> None:
        """Make sure that the store is not among what installs are about to remove.

        Args:
            project: absolute path of its folder.

        Raises:
            StoreError: it lies in a node_modules of the project.
        """
        inside = os.path.relpath(os.path.realpath(self.root), os.path.realpath(project)).split("/")
        if inside[0] != ".." and "node_modules" in inside:
            raise StoreError(
                f"the store at {printable(self.root)} lies in the project's own node_modules",
                hint="choose another place with --store-dir; `ci` removes what is in there",
            )

    def open(self, tell: Tell = _say_nothing) -> None:
        """Make the folders if need be, take a shared lock, and clean up after killed runs if nobody else is here.

        A store that cannot be written is opened for reading; `writable` tells.

        Args:
            tell: called with a line before a long wait for another run.

        Raises:
            StoreError: the path is no folder, or its folders cannot be made for another reason than permissions.
        """
        for more in reversed(range(_OPENINGS)):
            self._open_folder()
            if self._lock_fd < 0:
                return
            self._share(tell)
            if not more or self._is_in_place():
                return
            # it was removed meanwhile: a lock on what is no more keeps nobody out of its successor
            self.close()

    def _open_folder(self) -> None:
        try:
            os.makedirs(self.staging, exist_ok=True)
            self.writable = os.access(self.staging, os.W_OK)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise self.unusable(error) from error
            self.writable = False
        try:
            self._lock_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # a read-only place without a store: nothing to lock, and every package is missing
        except OSError as error:
            raise self.unusable(error) from error

    def _share(self, tell: Tell) -> None:
        left: list[str] = []
        try:
            if self.writable and self._is_alone():
                left = self._left_behind()
            # without locks nobody ever knows that he is alone, and nobody cleans up
            try:
                self._lock(fcntl.LOCK_SH, tell, "another pmpipe is pruning", "it")
            except NoLocksError:
                self._unlock()
        except OSError as error:
            raise self.unusable(error) from error
        self._remove(left, time.monotonic() + _CLEANING_S)

    def close(self) -> None:
        """Give the lock back."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def has(self, entry: str) -> bool:
        """Whether a complete entry stands at that path; a torn index shows only when it is read."""
        # an answer without a stat's: this is asked for every package of a tree
        return os.access(f"{entry}/{INDEX_NAME}", os.F_OK)

    def has_name(self, name: str) -> bool:
        """The same for an entry's name, its path within the version folder."""
        return self.has(f"{self.folder}/{name}")

    def entries(self) -> Iterator[EntryPath]:
        """The paths of everything that looks like an entry, complete or not.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            for algorithm in sorted(_folders(self.folder)):
                if algorithm == "staging":
                    continue
                for shard in sorted(_folders(f"{self.folder}/{algorithm}")):
                    for name in sorted(os.listdir(f"{self.folder}/{algorithm}/{shard}")):
                        yield EntryPath(f"{self.folder}/{algorithm}/{shard}/{name}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise self.unusable(error) from error

    def discard(self, entry: str) -> None:
        """Take a damaged entry out of the store, at once for everyone else; one that is sound by now stays.

        Raises:
            StoreError: it cannot be removed.
        """
        try:
            take_out_damaged(entry, self._place_aside())
        except OSError as error:
            raise self.unusable(error) from error

    def set_aside(self, entry: str) -> None:
        """Take an entry out of the store while it is held `alone`; it is deleted when others may use the store again.

        Raises:
            StoreError: it cannot be removed.
        """
        aside = self._place_aside()
        try:
            if move_aside(entry, aside):
                self._aside.append(aside)
        except OSError as error:
            raise self.unusable(error) from error

    def _place_aside(self) -> str:
        return f"{self.staging}/discarded-{os.getpid()}-{os.urandom(6).hex()}"

    @contextmanager
    def alone(self, tell: Tell = _say_nothing) -> Iterator[None]:
        """Wait until no other run on this host uses the store, and keep them out for the context's duration.

        What killed runs have left is removed afterwards, with what was set aside. Deleting may take minutes, and nobody
        has to wait for that.

        Args:
            tell: called with a line before a long wait for other runs.

        Raises:
            StoreError: the staging folder cannot be cleaned, or the filesystem knows no locks.
            HostError: a run that uses the store waits for the script that this one comes from.
        """
        used = os.environ.get(IN_USE)
        if used and os.path.realpath(used) == os.path.realpath(self.root):
            raise HostError(
                f"the pmpipe that uses the store at {printable(self.root)} has started this one, and waits for its end",
                hint="a package's script cannot prune the store that the package is being installed from",
            )
        self._wait_for_others(tell)
        if self._lock_fd < 0:
            yield  # there is no store
            return
        try:
            left: list[str] = []
            if self.writable:
                # somebody may have removed it while we waited, and nothing could be moved there
                os.makedirs(self.staging, exist_ok=True)
                left = self._left_behind()
            yield
        finally:
            try:
                flock(self._lock_fd, fcntl.LOCK_SH)
            except NoLocksError:
                self._unlock()
        # who is stopped before or within leaves it to the next run
        left += self._aside
        self._aside = []
        self._remove(left)

    def _wait_for_others(self, tell: Tell) -> None:
        try:
            for more in reversed(range(_OPENINGS)):
                if self._lock_fd < 0:
                    return
                self._lock(fcntl.LOCK_EX, tell, "other runs of pmpipe are using", "them")
                if not more or self._is_in_place():
                    return
                # it was removed while we waited: whoever uses its successor does not know of us
                self.close()
                self.open(tell)
        except NoLocksError as error:
            raise StoreError(
                f"cannot tell whether somebody else uses the store at {self.root}: its filesystem knows no locks",
                hint="remove the folder as a whole when nobody does; the next install makes it anew",
            ) from error

    def _lock(self, operation: int, tell: Tell, who: str, them: str) -> None:
        """Lock the version folder; if others are in the way for long, say that they are waited for.

        Raises:
            NoLocksError: the filesystem knows no locks.
        """
        told_s = time.monotonic() + _UNTOLD_S
        while time.monotonic() < told_s:
            with suppress(BlockingIOError):
                flock(self._lock_fd, operation | fcntl.LOCK_NB)
                return
            time.sleep(_LOOK_AGAIN_S)
        tell(f"{who} the store at {printable(self.root)}, waiting for {them} to end")
        flock(self._lock_fd, operation)

    def _unlock(self) -> None:
        """Hold nothing rather than keep others out, our own next opening among them: a server may run out of locks."""
        with suppress(NoLocksError):
            flock(self._lock_fd, fcntl.LOCK_UN)

    def _is_in_place(self) -> bool:
        """Whether the folder that is locked is still the store's."""
        try:
            return os.path.samestat(os.fstat(self._lock_fd), os.stat(self.folder))
        except OSError:
            return False

    def _is_alone(self) -> bool:
        """Whether no other run on this host uses the store; this one holds it then, and nobody can come."""
        try:
            flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, NoLocksError):
            return False
        return True

    def _left_behind(self) -> list[str]:
        """What runs that are no more have left in the staging folder; called by who is alone."""
        try:
            left = [f"{self.staging}/{name}" for name in os.listdir(self.staging)]
            if left and is_on_network(self.staging):
                # other hosts hold locks of their own, and may be writing
                long_ago_s = time.time() - _ABANDONED_S
                left = [path for path in left if _changed_s(path) < long_ago_s]
        except OSError as error:
            raise self.unusable(error) from error
        return left

    def _remove(self, paths: Iterable[str], until_s: float = float("inf")) -> None:
        try:
            for path in paths:
                _remove_if_allowed(path)
                if time.monotonic() >= until_s:
                    return
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: OSError) -> StoreError:
        """The error that the system refuses something in the store."""
        return StoreError(
            f"the store at {self.root} cannot be used: {error.strerror or error}",
            details=(f"path: {error.filename}",) if error.filename else (),
            hint="choose another place with --store-dir, or mend the folder's permissions",
        )


def _remove_if_allowed(path: str) -> None:
    """Delete what a run has left, unless it is another user's with whom the store is shared: his next run does it."""
    try:
        remove_tree(path)
    except FileNotFoundError:
        return  # somebody is cleaning up by hand
    except PermissionError:
        if os.lstat(path).st_uid == os.geteuid():
            raise


def _changed_s(path: str) -> float:
    """When something was last changed (seconds since the epoch); what is just being removed, never."""
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:
        return float("inf")


def _folders(path: str) -> list[str]:
    with os.scandir(path) as found:
        return [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
