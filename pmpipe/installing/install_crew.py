"""The processes of one install, made before it is known how much of them it takes.

Loading libcurl and the event loop takes fetch as long as the main process needs to find out what is wanted. So the
processes that will very probably have work start as soon as the settings are known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from pmpipe.errors import FilesystemError
from pmpipe.orders import StageName
from pmpipe.pipeline.driving import Crew
from pmpipe.pipeline.pipeline import install_settings, stages_for
from pmpipe.pipeline.sizing import fetch_settings, pipeline_sizes
from pmpipe.project.project_files import YARN_LOCK
from stages.document_cache import FOLDER_NAME

if TYPE_CHECKING:
    from pmpipe.installing.ahead import Ahead
    from pmpipe.resolving.machine import ResolveRun
    from pmpipe.resolving.resolve_inputs import ResolveInputs
    from pmpipe.session import Session
    from pmpipe.store import Store
    from pmpipe.tree.installed import EarlySurvey
    from pmpipe.tree.wanted import WantedPackage, WantedTree


class InstallCrew:
    """A crew with all stages; a context manager.

    Args:
        session: the project.

    Attributes:
        sizes: processes and queues.
        crew: the processes.
        resolve_inputs: what the resolve process is to do; to be set before it starts.
        resolve_run: a resolution of which the first documents are asked for already.
        ahead: what has been begun before there was a plan.
        surveyed: what stands in node_modules, if that was looked at before there was a plan.
        came_damaged: SRI of tarballs that were fetched while resolving, and damaged.
    """

    def __init__(self, session: Session) -> None:
        self.sizes = pipeline_sizes(session.config)
        self.resolve_inputs: ResolveInputs | None = None
        self.resolve_run: ResolveRun | None = None
        self.ahead: Ahead | None = None
        self.surveyed: EarlySurvey | None = None
        self.came_damaged: frozenset[str] = frozenset()
        #: there is no lock, and no packument is kept
        self._asks_for_all = False
        #: there is a lock, and nothing was installed from it
        self._is_cold = False
        network = fetch_settings(session.config, self.sizes, session.environ)
        self.crew = Crew(stages_for(self.sizes, network, self._given_inputs))

    def _given_inputs(self) -> ResolveInputs:
        assert self.resolve_inputs is not None, "resolve starts when it is known what is to be resolved"
        return self.resolve_inputs

    def get_ready(self, session: Session) -> None:
        """Start what will very probably have work, judging by what is not there; what has started stays.

        Raises:
            HostError: a process cannot be started.
        """
        config = session.config
        if config.offline or config.dry_run or session.is_tree_known:
            return
        if not session.lock:
            if not os.path.isdir(f"{session.store().folder}/{FOLDER_NAME}"):
                self.crew.prepare(StageName.FETCH)
                self._asks_for_all = True
        elif not (config.package_lock_only or os.path.lexists(f"{session.folder}/node_modules")):
            self.crew.prepare(StageName.FETCH, StageName.EXTRACT)
            self._is_cold = True

    def begin_before_resolver(self, session: Session) -> None:
        """Ask for the packuments that a resolution from nothing wants first, before it is loaded.

        Raises:
            PmpipeError, CancelledError: see `Crew.drive`.
        """
        from pmpipe.installing.frozen import is_frozen

        # what is installed would be taken for a lock, and a yarn.lock may have packages whose names are no registry's
        # business
        others = (f"{session.folder}/{name}" for name in ("node_modules", YARN_LOCK))
        if not self._asks_for_all or is_frozen(session) or any(map(os.path.lexists, others)):
            return
        from pmpipe.resolving.beginning import first_wants, make_run

        store = session.store()
        wants = first_wants(session.root_manifest(), session.config.registries, store)
        if wants:
            self.resolve_run = make_run(store, self.sizes, offline=False, goes_on=not session.config.package_lock_only)
            self.resolve_run.foresee(wants)
            self.crew.turn(self.resolve_run)

    def begin_while_working_out(self, session: Session, store: Store, *, durable: bool) -> None:
        """While it is being found out what tree is wanted, fetch and unpack what is sure to be part of it.

        Args:
            session: the project.
            store: opened.
            durable: store entries are flushed to the disk.

        Raises:
            PmpipeError, CancelledError: see `Crew.drive`.
        """
        child = session.child
        if child is None or not self._is_cold:
            return
        from pmpipe.planning.certain import decode

        certain = decode(child.told())
        if certain:
            self.ahead = self._begin(certain, session, store, durable=durable)
            self.ahead.run_until(child.fileno())

    def survey_early(self, session: Session) -> None:
        """Look at what stands in node_modules while the resolver makes a tree of the lockfile, and asks nothing."""
        from pmpipe.tree.installed import survey_early

        if not session.lock or session.config.package_lock_only:
            return
        # whoever needs it looks again, and tells what cannot be read
        with suppress(OSError, FilesystemError):
            self.surveyed = survey_early(session.folder)

    def begin_before_plan(self, tree: WantedTree, session: Session, store: Store, *, durable: bool) -> None:
        """Fetch and unpack the first packages of a tree while it is being planned how to place it.

        Args:
            tree: what is wanted, for a project that has nothing installed.
            session: the project.
            store: opened.
            durable: store entries are flushed to the disk.

        Raises:
            PmpipeError, CancelledError: see `Crew.drive`.
        """
        # if something is refused, the run may have to end without having fetched anything
        if (
            tree.refused
            or session.config.offline
            or session.config.dry_run
            or os.path.lexists(f"{session.folder}/node_modules")
        ):
            return
        from pmpipe.planning.certain import first_missing

        packages = first_missing(tree.packages, len(tree.packages), store.has_name)
        if packages:
            self.ahead = self._begin(packages, session, store, durable=durable)
            self.ahead.turn()

    def _begin(self, certain: Iterable[WantedPackage], session: Session, store: Store, *, durable: bool) -> Ahead:
        from pmpipe.installing.ahead import Ahead

        packages = session.means(store).package_list(session.folder)
        for package in certain:
            packages.number_of(package)
        settings = install_settings(self.sizes, store, durable=durable, offline=False, came_damaged=self.came_damaged)
        return Ahead(packages, settings, self.crew)

    def abandon(self) -> None:
        """There will be another lock than the one that was begun with."""
        if self.ahead is not None:
            self.ahead = None
            self.crew.stop()

    def __enter__(self) -> InstallCrew:  # noqa: PYI034 - Self is not in typing before 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.crew.end()
        else:
            self.crew.stop()
