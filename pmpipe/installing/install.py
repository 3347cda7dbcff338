"""One install, from the lockfile's selection to the hidden lockfile: what `ci` and `install` do to a project.

::

    survey node_modules ─> plan ─> begin ─> pipeline ─> commit ─> late links ─> scripts ─> hidden lockfile ─> finish
                             │       └──────────┴─ failure: roll back, report ──┴─────────┘
                             └ nothing to do: done

Nothing in the project is touched before the plan is complete, and what the pipeline builds stays only if all of it
succeeds (see `pmpipe.installing.tree_change` and `pmpipe.tree.transaction`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property

import msgspec

from pmpipe.errors import FilesystemError, PmpipeError, StoreError, after
from pmpipe.installing.ahead import Ahead
from pmpipe.installing.early_stages import stages_needed
from pmpipe.installing.install_request import Arrival, Request, Summary
from pmpipe.installing.repair import Diagnosis
from pmpipe.installing.tree_change import TreeChange
from pmpipe.lifecycle.step import ScriptStep
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.texts.text import plural
from pmpipe.pipeline.checking import CheckTask
from pmpipe.pipeline.driving import check
from pmpipe.pipeline.pipeline import install_settings
from pmpipe.pipeline.report import failures_error
from pmpipe.placements import PlacementState
from pmpipe.plan import FolderLink, Link, LocalFolder, Placement, Plan
from pmpipe.planning.brought import brought_along, own_paths, separate_locations
from pmpipe.planning.planner import Means, Planner, Wanted, Work, stands
from pmpipe.scheduler import Scheduler
from pmpipe.system.interrupts import CancelledError, note_done, signals_ignored
from pmpipe.system.owners import unwritable_hint
from pmpipe.tasks import STAGE_OF
from pmpipe.tree.hidden_lockfile import HiddenLockfile
from pmpipe.tree.installed import Installed, survey
from pmpipe.tree.sources import entry_candidates, lacks_digest
from pmpipe.tree.standing import forget
from stages.remove import remove_tree

#: where executables of the packages that lie in no other are linked, relative to the project
_TOP_BIN_FOLDER = "node_modules/.bin"


class Install(msgspec.Struct, dict=True):
    """Carries one request out.

    Args:
        wanted: the tree at the end.
        means: store and registries.
        request: what the user asked for.
        diagnosis: files to restore, if the tree was examined.
    """

    wanted: Wanted
    means: Means
    request: Request
    diagnosis: Diagnosis = msgspec.field(default_factory=Diagnosis)
    summary: Summary = msgspec.field(default_factory=Summary)
    #: what has begun already, until the plan has taken it over
    _ahead: Ahead | None = None

    @cached_property
    def _change(self) -> TreeChange:
        try:
            return TreeChange.find(self.wanted.project, self.wanted.tree, fresh=self.request.fresh)
        except OSError as error:
            raise _unreadable(error) from error

    @cached_property
    def _hidden(self) -> HiddenLockfile:
        return HiddenLockfile(self.wanted.project, self.wanted.tree, self._change.folders, self.request.hidden_lockfile)

    def run(self) -> Summary:
        """Do it.

        Raises:
            PmpipeError: it could not be done, and the project is as it was.
            CancelledError: a signal ended the run, and the project is as it was.
        """
        request = self.request
        if not request.dry_run and not self._change.patched:
            # libraries are loaded while the plan is being made
            request.crew.prepare(*stages_needed(self.wanted.tree, self.means.store, offline=request.offline))
        self._run()
        return self.summary

    def _run(self) -> None:
        installed = self._survey()
        if self.wanted.tree.refused:
            self._leave_out_refused(installed)
        for path in (*self.diagnosis.unverifiable, *self.diagnosis.built):
            # nothing says how its files should be: it is placed anew
            installed.packages.pop(path, None)
        if self.request.scripts is not None:
            for path in self.request.scripts.due(self.wanted.tree):
                # what its scripts begin with is what was unpacked
                installed.packages.pop(path, None)
        try:
            work = self._planner(installed).make()
        except OSError as error:
            raise _unreadable(error) from error
        self.summary.kept = work.kept
        self.summary.removed = work.removed
        if self.request.dry_run:
            self.summary.placed = len(work.plan.placements)
        elif not work.is_nothing() or self._has_to_empty():
            self._carry_out(work)
        else:
            self._place_nothing(installed)

    def _leave_out_refused(self, installed: Installed) -> None:
        from pmpipe.planning.refused import allowed_part

        allowed = allowed_part(self.wanted, lambda package: stands(package, installed))
        self.wanted = allowed.wanted
        self.summary.left_out += sorted(allowed.left_out)
        self.summary.warnings += allowed.warnings

    def _planner(self, installed: Installed) -> Planner:
        ahead = self._ahead = self.request.ahead
        return Planner(
            self.wanted,
            self.means,
            ahead.packages if ahead is not None else self.means.package_list(self.wanted.project),
            self._change.folders,
            installed,
            self.diagnosis.damaged,
            ahead.turn if ahead is not None else None,
        )

    def _place_nothing(self, installed: Installed) -> None:
        at_the_end = ExitStack()
        try:
            step = self._run_scripts(frozenset(), (), lambda _: None)
            self._write_files()
            changed = self._change.forget_killed_runs()
            relinked = step is not None and step.relinked
            is_told_rightly = installed.trusted and not (installed.doubtful or installed.lost)
            rewrites = not is_told_rightly or changed or relinked or self.request.write is not None
            if rewrites or not self._hidden.is_current():
                self._hidden.write()
            self._settle()
            at_the_end.enter_context(signals_ignored())
        except BaseException as error:
            with signals_ignored():
                self._unwrite_files()
            if isinstance(error, OSError):
                raise _unwritable(error) from error
            raise
        with at_the_end:
            note_done()

    def _settle(self) -> None:
        if self.request.arrival is not None:
            self.request.arrival.settle()

    def _write_files(self) -> None:
        if self.request.write is not None:
            self.request.write.apply()

    def _unwrite_files(self) -> None:
        if self.request.write is not None:
            self.request.write.undo()

    # -- before ---------------------------------------------------------------------------------------------------

    def _survey(self) -> Installed:
        patched = self._change.patched
        if not patched:
            return Installed()
        try:
            installed = survey(self.wanted.project, patched, self.wanted.tree, self.request.surveyed)
            # a linked folder that nothing is wanted in any more is not among those of the wanted tree
            self._change.include(installed.elsewhere)
        except OSError as error:
            raise _unreadable(error) from error
        if installed.doubtful:
            self._resolve_doubts(installed)
        brought = brought_along(installed.extraneous, self.wanted.project, self.wanted.tree, self.means.store)
        installed.extraneous = [path for path in installed.extraneous if path not in brought]
        return installed

    def _has_to_empty(self) -> bool:
        try:
            return self._change.has_to_empty()
        except OSError as error:
            raise _unreadable(error) from error

    def _resolve_doubts(self, installed: Installed) -> None:
        """Compare with the store what has changed since the hidden lockfile was written; believe only what agrees."""
        store = self.means.store
        tasks = []
        for package in self.wanted.tree.packages:
            # scripts change the files of their own package, and rightly so
            if package.location in installed.doubtful and not package.has_install_script and not package.in_bundle:
                folder = f"{self.wanted.project}/{package.location}"
                stored = filter(store.has, entry_candidates(store.folder, package))
                tasks += [CheckTask(package.location, entry, folder) for entry in stored]
        separate = separate_locations(self.wanted.tree.packages)
        for finding in check(tasks, self.request.sizes):
            differs = [*finding.missing, *finding.changed]
            if differs and not own_paths(finding.task.label, differs, separate):
                continue
            installed.packages.pop(PackagePath(finding.task.label), None)

    # -- the change -----------------------------------------------------------------------------------------------

    def _carry_out(self, work: Work) -> None:
        self._require_store(work)
        at_the_end = ExitStack()
        try:
            if self.means.store.writable:
                forget(self.means.store.folder, self.wanted.project)
            self.summary.warnings += self._change.begin(work)
            self._prepare_copied(work.plan)
            scheduler = self._run_pipeline(work.plan)
            self._change.commit(work.exchanges)
            self._make_late_links(work.late_links, scheduler)
            self._tell(scheduler)
            self._build(scheduler)
            self._warn_of_deprecated(scheduler)
            self._write_files()
            self._hidden.make_room()
            # once it is written the new tree counts: a signal comes too late
            at_the_end.enter_context(signals_ignored())
            self._hidden.write(self.summary.left_out, self.summary.built, self.summary.recorded)
        except BaseException as error:
            with at_the_end, signals_ignored():
                self._roll_back(error)
            shown = _unwritable(error) if isinstance(error, OSError) else error
            if self._change.is_lossy:
                _tell_loss(shown)
            if shown is not error:
                raise shown from error
            raise
        with at_the_end:
            note_done()
            try:
                self._settle()
                self._change.finish()
            except OSError as error:
                raise FilesystemError(
                    f"the new tree is complete, but what was there before cannot be removed: {error.strerror}",
                    details=(f"path: {error.filename}",),
                ) from error
            try:
                self._hidden.touch()
            except OSError as error:
                # whoever reads it takes it for older than the tree, and looks at the tree instead
                self.summary.warnings.append(f"cannot set the time of {self._hidden.path}: {error.strerror}")

    def _roll_back(self, cause: BaseException) -> None:
        """Put all folders back.

        Raises:
            FilesystemError: that has failed, too.
        """
        failed: list[str] = []
        # first, while there is still a journal: what a kill leaves here is completed by what the files said before
        try:
            self._unwrite_files()
        except FilesystemError as error:
            failed.append(error.what)
        failed += self._change.roll_back(self.means.store.staging)
        if failed:
            raise FilesystemError(
                failed[0],
                details=(*failed[1:], *after(cause)),
                hint="the next `pmpipe install` completes the tree",
            ) from cause

    def _require_store(self, work: Work) -> None:
        missing = [package.label for package in work.plan.packages if not package.stored]
        if missing and not self.means.store.writable:
            raise StoreError(
                f"the store at {self.means.store.root} cannot be written, and lacks {plural(len(missing), 'package')}",
                details=missing[:10],
                hint="choose another place with --store-dir",
            )

    def _prepare_copied(self, plan: Plan) -> None:
        """Have the folders that are to be packed make what they consist of."""
        folders = {one.location: one.origin.path for one in plan.packages if isinstance(one.origin, LocalFolder)}
        if not folders:
            return
        copied = [
            (package, folders[package.location]) for package in self.wanted.tree.packages if package.location in folders
        ]
        if self.request.scripts is not None:
            self.request.scripts.prepare_copied(copied)

    def _run_pipeline(self, plan: Plan) -> Scheduler:
        sizes, request = self.request.sizes, self.request
        if self._ahead is not None:
            scheduler = self._ahead.scheduler
            scheduler.complete(plan)
            self._count_stages(self._ahead.stage_s)
            self._ahead = None
        else:
            settings = install_settings(
                sizes,
                self.means.store,
                durable=request.durable,
                offline=request.offline,
                came_damaged=request.came_damaged,
            )
            scheduler = Scheduler(plan, settings)
        stage_s = request.crew.drive(scheduler, lambda: self._watch(scheduler), is_last=True)
        self._count_stages(stage_s)
        if scheduler.failures:
            raise failures_error(scheduler.failures, plan.required_by)
        return scheduler

    def _count_stages(self, stage_s: Mapping[str, float]) -> None:
        # the crew may have stages that resolve, too
        names = {stage.value for stage in STAGE_OF.values()}
        self.summary.add_stages({name: seconds for name, seconds in stage_s.items() if name in names})

    def _watch(self, scheduler: Scheduler) -> None:
        """What is done at every wake-up."""
        if 2 * scheduler.counts.placed > len(scheduler.plan.placements):
            # all processes have work for a while; at the end, everybody would wait for this
            self._hidden.make_ahead()
        self.request.watch(scheduler)

    def _make_late_links(self, links: Iterable[Link], scheduler: Scheduler) -> None:
        states = scheduler.placements.states
        made = [
            msgspec.structs.replace(link, after=None)
            for link in links
            if link.after is None or states[link.after] is PlacementState.PLACED
        ]
        if made:
            self._change.preserve(_paths_of(made))
            late = self._run_pipeline(Plan(links=made))
            scheduler.counts.linked += late.counts.linked
            scheduler.warnings += late.warnings

    def _build(self, scheduler: Scheduler) -> None:
        """Run the scripts of what was placed, and of linked folders."""
        filled = {PackagePath(placement.location) for placement in _placed(scheduler) if not placement.only}
        tree = self.wanted.tree
        # parents come before what lies in them
        for package in tree.packages:
            if package.in_bundle and package.holder in filled:
                filled.add(package.location)
        step = self._run_scripts(filled, frozenset(map(PackagePath, scheduler.gyp)), self._preserve)
        if step is not None:
            self.summary.left_out = sorted({*self.summary.left_out, *step.left_out})
            left = [one for one in _placed(scheduler) if one.location not in step.left_out]
            self.summary.placed = len(left)

    def _run_scripts(
        self,
        placed: Collection[PackagePath],
        gyp: Collection[PackagePath],
        preserve: Callable[[Iterable[Link]], None],
    ) -> ScriptStep | None:
        scripts, summary, wanted, discard = self.request.scripts, self.summary, self.wanted, self._change.discard
        arrival = self.request.arrival
        if arrival is not None:
            placed, wanted = self._move(arrival, placed)
            preserve, discard = _preserver(arrival), remove_tree
        if scripts is None:
            return None
        step = ScriptStep(wanted, scripts, discard, preserve, lambda plan: self._run_pipeline(plan).warnings)
        step.run(placed, gyp)
        # what was said of executables that were missing may be true no more
        former = tuple(f"{path}: its bin " for path in step.relinked)
        summary.warnings = [one for one in summary.warnings if not one.startswith(former)] + step.warnings
        summary.scripts_run, summary.scripts_skipped = scripts.ran, scripts.unrun
        return step

    def _move(self, arrival: Arrival, placed: Collection[PackagePath]) -> tuple[Collection[PackagePath], Wanted]:
        """Put the tree where it is to be; what was placed of that which is there now, and the tree as it lies there."""
        moved = arrival.move()
        if self.request.scripts is not None:
            self.request.scripts.placed_in = arrival.folder
        there = [path for path in placed if any(path == one or path.startswith(f"{one}/") for one in moved)]
        tree = self.wanted.tree
        bin_folder = os.path.relpath(arrival.bin_folder, arrival.folder)
        bins = tuple(
            msgspec.structs.replace(one, bin_folder=bin_folder) if one.bin_folder == _TOP_BIN_FOLDER else one
            for one in tree.bins
        )
        tree = msgspec.structs.replace(tree, bins=bins)
        return there, msgspec.structs.replace(self.wanted, project=arrival.folder, tree=tree)

    def _preserve(self, links: Iterable[Link]) -> None:
        self._change.preserve(_paths_of(links))

    def _tell(self, scheduler: Scheduler) -> None:
        summary = self.summary
        summary.placed = len(_placed(scheduler))
        summary.counts = scheduler.counts
        summary.warnings += scheduler.warnings
        summary.left_out = sorted({*summary.left_out, *scheduler.placements.left_out()})
        for failure in scheduler.optional_failures:
            summary.warnings.append(f"the optional {failure.location} is left out: {failure.failed.what}")
        lacking = {package.location for package in self.wanted.tree.packages if lacks_digest(package)}
        for placement in scheduler.plan.placements:
            location = PackagePath(placement.location)
            if location in lacking and placement.package in scheduler.downloads.integrities:
                summary.recorded[location] = scheduler.downloads.integrities[placement.package]
        if self.request.notes_built and scheduler.gyp:
            silent = {package.location for package in self.wanted.tree.packages if not package.has_install_script}
            built = silent.intersection(map(PackagePath, scheduler.gyp))
            summary.built = sorted(built - self.request.never_built)

    def _warn_of_deprecated(self, scheduler: Scheduler) -> None:
        """What authors say of the versions that are new here, as npm tells it."""
        reasons = {package.location: package for package in self.wanted.tree.packages if package.deprecated}
        left_out = frozenset(self.summary.left_out)
        for placement in _placed(scheduler) if reasons else ():
            package = reasons.get(PackagePath(placement.location))
            if package is not None and not placement.only and package.location not in left_out:
                self.summary.warnings.append(f"{package.label} is deprecated: {package.deprecated}")


def _placed(scheduler: Scheduler) -> list[Placement]:
    """The placements that are complete. Optional ones may have been, and were taken out again."""
    states = scheduler.placements.states
    return [
        placement
        for placement, state in zip(scheduler.plan.placements, states, strict=True)
        if state is PlacementState.PLACED
    ]


def _paths_of(links: Iterable[Link]) -> Iterator[str]:
    for link in links:
        if isinstance(link, FolderLink):
            yield link.path
        else:
            yield from (f"{link.bin_folder}/{name}" for name, _ in link.bins)


def _preserver(arrival: Arrival) -> Callable[[Iterable[Link]], None]:
    return lambda links: arrival.preserve(map(os.path.normpath, _paths_of(links)))


def _tell_loss(error: BaseException) -> None:
    """Have an error say that the project is not as it was."""
    lost = "what a lower layer of an image had in node_modules could not be put back: run pmpipe again to complete it"
    if isinstance(error, PmpipeError):
        error.hint = lost
    elif isinstance(error, CancelledError):
        error.state = lost


def _unreadable(error: OSError) -> FilesystemError:
    return FilesystemError(f"cannot read {error.filename}: {error.strerror}")


def _unwritable(error: OSError) -> PmpipeError:
    return FilesystemError(
        f"cannot change {error.filename or 'the project'}: {error.strerror}",
        hint=f"{unwritable_hint(error)}; nothing was changed",
    )
