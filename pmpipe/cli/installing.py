"""An install from the command line: the request, progress, and what is recorded afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import msgspec

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.progress import Progress
from pmpipe.cli.summary import show
from pmpipe.cli.wording import some_of
from pmpipe.errors import LockfileError, PmpipeError
from pmpipe.installing.install import Install
from pmpipe.installing.install_crew import InstallCrew
from pmpipe.installing.install_request import Arrival, Request, Summary
from pmpipe.installing.repair import diagnose
from pmpipe.npm.texts.text import plural
from pmpipe.planning.planner import Wanted
from pmpipe.session import Session
from pmpipe.settings.choice import Choice
from pmpipe.store import Store
from pmpipe.system.interrupts import note_done
from pmpipe.tree.sources import lacks_digest

if TYPE_CHECKING:
    # an install from a lockfile that will do pays for none of these: resolving is a third of all there is to import
    from pmpipe.changing.change_resolver import ChangeOrder
    from pmpipe.changing.dependency_changes import DependencyChange
    from pmpipe.lifecycle.scripts import Scripts
    from pmpipe.project.project_write import ProjectWrite
    from pmpipe.resolving.made import Made
    from pmpipe.resolving.resolution import Resolved


class Extent(msgspec.Struct, frozen=True):
    """What an install may change.

    Attributes:
        order: what is to change in the package.json files and the lock; None: only what must.
        choice: the workspaces whose part of node_modules changes.
        arrival: where the tree goes before its scripts run; None: it stays where it is built.
    """

    order: ChangeOrder | None = None
    choice: Choice = msgspec.field(default_factory=Choice)
    arrival: Arrival | None = None


def install(
    line: CommandLine,
    session: Session,
    output: Output,
    started: float,
    extent: Extent | None = None,
    crew: InstallCrew | None = None,
) -> Summary:
    """Install a project that is not known to be as it should be; what was done.

    Args:
        line: what was asked for.
        session: the project, locked.
        output: where words go.
        started: when the command began, by the monotonic clock in seconds.
        crew: the session's processes, if some of them are started already.
        extent: what is to change; the whole of node_modules, and nothing in package.json, by default.

    Raises:
        PmpipeError: it could not be done, and the project is as it was.
    """
    extent = extent or Extent()
    # what is odd about the settings
    oddities = [*session.warnings]
    try:
        store = session.store()
        store.open(tell)
        try:
            with crew or InstallCrew(session) as all_crew:
                all_crew.get_ready(session)
                summary = _install(line, session, store, output, extent, all_crew)
                if not session.config.dry_run:
                    # what is left is to keep packuments, to record how things are, and to tell
                    note_done()
            for note in all_crew.crew.notes:
                output.debug(note)
            if not (session.config.dry_run or extent.arrival) and not (
                summary.left_out or summary.recorded or summary.built
            ):
                session.note_done(store)
        finally:
            store.close()
        summary.warnings[:0] = session.warnings
        summary.warnings += all_crew.crew.warnings
        show(summary, output, time.monotonic() - started, dry_run=session.config.dry_run)
    except PmpipeError:
        # it may be why something could not be had
        output.warn(oddities)
        raise
    return summary


def _install(
    line: CommandLine, session: Session, store: Store, output: Output, extent: Extent, crew: InstallCrew
) -> Summary:
    progress = Progress.for_terminal(
        session.environ, enabled=session.config.progress and output.shows("notice") and not session.config.json
    )
    job = _Job(line, session, store, output, progress, extent, crew)
    try:
        return job.run()
    finally:
        progress.close()


class _Job(msgspec.Struct):
    """One install from the command line, its parts in their order."""

    line: CommandLine
    session: Session
    store: Store
    output: Output
    progress: Progress
    extent: Extent
    crew: InstallCrew

    def run(self) -> Summary:
        session = self.session
        is_ci = self.line.command == "ci"
        if not (self.line.repair or self.extent.order or self.extent.choice.limits):
            self.crew.begin_while_working_out(session, self.store, durable=self.line.durable)
        if is_ci and not self._is_version_1():
            return self._install(session.wanted(self.store))
        only_lock = session.config.package_lock_only and not is_ci
        if self.extent.order is None:
            wanted = session.wanted_if_current(self.store)
            if wanted is not None and (is_ci or not self._may_write_anew()):
                if not only_lock:
                    return self._install(wanted)
                session.warnings += wanted.tree.warnings
                return Summary(kept=wanted.tree.count())
            if wanted is None and not is_ci:
                from pmpipe.installing.frozen import require_unfrozen

                require_unfrozen(session, self.store)
        return self._resolve(only_lock=only_lock, is_ci=is_ci)

    def _is_version_1(self) -> bool:
        if self.session.is_tree_known:
            return False
        from pmpipe.npm.locks.lock_version import is_version_1

        return is_version_1(self.session.lock)

    def _may_write_anew(self) -> bool:
        """Whether a lock that will do is brought up to date all the same, as npm's `install` does it."""
        session = self.session
        config = session.config
        if not (config.package_lock and config.save) or self._is_frozen():
            return False
        # the first two can be had without asking any registry
        return (
            session.lock_has_other_version
            or session.lock_says_where_packages_are
            or (not config.offline and session.lock_has_drifted(self.store))
        )

    def _is_frozen(self) -> bool:
        from pmpipe.installing.frozen import is_frozen

        return is_frozen(self.session)

    def _resolve(self, *, only_lock: bool, is_ci: bool) -> Summary:
        session = self.session
        old = session.lock
        session.stop_working_out()
        self.crew.abandon()
        resolved = self._run_resolution(goes_on=not only_lock, runs_code=not is_ci)
        kept_from = self._tell_of_other_files(resolved)
        made = resolved.made
        self._adopt(made, is_ci=is_ci)
        if is_ci:
            from pmpipe.installing.frozen import require_same_versions

            require_same_versions(session, old)
        write = self._write(made) if not is_ci else None
        if write is not None and only_lock:
            if not session.config.dry_run:
                write.apply()
                note_done()
            summary = Summary(kept=0 if write.changed else made.packages)
        else:
            wanted = session.wanted(self.store)
            if not (self.line.repair or self.extent.choice.limits):
                self.crew.begin_before_plan(wanted.tree, session, self.store, durable=self.line.durable)
            summary = self._install(wanted, write, frozenset(made.never_built))
        summary.written = write.changed if write is not None else ()
        summary.add_stages(resolved.stage_s)
        summary.resolved, summary.documents = resolved.packages, resolved.documents
        summary.kept_from = kept_from
        summary.changed = self._changed(old, made)
        summary.counts.add(resolved.counts)
        return summary

    def _run_resolution(self, *, goes_on: bool, runs_code: bool) -> Resolved:
        from pmpipe.resolving.beginning import make_run, new_wants
        from pmpipe.resolving.resolution import resolve, resolve_inputs

        session, crew, extent = self.session, self.crew, self.extent
        crew.resolve_inputs = resolve_inputs(
            session, self.store, extent.order, extent.choice, goes_on=goes_on, runs_code=runs_code
        )
        config, run = session.config, crew.resolve_run
        if run is None:
            run = make_run(self.store, crew.sizes, offline=config.offline, goes_on=goes_on)
            if not config.offline and config.source_policy is None:
                run.foresee(new_wants(crew.resolve_inputs.order, config.registries, self.store))
        try:
            resolved = resolve(
                run, self.store, crew.crew, self.progress.show_resolving, lambda: crew.survey_early(session)
            )
        except PmpipeError:
            # it may be why something could not be had
            self.output.warn(self._unheeded_registries())
            raise
        crew.came_damaged = resolved.came_damaged
        for note in resolved.notes:
            self.output.debug(note)
        return resolved

    def _tell_of_other_files(self, resolved: Resolved) -> str:
        """Warn of what other package managers' files say and was not heeded; the lockfile that was taken up, if any."""
        from pmpipe.foreign.release_age import unheeded_release_age
        from pmpipe.foreign.unheeded_settings import unheeded_settings
        from pmpipe.project.foreign_locks import first_lock, overruled_locks, unread_locks

        session, inputs = self.session, self.crew.resolve_inputs
        assert inputs is not None, "the resolution is over"
        session.warnings += [*self._unheeded_registries(), *resolved.warnings, *unheeded_settings(session.folder)]
        session.warnings += unheeded_release_age(session.folder, session.config.settings)
        project = inputs.order.project
        if project.update_all:
            return ""
        if project.locked is None:
            session.warnings += unread_locks(session.folder)
            # there may be nothing in it
            return first_lock(session.folder) if project.pins else ""
        if not session.lock and session.config.package_lock:
            session.warnings += overruled_locks(session.folder)
        return ""

    def _adopt(self, made: Made, *, is_ci: bool) -> None:
        """Go on with the lock that was made."""
        from pmpipe.installing.frozen import under_head_of
        from pmpipe.resolving.inputs import is_global

        session = self.session
        # a lock of version 1 was completed to be installed from, and stays as it is; or nothing is to be saved
        is_for_now = is_ci or not self._saves_lock(made)
        session.adopt(
            under_head_of(session.lock, made.lock) if is_for_now else made.lock,
            made.manifests,
            unavailable=made.unavailable,
            is_saved=made.is_saved,
            with_extraneous=made.has_extraneous and not (is_ci or is_global(session.config)),
        )

    def _changed(self, old: bytes, made: Made) -> list[DependencyChange]:
        """What became of what the project asks for; of one that is new, all is."""
        order = self.extent.order
        if not old and order is None:
            return []
        from pmpipe.changing.dependency_changes import dependency_changes

        manifests = {} if order is None else {path: one.document for path, one in order.manifests.items()}
        changes = dependency_changes(old, made.lock, manifests)
        kind = "global" if self.extent.arrival is not None else "" if made.saves_lock else "not saved"
        return [msgspec.structs.replace(one, kind=kind) for one in changes] if kind else changes

    def _unheeded_registries(self) -> list[str]:
        from pmpipe.foreign.foreign_registries import unheeded_registries

        return unheeded_registries(self.session.folder, self.session.config.registries)

    def _write(self, made: Made) -> ProjectWrite:
        from pmpipe.project.project_files import YARN_LOCK
        from pmpipe.project.project_write import ProjectWrite

        session = self.session
        files = {**made.manifests} if made.saves_manifests else {}
        if self._saves_lock(made):
            files[session.lock_file] = made.old_lock or made.lock
            if made.yarn_lock:
                files[YARN_LOCK] = made.yarn_lock
        return ProjectWrite(session.folder, files)

    def _saves_lock(self, made: Made) -> bool:
        return made.saves_lock and self.session.config.package_lock

    def _install(
        self, wanted: Wanted, write: ProjectWrite | None = None, never_built: frozenset[str] = frozenset()
    ) -> Summary:
        session, config, line = self.session, self.session.config, self.line
        if self.extent.choice.limits:
            from pmpipe.installing.chosen_part import limit

            choice = self.extent.choice
            prunes = choice.none and line.command == "prune"
            wanted = limit(session, choice, self.store, fresh=line.command == "ci", prunes=prunes)
        scripts = self._scripts(wanted)
        tree = scripts.gate.with_prepared(wanted.tree, config, session.environ)
        wanted = msgspec.structs.replace(wanted, tree=tree)
        warnings = session.warnings
        warnings += [*wanted.tree.warnings, *_check_digests(wanted, session, is_ci=line.command == "ci")]
        warnings += _links_to_nothing(wanted)
        request = Request(
            fresh=line.command == "ci",
            durable=line.durable,
            offline=config.offline,
            dry_run=config.dry_run,
            sizes=self.crew.sizes,
            crew=self.crew.crew,
            came_damaged=self.crew.came_damaged,
            hidden_lockfile=session.hidden_lockfile,
            watch=self.progress.show,
            write=write,
            ahead=self.crew.ahead,
            surveyed=self.crew.surveyed,
            scripts=scripts,
            notes_built=config.bin_links or not config.ignore_scripts,
            never_built=never_built,
            arrival=self.extent.arrival,
        )
        # what is not to be saved is not to be completed either
        has_lock = write is None or session.lock_file in write.files
        means = session.means(self.store)
        if any(package.is_prepared for package in tree.packages):
            from pmpipe.lifecycle.preparing import preparation_for

            preparation = preparation_for(tree, config, scripts.make_environment(), session.environ)
            means = msgspec.structs.replace(means, preparation=preparation)
        install = Install(wanted, means, request)
        summary = _repaired(install, scripts, session, self.output) if line.repair else install.run()
        built = summary.built
        if built and (line.command == "ci" or not config.save or self._is_frozen()):
            built = []
        if (summary.recorded or built) and config.package_lock and has_lock:
            from pmpipe.project.lock_record import complete_lockfile

            complete_lockfile(f"{session.folder}/{session.lock_file}", summary.recorded, built)
        warnings += about_scripts(scripts)
        if scripts.unreviewed and self.extent.arrival is None:
            warnings += _allowed_elsewhere(session.folder, scripts.unreviewed)
        return summary

    def _scripts(self, wanted: Wanted) -> Scripts:
        """What is to be done about lifecycle scripts."""
        from pmpipe.lifecycle.making import make_scripts

        session = self.session
        scripts = make_scripts(
            session, self.store, self.line.command, self.progress.show_scripts, links=self._chosen_links(wanted)
        )
        scripts.gate.require_reviewed(wanted.tree, session.config)
        session.warnings += scripts.gate.warnings
        return scripts

    def _chosen_links(self, wanted: Wanted) -> Collection[str] | None:
        """The linked folders that are meant; None if all are.

        What a chosen workspace needs is built with it, so that it finds what their ``prepare`` makes.
        """
        choice = self.extent.choice
        if not choice.limits:
            return None
        tree, untouched = wanted.tree, self.session.untouched
        meant = {
            package.link_target
            for package in tree.packages
            if package.link_target is not None and package.location not in untouched
        }
        return meant.difference(tree.workspaces) if choice.none else meant


def about_scripts(scripts: Scripts) -> Iterator[str]:
    """Warnings about scripts that have not run."""
    labels = scripts.unreviewed
    if labels:
        packages = plural(len(labels), "package has", "packages have")
        yield f"{packages} install scripts that nobody has allowed: {some_of(labels)}; {scripts.gate.how_to_allow}"
    for label in scripts.unprepared:
        yield f"{label} comes from git and has a prepare script, which has not run: what that makes is missing"
    for path in scripts.misplaced:
        yield f"allowScripts in {path}/package.json is passed over: the project's package.json says what is allowed"


def _allowed_elsewhere(folder: str, labels: Collection[str]) -> Iterator[str]:
    """Warnings about packages that another package manager is told to build; it does not go without saying here."""
    from pmpipe.foreign.allowed_elsewhere import allowed_elsewhere

    names = list(dict.fromkeys(label.rpartition("@")[0] for label in labels))
    for place, allowed in allowed_elsewhere(folder, names).items():
        approve = f"`pmpipe install-scripts approve {' '.join(allowed)}`"
        yield f"{place} does not count for npm, nor here: {approve} allows the same in npm's words"


def _check_digests(wanted: Wanted, session: Session, *, is_ci: bool) -> list[str]:
    """Warnings about packages from the network that nothing verifies: `ci` refuses them, `install` records digests."""
    lacking = [package.location for package in wanted.tree.packages if lacks_digest(package)]
    if lacking and is_ci:
        raise LockfileError(
            f"{session.lock_file} has no usable integrity for {plural(len(lacking), 'package')} from the network",
            details=lacking[:20],
            hint="`pmpipe install` computes and records it",
        )
    return [f"{path} has no usable integrity in {session.lock_file}; it will be recorded" for path in lacking]


def _links_to_nothing(wanted: Wanted) -> list[str]:
    """Warnings about folders that are not there: they are linked all the same, as npm does it.

    A folder inside a package is not judged: the package that brings it may not be there yet.
    """
    return [
        f"{package.location} is a link to {target}, and there is no such folder"
        for package in wanted.tree.packages
        if (target := package.link_target) is not None
        and "node_modules" not in target.split("/")
        and not os.path.isdir(os.path.join(wanted.project, target))
    ]


def _repaired(install: Install, scripts: Scripts, session: Session, output: Output) -> Summary:
    """Examine the whole tree, then install with the files that must be restored. What scripts have built is rebuilt."""
    built = frozenset() if session.config.ignore_scripts else scripts.built(install.wanted.tree)
    diagnosis = diagnose(install.wanted, install.means.store, install.request.sizes, built)
    install.diagnosis = diagnosis
    install.means = msgspec.structs.replace(install.means, damaged=diagnosis.damaged_entries)
    for path in (*diagnosis.missing, *diagnosis.changed):
        output.note(f"restoring {path}")
    return install.run()
