"""The install state machine: events in, orders out; no I/O, no clock.

The supervisor calls `start` when it begins or goes on, and `handle` with every event, and carries out their orders. The
packages' states are in `pmpipe.downloads`, the placements' in `pmpipe.placements`; here are the jobs in flight, the
bounds, and what each result means for the two::

    Start(fetch) ─ Fetched ─> Start(extract) ─ Extracted ─> Start(clone) ─ Cloned ─> Start(link) ─ Linked ─> Finish
                                │ always                      │ Damaged
                                └> ReleaseSpace               └> Start(fetch), once a package

`Damaged` says that what the store has of a package is incomplete; extract answers so, too, where it makes a patched
package of one that the store has. What extract finds damaged although it has just come over the network is asked for
once more.

Work is handed out only against a stage's free slots, so no queue can ever be full. An expected failure of a package
that the install cannot do without dooms the run: nothing more is placed, but the other downloads are still tried, so
that all problems are reported together. A failure of an optional package leaves it out with what only it needed. A
worker's death, its own crash report, or a signal stops everything at once.

A run may begin before its plan is complete, with packages that are sure to be part of it: they are fetched and
extracted, and what has become of them counts when the plan follows.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pmpipe.downloads import Downloads
from pmpipe.errors import PatchError, StoreError
from pmpipe.orders import (
    Counts,
    Event,
    Failure,
    Finish,
    Interrupted,
    Order,
    ReleaseSpace,
    StageName,
    Start,
    Stop,
    WorkerDied,
)
from pmpipe.placements import Placements
from pmpipe.plan import FolderLink, GitCommit, PackageNumber, PlacementNumber, Plan, RemoteTarball
from pmpipe.tasks import (
    ANY_SIZE,
    DAMAGED_ON_THE_WAY,
    STAGE_OF,
    Cloning,
    Extracting,
    Fetching,
    Linking,
    Removing,
    Settings,
    Task,
)
from stages.messages import (
    Clone,
    Cloned,
    Crashed,
    Damaged,
    Extract,
    Extracted,
    Failed,
    Fetched,
    FetchGit,
    FetchTarball,
    IntegrityText,
    JobId,
    LinkBins,
    Linked,
    Remove,
    Removed,
    Result,
    SharedBytes,
    Source,
    Symlink,
)

#: What an optional package is no reason to go on for: a patch of the project's that does not fit, and a store that is
#: full or cannot be written, which is this host's trouble, not the package's.
_IN_NO_WAY_OPTIONAL = frozenset((PatchError.code, StoreError.code))


class Scheduler:
    """The state of one run; only `start`, `handle` and `complete` change it.

    Args:
        plan: what is to be done.
        settings: bounds, limits and paths for the jobs.
        is_complete: there is nothing beyond the plan; otherwise it has packages only, and the run does not end before
            `complete` was called.
    """

    def __init__(self, plan: Plan, settings: Settings, *, is_complete: bool = True) -> None:
        self.plan = plan
        self.settings = settings
        self._is_complete = is_complete
        self.counts = Counts()
        #: failures of what the install cannot do without; once there is one, nothing more is placed
        self.failures: list[Failure] = []
        #: failures that only left optional packages out
        self.optional_failures: list[Failure] = []
        #: odd but harmless things, one line each
        self.warnings: list[str] = []
        #: locations of packages that were placed, or came bundled, with a binding.gyp
        self.gyp: list[str] = []
        #: no further orders will come
        self.finished = False
        self.downloads = Downloads(plan)
        self.placements = Placements(plan, self.downloads)
        #: all and only jobs that a stage has and has not answered
        self._in_flight: dict[JobId, Task] = {}
        #: how many of them each stage has
        self._used = dict.fromkeys(StageName, 0)
        #: how many large tarballs are being extracted
        self._large_in_flight = 0
        self._next_job = 0

    # -- the supervisor's two calls -------------------------------------------------------------------------------

    def start(self) -> list[Order]:
        """The first orders, also after an interruption. A plan without work finishes at once."""
        return list(self._give_out())

    def handle(self, *events: Event) -> list[Order]:
        """Take in what has happened and return what is to be done now.

        What still lies in the results' channel when the run has ended is ignored.
        """
        if self.finished:
            return []
        orders: list[Order] = []
        for event in events:
            if isinstance(event, WorkerDied | Interrupted | Crashed):
                self.finished = True
                return [Stop(event)]
            if isinstance(event, Cloned) and event.more:
                self._note_gyp(self._in_flight[event.job], event)
                continue
            task = self._in_flight.pop(event.job)
            self._used[STAGE_OF[type(task)]] -= 1
            if isinstance(task, Extracting) and isinstance(task.source, SharedBytes):
                # extract is done with the shared bytes, whatever came of them
                orders.append(ReleaseSpace(task.source.offset))
                self._large_in_flight -= self._is_large(task.source)
            self._take_in(task, event)
        orders.extend(self._give_out())
        return orders

    # -- a plan that comes in two parts ---------------------------------------------------------------------------

    def complete(self, plan: Plan) -> None:
        """Go on with the whole plan; to be followed by `start`.

        Args:
            plan: its packages begin with those that the run has begun with.
        """
        begun_with = len(self.downloads.states)
        self.plan = plan
        self.downloads.extend(plan)
        self.placements = Placements(plan, self.downloads)
        self._is_complete = True
        for index in range(begun_with):
            number = PackageNumber(index)
            if (reason := self.downloads.why_lost(number)) is not None:
                self._settle_placements_of(number, reason)

    # -- what each result means -----------------------------------------------------------------------------------

    def _take_in(self, task: Task, result: Result) -> None:
        match task, result:
            case _, Failed():
                self._failed(task, result)
            case Fetching(package), Fetched(source=source):
                self.counts.fetched += 1
                self.counts.wire_bytes += result.wire_bytes
                self.downloads.fetched(package, source)
            case Extracting(package), Extracted():
                self._extracted(package, result)
            case Extracting(package), Damaged():
                self._unpatched_damaged(package, result)
            case Cloning(placement), Cloned():
                self._note_gyp(task, result)
                self._cloned(placement, result)
            case Cloning(), Damaged():
                self._damaged(task, result)
            case Removing(placement), Removed():
                self.placements.removed(placement)
            case Linking(link), Linked():
                self.counts.linked += result.count
                label = self.plan.links[link].label
                self.warnings.extend(f"{label}: its bin {name} names a file that it lacks" for name in result.missing)
            case _:
                raise AssertionError(f"{type(result).__name__} answers no {type(task).__name__}")

    def _extracted(self, package: PackageNumber, result: Extracted) -> None:
        self.counts.extracted += 1
        self.counts.unpacked_bytes += result.unpacked_bytes
        self.counts.unpacked_files += result.files
        self.warnings.extend(result.warnings)
        self.downloads.stored(package, result.entry, result.integrity)
        self.placements.package_stored(package)

    def _unpatched_damaged(self, package: PackageNumber, result: Damaged) -> None:
        if package in self.downloads.mended:
            what = f"{result.what}, although it has just been fetched again"
            self._package_lost(package, Failed(result.job, "PM_STORE", what))
            return
        self.warnings.append(f"{result.what}: fetching it again")
        self.downloads.unpatched_damaged(package)

    def _cloned(self, placement: PlacementNumber, result: Cloned) -> None:
        self.counts.placed += 1
        self.counts.reflinked += result.reflinked
        self.counts.hardlinked += result.hardlinked
        self.counts.copied += result.copied
        self.counts.placed_bytes += result.bytes
        self.placements.placed(placement)

    def _note_gyp(self, task: Task, result: Cloned) -> None:
        assert isinstance(task, Cloning), f"Cloned answers no {type(task).__name__}"
        location = self.plan.placements[task.placement].location
        self.gyp += [f"{location}/{folder}" if folder else location for folder in result.gyp]

    def _damaged(self, task: Cloning, result: Damaged) -> None:
        placement = self.plan.placements[task.placement]
        if task.mended:
            what = f"{placement.label}: {result.what}, although it has just been fetched again"
            self._placement_lost(task.placement, Failed(result.job, "PM_STORE", what))
            return
        if (reason := self.downloads.why_lost(placement.package)) is not None:
            self._placement_lost(task.placement, reason)
            return
        if self.downloads.is_stored(placement.package) and placement.package not in self.downloads.mended:
            self.warnings.append(f"the store's {placement.label} is damaged ({result.what}): fetching it again")
            self.downloads.damaged(placement.package)
            self.placements.package_damaged(placement.package)
        self.placements.not_placed(task.placement)

    def _failed(self, task: Task, failed: Failed) -> None:
        match task:
            case Extracting(package, SharedBytes()) if self._may_repeat(package, failed):
                self.warnings.append(f"{failed.what}: asking for it again")
                self.downloads.damaged_on_the_way(package)
            case Fetching(package) | Extracting(package):
                if failed.host_is_down:
                    self.downloads.declare_dead(package, failed)
                self._package_lost(package, failed)
            case Cloning(placement) | Removing(placement):
                # a folder that cannot be written is this host's trouble, and no reason to do without a package
                self.placements.cannot_be_placed(placement)
                self.failures.append(Failure(self.plan.placements[placement].location, failed))
            case Linking(link):
                self.failures.append(Failure(self.plan.links[link].label, failed))

    def _may_repeat(self, package: PackageNumber, failed: Failed) -> bool:
        was_damaged = self.plan.packages[package].integrity in self.settings.came_damaged
        return failed.code in DAMAGED_ON_THE_WAY and package not in self.downloads.repeated and not was_damaged

    def _package_lost(self, package: PackageNumber, failed: Failed) -> None:
        """A package cannot be had."""
        self.downloads.lost(package, failed)
        self._settle_placements_of(package, failed)

    def _settle_placements_of(self, package: PackageNumber, failed: Failed) -> None:
        """Nothing of a package comes any more: leave its optional placements out, and fail for the others."""
        for placement in self.placements.wanted_at[package]:
            if self.placements.waits(placement):
                self._placement_lost(placement, failed)

    def _placement_lost(self, number: PlacementNumber, failed: Failed) -> None:
        """A placement stays empty: a required one fails the run, an optional one goes with what only it needs."""
        placement = self.plan.placements[number]
        if not placement.optional or failed.code in _IN_NO_WAY_OPTIONAL:
            self.placements.cannot_be_placed(number)
            self.failures.append(Failure(placement.location, failed))
            return
        self.optional_failures.append(Failure(placement.location, failed))
        # nothing was written for this one: its folder need not be removed
        self.placements.cannot_be_placed(number)
        for location in self.plan.left_out_with(placement.location):
            self.placements.leave_out(location)

    # -- orders ---------------------------------------------------------------------------------------------------

    def _give_out(self) -> Iterator[Order]:
        """As much ready work as the stages have free slots for."""
        yield from self._start_fetches()
        yield from self._start_extracts()
        yield from self._start_removals()
        if not self.failures:
            yield from self._start_clones()
            yield from self._start_links()
        if self._is_complete and not self._in_flight:
            assert self.failures or self.placements.are_settled(), "a run that has not failed has placed everything"
            self.finished = True
            yield Finish()

    def _start_fetches(self) -> Iterator[Order]:
        while self._has_slot(StageName.FETCH) and (number := self.downloads.next_to_fetch()) is not None:
            package = self.plan.packages[number]
            if self._is_complete and not self.placements.is_wanted(number):
                self.downloads.unwanted(number)
            elif (dead := self.downloads.why_dead(number)) is not None:
                what = f"{package.label} was not asked for: {dead.cause or dead.what}"
                self._package_lost(number, msgspec.structs.replace(dead, what=what))
            elif self.settings.offline:
                offline = Failed(
                    JobId(-1), "PM_OFFLINE", f"{package.label} is not in the store", cause="not in the store"
                )
                self._package_lost(number, offline)
            else:
                yield Start(StageName.FETCH, self._fetch_job(self._begin(Fetching(number)), number))

    def _fetch_job(self, job: JobId, number: PackageNumber) -> FetchTarball | FetchGit:
        label, origin = self.plan.packages[number].label, self.downloads.origin(number)
        if isinstance(origin, GitCommit):
            folder = f"{self.settings.staging}/git-{self.settings.run}-{job}"
            preparation = self.plan.preparation if origin.is_prepared else None
            return FetchGit(job, label, origin.repositories, origin.commit, origin.subfolder, folder, preparation)
        assert isinstance(origin, RemoteTarball), "a tarball on disk is not fetched"
        limit = self.settings.limits.all_files
        return FetchTarball(job, label, origin.url, origin.authorization, limit, origin.certificate)

    def _start_extracts(self) -> Iterator[Order]:
        while self._has_slot(StageName.EXTRACT):
            ready = self.downloads.next_to_extract(self._largest_to_extract())
            if ready is None:
                return
            number, source = ready
            self._large_in_flight += self._is_large(source)
            package = self.plan.packages[number]
            job = Extract(
                self._begin(Extracting(number, source)),
                package.label,
                source,
                IntegrityText(package.integrity),
                self.settings.store,
                package.key,
                self.settings.limits,
                self.settings.durable,
                replace=number in self.downloads.mended,
                patch=package.patch,
            )
            yield Start(StageName.EXTRACT, job)

    def _largest_to_extract(self) -> int:
        """Unpacking takes memory for all that comes out: of large tarballs, a few at a time."""
        settings = self.settings
        return settings.large_tarball_bytes if self._large_in_flight >= settings.large_at_once else ANY_SIZE

    def _is_large(self, source: Source) -> bool:
        return isinstance(source, SharedBytes) and source.length >= self.settings.large_tarball_bytes

    def _start_removals(self) -> Iterator[Order]:
        while self._has_slot(StageName.CLONE) and (number := self.placements.next_to_remove()) is not None:
            job = Remove(self._begin(Removing(number)), self.plan.placements[number].destination)
            yield Start(StageName.CLONE, job)

    def _start_clones(self) -> Iterator[Order]:
        if not self._is_worth_a_lot():
            return
        while self._has_slot(StageName.CLONE) and (number := self.placements.next_to_clone()) is not None:
            placement = self.plan.placements[number]
            job = Clone(
                self._begin(Cloning(number, placement.package in self.downloads.mended)),
                placement.label,
                self.downloads.entries[placement.package],
                placement.destination,
                placement.method,
                placement.only,
                replaces=placement.parent is not None,
            )
            yield Start(StageName.CLONE, job)

    def _is_worth_a_lot(self) -> bool:
        """Whether to give out clones now: all that are ready, or at least a lot of them.

        One job for each result would cost a datagram and a wake-up of two processes for every package.
        """
        free = self.settings.slots[StageName.CLONE] - self._used[StageName.CLONE]
        return free >= min(self.placements.ready_count(), self.settings.clone_lot)

    def _start_links(self) -> Iterator[Order]:
        # all that could be given out before has been
        is_last = not any(self._used[stage] for stage in (StageName.FETCH, StageName.EXTRACT, StageName.CLONE))
        while self._has_slot(StageName.LINK) and (number := self.placements.next_to_link(is_last=is_last)) is not None:
            link = self.plan.links[number]
            job = self._begin(Linking(number))
            if isinstance(link, FolderLink):
                yield Start(StageName.LINK, Symlink(job, link.label, link.path, link.target))
            else:
                yield Start(StageName.LINK, LinkBins(job, link.label, link.package, link.bin_folder, link.bins))

    def _has_slot(self, stage: StageName) -> bool:
        return self._used[stage] < self.settings.slots[stage]

    def _begin(self, task: Task) -> JobId:
        job = JobId(self._next_job)
        self._next_job += 1
        self._in_flight[job] = task
        self._used[STAGE_OF[type(task)]] += 1
        return job

    # -- questions ------------------------------------------------------------------------------------------------

    def in_flight(self, stage: StageName) -> int:
        """How many jobs a stage has, queued and in hand."""
        return self._used[stage]

    def describe(self, job: JobId) -> str:
        """What a job in flight is about, for the report of a crash; empty when it is not in flight."""
        match self._in_flight.get(job):
            case Fetching(package) | Extracting(package):
                return self.plan.packages[package].label
            case Cloning(placement) | Removing(placement):
                return f"{self.plan.placements[placement].label} at {self.plan.placements[placement].location}"
            case Linking(link):
                return self.plan.links[link].label
            case _:
                return ""

    def validate(self) -> None:
        """Assert every collection's rule. For tests: it costs time in proportion to the plan."""
        used = dict.fromkeys(StageName, 0)
        for task in self._in_flight.values():
            used[STAGE_OF[type(task)]] += 1
        assert used == self._used, "a stage's count is what is in flight there"
        assert self._large_in_flight <= self.settings.large_at_once, (
            "of large tarballs only a few are extracted at a time"
        )
        assert all(used[stage] <= slots for stage, slots in self.settings.slots.items()), "no more jobs than slots"
        tasks = self._in_flight.values()
        self.downloads.validate(
            [task.package for task in tasks if isinstance(task, Fetching)],
            [task.package for task in tasks if isinstance(task, Extracting)],
        )
        self.placements.validate([task.placement for task in tasks if isinstance(task, Cloning)])
