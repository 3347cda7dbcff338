"""What every command on a project begins with: settings, project, lockfile, wanted tree."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from pmpipe.errors import ConfigError, LockfileError, LockfileOutOfSyncError
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.project.missing_files import no_lock, no_manifest
from pmpipe.project.project_files import (
    CATALOG_FILES,
    HIDDEN_LOCKFILE,
    LOCKFILES,
    MANIFEST,
    NO_CONTENTS,
    Contents,
    manifest_path,
    read_file,
)
from pmpipe.settings.config import Config
from pmpipe.system.aside import Aside, Tell
from pmpipe.tree.memory import Inputs, Remembered, digests_of, recall, remember, tree_key
from pmpipe.tree.standing import STORE_VERSION, count_standing, write_record
from pmpipe.tree.tree_settings import tree_settings

if TYPE_CHECKING:
    # a run with nothing to do pays for none of these
    from pmpipe.npm.locks.lock_graph import LockGraph
    from pmpipe.planning.planner import Means, Wanted
    from pmpipe.store import Store
    from pmpipe.tree.locked import LockedProject


_RESOLVED_URL = re.compile(rb'"resolved"\s*:\s*"http')


class Session:
    """One project with its settings.

    Args:
        config: all settings.
        folder: absolute path of the project.
        environ: the process's environment.
        may_be_new: the folder need not have a package.json yet.

    Attributes:
        lock_file: the lockfile's name, or the one that it is to get.
        lock: the lockfile's bytes; empty if there is none.
        is_own_lock: the lock was made by this run, and need not be compared with the package.json files.
        manifests: package.json files that this run has changed, but not written yet, by path.
        is_memorable: lock and package.json files will be on the disk when all is done, so that the next run can begin
            with what this one has found out.
        warnings: what was odd but harmless so far, one line each.
        untouched: locations that stay as they are, because the command is about some workspaces and what they need.
    """

    def __init__(self, config: Config, folder: str, environ: Mapping[str, str], *, may_be_new: bool = False) -> None:
        self.config = config
        self.folder = folder
        self.environ = environ
        self.lock_file, self.lock = _read_lock(folder)
        self.is_own_lock = False
        self.manifests: Contents = {}
        self._unavailable: tuple[str, ...] = ()
        self.untouched: frozenset[PackagePath] = frozenset()
        self._is_settled = False
        self._with_extraneous = False
        if not os.path.exists(f"{folder}/{MANIFEST}"):
            if not (may_be_new or self.lock):
                raise no_manifest(folder)
            self.manifests = {MANIFEST: b"{}"} if may_be_new else {}
        self.is_memorable = True
        self.warnings = [*config.warnings]
        #: what the store remembers under `tree_key`, once it was asked
        self._recalled: Remembered | None = None
        #: works the tree out
        self._child: Aside | None = None
        #: called with the lockfile's graph when it is known that it fits
        self._take_fitting: Callable[[LockGraph], None] | None = None
        #: a child has tried; whatever came of it, another one would not do better
        self._was_worked_out = False
        #: by workspace patterns
        self._found: dict[tuple[str, ...], Sequence[PackagePath]] = {}

    @classmethod
    def open(
        cls, flags: Mapping[str, object], environ: Mapping[str, str], folder: str, *, may_be_new: bool = False
    ) -> Session:
        """Read a project's settings and lockfile.

        Args:
            flags: what the command line says, by npm's setting names.
            environ: the process's environment.
            folder: absolute path of the project, from `find_project`.
            may_be_new: the folder need not have a package.json yet.

        Raises:
            PmpipeError: a setting or the lockfile cannot be used.
        """
        # --dir says where the project is; unlike npm's --prefix it does not move the global .npmrc there
        config = Config.load({**flags, "prefix": None}, environ, folder)
        if config.install_strategy == "linked":
            raise ConfigError(
                "install-strategy=linked is not supported: pmpipe makes no node_modules of links",
                hint="--install-strategy=hoisted makes npm's usual tree of the same lockfile",
            )
        return cls(config, folder, environ, may_be_new=may_be_new)

    # -- the wanted tree ------------------------------------------------------------------------------------------

    @cached_property
    def locked(self) -> LockedProject:
        """The project read, its lockfile parsed and checked; only for what is not remembered."""
        from pmpipe.tree.locked import LockSource, read_locked_project

        if not self.lock:
            raise no_lock(self.folder)
        source = LockSource(
            self.lock_file,
            self.lock,
            self.is_own_lock,
            self.manifests,
            self._unavailable,
            self._is_settled,
            self._with_extraneous,
            self.find_folders,
        )
        return read_locked_project(self.folder, self.config, self.environ, source, self._take_fitting)

    def find_folders(self, patterns: Sequence[str]) -> Sequence[PackagePath]:
        """The folders that workspace patterns name when the run first asks; see `pmpipe.project.workspace_folders`.

        A pattern like ``packages/**`` leads through all that is in there, which is done once.
        """
        key = tuple(patterns)
        found = self._found.get(key)
        if found is None:
            from pmpipe.project.workspace_folders import find_folders

            found = self._found[key] = find_folders(self.folder, key)
        return found

    def disregard_lock(self) -> None:
        """Go on as if there were no lockfile."""
        self.lock = b""

    def adopt(
        self,
        lock: bytes,
        manifests: Contents = NO_CONTENTS,
        *,
        unavailable: tuple[str, ...] = (),
        is_settled: bool = False,
        is_saved: bool = True,
        with_extraneous: bool = False,
    ) -> None:
        """Go on with a lock that this run has made.

        Args:
            lock: its bytes.
            manifests: the package.json files that this run changes, by path.
            unavailable: locations of optional packages in it that cannot be installed.
            is_settled: nothing of it is left out, whatever the settings say.
            is_saved: both will be written.
            with_extraneous: this time what nothing needs is installed, too. The next run takes it away again.
        """
        self.lock, self.is_own_lock, self.manifests = lock, True, manifests
        self.is_memorable = is_saved and not with_extraneous
        self._unavailable, self._is_settled, self._with_extraneous = unavailable, is_settled, with_extraneous
        for name in ("locked", "tree_key"):
            self.__dict__.pop(name, None)
        self._recalled, self._was_worked_out = None, False

    def wanted_if_current(self, store: Store) -> Wanted | None:
        """The tree that is to stand at the end; None if the lockfile must be made or brought up to date first.

        Args:
            store: where trees are remembered; opened.

        Raises:
            PmpipeError: as `wanted`, except that a lock may be missing or out of sync.
        """
        if not self.lock:
            return None
        try:
            return self.wanted(store)
        except LockfileOutOfSyncError:
            return None
        except LockfileError:
            if self.lock_can_be_mended:
                return None
            raise

    @property
    def lock_has_other_version(self) -> bool:
        """Whether ``lockfile-version`` asks for a lock of another version."""
        chosen = self.config.lockfile_version
        if chosen is None:
            return False
        from pmpipe.npm.locks.lock_version import has_version

        return not has_version(self.lock, chosen)

    @property
    def lock_says_where_packages_are(self) -> bool:
        """Whether the lock has URLs of registry packages, which ``omit-lockfile-registry-resolved`` leaves out."""
        if not self._may_say_where_packages_are:
            return False
        from pmpipe.npm.locks.lock_origin import from_registry

        graph = self.locked.graph
        return any(graph.lock.entries[path].resolved for path in from_registry(graph))

    @property
    def _may_say_where_packages_are(self) -> bool:
        # seldom both: a lock that npm made under this setting has none
        return self.config.omit_lockfile_registry_resolved and _RESOLVED_URL.search(self.lock) is not None

    @property
    def lock_can_be_mended(self) -> bool:
        """Whether the lock is of a kind that only resolving can read: of version 1, or with merge conflicts."""
        from pmpipe.npm.locks.lock_conflict import without_conflicts
        from pmpipe.npm.locks.lock_version import is_version_1

        merged = without_conflicts(self.lock, self.lock_file)
        return merged.had_conflict or is_version_1(merged.data)

    def wanted(self, store: Store) -> Wanted:
        """The tree that is to stand at the end.

        Args:
            store: where trees are remembered; opened.

        Raises:
            PmpipeError: a package.json or the lockfile cannot be used, they do not fit together, or a required package
                does not fit this host.
        """
        from pmpipe.planning.planner import Wanted

        return Wanted(
            self.folder,
            self._remembered(store).tree,
            # the project is parsed only if one of the two is asked
            left_out_with=lambda location: self.locked.left_out_with(location),  # noqa: PLW0108
            required_by=lambda location: self.locked.graph.chain(PackagePath(location)),
        )

    def _remembered(self, store: Store) -> Remembered:
        if not self.is_memorable:
            return Remembered(self._inputs(), self.locked.tree)
        if self._recalled is None and self._child is None:
            self._recalled = self._recall(store)
        if self._recalled is None and store.writable and not self._was_worked_out:
            child = self._child or Aside(lambda _: self.remember(store))
            self._child, self._was_worked_out = None, True
            if child.join():
                self._recalled = self._recall(store)
        return self._recalled or self._worked_out()

    def _recall(self, store: Store) -> Remembered | None:
        remembered = recall(store.folder, self.tree_key, self.folder, self.manifests, self.find_folders)
        # what is off about a lock is told, or is the end, in every run but the one that made it
        if remembered is not None and not (remembered.is_checked or self.is_own_lock):
            return None
        return remembered

    @property
    def is_tree_known(self) -> bool:
        """The store remembers the wanted tree; so the lock is of a kind that can be installed from."""
        return self._recalled is not None

    @contextmanager
    def working_ahead(self, tell_user: Callable[[str], None]) -> Iterator[None]:
        """Have a child find out what tree is wanted, if the store does not remember that; `wanted` waits for it.

        Args:
            tell_user: called with a line before a long wait for another run.
        """
        if not (self.lock and self.is_memorable):
            yield
            return
        store = self.store()
        store.open(tell_user)
        try:
            self._recalled = self._recall(store)
            if self._recalled is None and store.writable:
                self._child = Aside(lambda tell: self._work_out(store, tell))
            yield
        finally:
            self.stop_working_out()
            store.close()

    def _work_out(self, store: Store, tell: Tell) -> None:
        from pmpipe.planning.certain import certain_packages, encode, first_missing

        omit = frozenset(self.config.omit).difference(self.config.include)

        def take(graph: LockGraph) -> None:
            tell(encode(first_missing(certain_packages(graph, omit), len(graph.lock.entries), store.has_name)))

        self._take_fitting = take
        self.remember(store)

    @property
    def child(self) -> Aside | None:
        """Who is finding out what tree is wanted; it tells what is missing for sure (`pmpipe.planning.certain`)."""
        return self._child

    def stop_working_out(self) -> None:
        """Let go what `working_ahead` has begun: another tree will be wanted."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _worked_out(self) -> Remembered:
        drifted = not self.is_own_lock and self.locked.has_drifted
        return Remembered(self._inputs(), self.locked.tree, drifted, not self.is_own_lock or self.locked.is_in_order)

    def lock_has_drifted(self, store: Store) -> bool:
        """Whether the lockfile, which satisfies the package.json files, would be written differently all the same.

        Args:
            store: opened; the tree was wanted before.
        """
        return self._remembered(store).has_drifted

    def remember(self, store: Store) -> None:
        """Keep the wanted tree for the next run, or for the process that forked this one."""
        if self.is_memorable and self.locked.is_memorable:
            with self.optional_write("remember the tree"):
                remember(store.folder, self.tree_key, self._worked_out())

    def _inputs(self) -> Inputs:
        manifests = self.locked.project.manifests
        patterns, found = self.locked.workspace_folders
        # a folder without a package.json may get one, and is a workspace then
        read = [MANIFEST, *map(manifest_path, dict.fromkeys((*manifests.folders, *found)))]
        read += (manifests.root.patched_dependencies or {}).values()
        if self.locked.project.catalogs is not None:
            read += CATALOG_FILES
        return Inputs(digests_of(self.folder, read, self.manifests), patterns, found)

    # -- what the last install left -------------------------------------------------------------------------------

    def is_done(self) -> bool:
        """Everything is as the last install left it, and nothing that it followed from has changed."""
        return self.count_done() is not None

    def count_done(self) -> int | None:
        """How many packages there are, if it `is_done`; else None."""
        config = self.config
        if not self.lock or self.lock_has_other_version or self._may_say_where_packages_are:
            return None
        store = f"{config.store_dir}/{STORE_VERSION}"
        return count_standing(store, self.folder, self.tree_key, with_bins=config.bin_links, find=self.find_folders)

    def note_done(self, store: Store) -> None:
        """Record how the install that has just succeeded leaves the project."""
        if not self.is_memorable:
            return
        remembered = self._recalled or recall(store.folder, self.tree_key, self.folder, find=self.find_folders)
        # a lock that has drifted is looked at again, so that an `install` writes it anew
        if remembered is None or remembered.has_drifted or not remembered.is_checked:
            return
        if store.writable and os.path.exists(f"{self.folder}/{HIDDEN_LOCKFILE}"):
            with self.optional_write("record the install"):
                write_record(
                    store.folder,
                    self.folder,
                    self.tree_key,
                    remembered.inputs,
                    remembered.tree,
                    with_bins=self.config.bin_links,
                )

    @contextmanager
    def optional_write(self, doing: str) -> Iterator[None]:
        """What only saves time the next time is no reason to fail; the user is told."""
        try:
            yield
        except OSError as error:
            self.warnings.append(f"could not {doing} in the store: {error.strerror or error}")

    # -- the wanted tree's key ------------------------------------------------------------------------------------

    @cached_property
    def tree_key(self) -> str:
        """What the wanted tree is remembered under: a digest of lockfile, root package.json, settings and platform."""
        settings = tree_settings(self.config, self.environ, self.folder)
        settings["root"] = self.root_manifest().decode("utf-8", "backslashreplace")
        settings["file"] = self.lock_file
        return tree_key(self.lock, settings)

    def root_manifest(self) -> bytes:
        """The text of the project's package.json, as it will be; empty if there is none."""
        return self.manifests.get(MANIFEST) or read_file(self.folder, MANIFEST) or b""

    def hidden_lockfile(
        self,
        installed: Collection[PackagePath],
        built: Collection[PackagePath] = (),
        digests: Mapping[PackagePath, str] | None = None,
    ) -> bytes:
        """The text of the hidden lockfile, see `pmpipe.tree.hidden_lockfile.MakeHiddenLockfile`."""
        from pmpipe.npm.locks.hidden_lockfile import hidden_lockfile, in_layout_of
        from pmpipe.npm.texts.json_text import without_bom

        unresolved: frozenset[PackagePath] = frozenset()
        if self._may_say_where_packages_are:
            from pmpipe.npm.locks.lock_origin import from_registry

            unresolved = from_registry(self.locked.graph)
        anew = None
        if self._goes_on_with_drifted_lock:
            # loaded only here: hardly any lock is left as it is then
            from pmpipe.project.folder_entries import entries_as_read

            anew = entries_as_read(self.locked.graph)
        text = hidden_lockfile(without_bom(self.lock), installed, unresolved, built, anew, digests)
        # what a run has changed without saving it has no layout
        return in_layout_of(read_file(self.folder, MANIFEST) or b"", text)

    @property
    def _goes_on_with_drifted_lock(self) -> bool:
        """What a lockfile says of the project's folders is not what their package.json files say, and it stays so."""
        if self.is_own_lock:
            return False
        return self._recalled.has_drifted if self._recalled is not None else self.locked.has_drifted

    # -- means ----------------------------------------------------------------------------------------------------

    def store(self) -> Store:
        """The store, not opened yet.

        Raises:
            StoreError: it lies in the project's node_modules, where it would be removed while it is needed.
        """
        from pmpipe.store import Store

        store = Store(self.config.store_dir)
        store.refuse_modules_of(self.folder)
        return store

    def means(self, store: Store, damaged: frozenset[str] = frozenset()) -> Means:
        """What packages are made from."""
        from pmpipe.planning.planner import Means

        config = self.config
        return Means(store, config.registries, config.clone_method, damaged, with_bins=config.bin_links)


def _read_lock(folder: str) -> tuple[str, bytes]:
    for name in LOCKFILES:
        data = read_file(folder, name)
        if data:
            return name, data
    return LOCKFILES[-1], b""
