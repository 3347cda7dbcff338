"""The state machine of a resolution: what the resolver wants becomes jobs, what they bring becomes its answers.

::

    ResolveStep ─ wants ─> Start(fetch) ─ FetchedDocument ─> Start(resolve: answer)
                │                                   └──────> Start(cache), if it has a free slot
                └ announced ─> Start(fetch) ─ Fetched ─> Start(extract) ─ Extracted
    ResolveDone ─> nothing new is fetched, and what the tree does not need is withdrawn; when nothing but writes to the
                   cache is in flight: Finish

Like `pmpipe.scheduler` it is pure, counts what is in flight, and gives work out only against free slots
(`pmpipe.resolving.in_flight`). Tarballs are in `pmpipe.resolving.warming`, the documents' space in the arena in
`pmpipe.resolving.document_space`.

The cache is never waited for. As soon as it is the only one that reads a document, that document holds up no other
(`ReleaseSpace.is_still_read`), and what it has not written at the end is left to it: the supervisor releases the
space when it is told. Their jobs have numbers of their own, for the numbers of the others are used again.

What the resolver will want first is known before it is there (`pmpipe.resolving.beginning`): such documents are fetched
meanwhile, and wait here until they are wanted.

A failure to fetch is the resolver's to judge: it may be about something optional, or about a guess. What the resolver
itself gives up with ends the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from pmpipe.errors import OfflineError
from pmpipe.orders import (
    Counts,
    Dismiss,
    Event,
    Finish,
    Interrupted,
    Order,
    ReleaseSpace,
    StageName,
    Start,
    Stop,
    WithdrawJob,
    WorkerDied,
)
from pmpipe.resolving import jobs
from pmpipe.resolving.document_space import DocumentSpace
from pmpipe.resolving.foreseen import FORESEEN, Foreseen
from pmpipe.resolving.in_flight import InFlight
from pmpipe.resolving.tasks import (
    Answer,
    CommitTask,
    DocumentTask,
    ExtractTask,
    FetchTask,
    KeepTask,
    Resolution,
    ResolveTask,
    Task,
)
from pmpipe.resolving.warming import Tarball, TarballState, Warming
from pmpipe.tasks import DAMAGED_ON_THE_WAY, Settings
from pmpipe.tree.sources import is_full_commit
from stages.messages import (
    AnswerDocument,
    AnswerEntry,
    AnswerFailure,
    CachedDocument,
    Crashed,
    Extracted,
    Failed,
    Fetched,
    FetchedDocument,
    FoundGitCommit,
    JobId,
    Resolve,
    ResolveDone,
    ResolveFailed,
    ResolveStep,
    Result,
    SharedBytes,
    Source,
    WantCommit,
    WantDocument,
    WantTarball,
)

#: Of an answer that has no job yet.
_NO_JOB = JobId(-1)


class ResolveRun(msgspec.Struct):
    """One resolution; `start` and `handle` are the only mutators.

    Args:
        warming: tarballs; knows what is in the store.
        flight: what the stages have of it, nothing at first; has the slots, limits and paths for the jobs.
        keeps_documents: documents are to be written to the cache.
        goes_on: an install follows that uses the same processes: what is in flight at the end is waited for, but for
            writes to the cache.
        is_ready: the resolver may begin; before, only what is foreseen is fetched.
    """

    warming: Warming
    flight: InFlight
    keeps_documents: bool
    goes_on: bool
    is_ready: bool = True
    counts: Counts = msgspec.field(default_factory=Counts)
    result: Resolution = msgspec.field(default_factory=Resolution)
    #: packages that the resolver has found so far
    packages: int = 0
    #: documents that came from the registry, or are unchanged there
    documents: int = 0
    #: no further orders will come
    finished: bool = False
    #: the resolver has been told to begin
    _begun: bool = False
    #: the resolver has said its last word
    _settled: bool = False
    #: fetch was told what is not needed any more
    _withdrew: bool = False
    #: the resolver's process was let go
    _dismissed: bool = False
    #: what the resolver wants and fetch has no slot for yet
    _wants: deque[WantDocument | WantCommit] = msgspec.field(default_factory=deque)
    #: what was asked for before the resolver was there
    _foreseen: Foreseen = msgspec.field(default_factory=Foreseen)
    #: what the resolver has no slot for yet
    _answers: deque[Answer] = msgspec.field(default_factory=deque)
    #: SRI of tarballs that may be on their way, and that will not be installed
    _unneeded: set[str] = msgspec.field(default_factory=set)
    #: what follows from the events in hand
    _orders: list[Order] = msgspec.field(default_factory=list)
    #: the documents' space in the arena
    _space: DocumentSpace = msgspec.field(default_factory=DocumentSpace)

    # -- the supervisor's calls -----------------------------------------------------------------------------------

    def foresee(self, wants: Iterable[WantDocument]) -> None:
        """Have documents fetched that the resolver is going to want.

        Args:
            wants: each of another document; their numbers are `FORESEEN`.
        """
        for want in wants:
            self._foreseen.expect(want)
            self._wants.append(want)

    def start(self) -> list[Order]:
        """The first orders: begin, if it is ready, and fetch what is foreseen. Whoever drives on starts it again."""
        if self.finished:
            # the resolver was done before it was waited for
            return [Finish()]
        self._orders = []
        if self.is_ready and not self._begun:
            self._begun = True
            self._orders.append(Start(StageName.RESOLVE, Resolve(self.flight.begin(ResolveTask("the project", None)))))
        self._fetch_wants()
        return self._orders

    def handle(self, *events: Event) -> list[Order]:
        """Take in what has happened and return what is to be done now."""
        if self.finished:
            return []
        self._orders = []
        for event in events:
            if isinstance(event, WorkerDied | Interrupted | Crashed):
                self.finished = True
                return [Stop(event)]
            if isinstance(event, ResolveStep) and event.more:
                self._take_step(event)
                continue
            task = self.flight.end(event.job)
            self._release(task)
            self._take_in(task, event)
        self._give_out()
        return self._orders

    @property
    def settings(self) -> Settings:
        """Slots, limits and paths for the jobs."""
        return self.flight.settings

    def in_flight(self, stage: StageName) -> int:
        """How many jobs a stage has, queued and in hand."""
        return self.flight.used[stage]

    def describe(self, job: JobId) -> str:
        """What a job in flight is about."""
        return self.flight.describe(job)

    def validate(self) -> None:
        """Assert what must always hold; for tests."""
        self.flight.validate()
        self._space.validate(self.flight.slots.staying_bytes)
        if self.finished and not self.flight.tasks and not self._answers:
            is_followed = self.goes_on and not self.result.problems
            self._space.validate_end(may_stay=not is_followed)
            if is_followed:
                self._foreseen.validate_end()

    # -- what each result means -----------------------------------------------------------------------------------

    def _release(self, task: Task) -> None:
        """Give back what this task had of the arena, unless others still read it."""
        if isinstance(task, ResolveTask | KeepTask):
            if task.source is not None:
                self._orders += self._space.read(task.source, by_resolver=isinstance(task, ResolveTask))
        elif isinstance(task, ExtractTask) and isinstance(task.source, SharedBytes):
            self._orders.append(ReleaseSpace(task.source.offset))

    def _take_in(self, task: Task, result: Result) -> None:
        match task, result:
            case ResolveTask(), ResolveStep():
                self._take_step(result)
            case ResolveTask(), ResolveDone() | ResolveFailed():
                self._settle(result)
            case DocumentTask(want=want), FetchedDocument() | Failed() if want.want == FORESEEN:
                self._take_foreseen(want, result)
            case DocumentTask(want=want), FetchedDocument():
                self._take_document(want, result)
            case CommitTask(want=want), FoundGitCommit(commit=commit):
                self._answer_if_stored(self.warming.want_commit(want, commit))
            case ((FetchTask() | ExtractTask()), (Fetched() | Extracted())):
                self._take_tarball(task.tarball, result)
            case KeepTask(), CachedDocument(problem=problem):
                self.result.notes += [problem] if problem else []
            case ((DocumentTask() | CommitTask() | FetchTask() | ExtractTask()), Failed()):
                self._take_failure(task, result)
            case _:
                raise AssertionError(f"{type(result).__name__} answers no {type(task).__name__}")

    def _take_failure(self, task: DocumentTask | CommitTask | FetchTask | ExtractTask, failed: Failed) -> None:
        match task:
            case DocumentTask(want=want) | CommitTask(want=want):
                self._answer_failure(want.want, want.label, failed)
            case ExtractTask(tarball=tarball, source=SharedBytes()) if self._may_repeat(tarball, failed):
                self.warming.damaged_on_the_way(tarball)
            case FetchTask(tarball=tarball) | ExtractTask(tarball=tarball):
                if failed.code in DAMAGED_ON_THE_WAY and tarball.integrity:
                    self.warming.came_damaged.add(tarball.integrity)
                for number in self.warming.lost(tarball):
                    self._answer_failure(number, tarball.label, failed)

    def _settle(self, result: ResolveDone | ResolveFailed) -> None:
        self._settled = True
        if isinstance(result, ResolveFailed):
            self.result.problems = result.problems
            return
        self.result.made = result.made
        self.result.warnings += result.warnings

    def _withdraw(self) -> None:
        """Have fetch give up what the tree does not need: a guess that stands still must not hold up the install."""
        if self._withdrew:
            return
        self._withdrew = True
        self._release_all(self.warming.drop(self._unneeded))
        for job, task in self.flight.tasks.items():
            is_guess = isinstance(task, FetchTask) and task.tarball.integrity in self._unneeded
            if is_guess or isinstance(task, DocumentTask | CommitTask):
                self._orders.append(WithdrawJob(job))

    def _release_all(self, sources: Iterable[Source]) -> None:
        self._orders += [ReleaseSpace(source.offset) for source in sources if isinstance(source, SharedBytes)]

    def _take_step(self, step: ResolveStep) -> None:
        self.packages = step.packages
        for want in step.wants:
            if isinstance(want, WantTarball):
                self._answer_if_stored(self.warming.want(want))
            elif isinstance(want, WantDocument) and self._foreseen.claim(want):
                self._answer_foreseen(want)
            else:
                self._wants.append(want)
        for one in step.announced:
            self.warming.announce(one)
        self._unneeded.update(step.unneeded)

    def _take_foreseen(self, asked: WantDocument, result: FetchedDocument | Failed) -> None:
        is_wanted = self._foreseen.came(asked, result)
        if is_wanted:
            self._answer_foreseen(asked)
        elif isinstance(result, FetchedDocument) and result.source is not None and not self._settled:
            # the resolver may never want it: it must not hold up what it waits for
            self._orders.append(ReleaseSpace(result.source.offset, is_still_read=True))

    def _answer_foreseen(self, asked: WantDocument) -> None:
        match self._foreseen.take(asked):
            case want, Failed() as failed:
                self._answer_failure(want.want, want.label, failed)
            case want, FetchedDocument() as result:
                self._take_document(want, result)

    def _answer_if_stored(self, tarball: Tarball) -> None:
        if tarball.state is TarballState.STORED:
            self._answer_wants_of(tarball)

    def _take_document(self, want: WantDocument, result: FetchedDocument) -> None:
        self.documents += 1
        self.counts.wire_bytes += result.wire_bytes
        source = result.source
        stays = source is not None and self._space.take(source, self.flight.slots.staying_bytes)
        if source is not None and self.keeps_documents and result.fresh_s >= 0:
            self._keep(want, result, source)
        answer = AnswerDocument(_NO_JOB, want.want, source, result.gzipped, stays)
        self._answers.append(Answer(answer, want.label, source))

    def _let_go(self) -> None:
        """Give back the space of what the resolver cannot read again any more, and of what it has not wanted."""
        self._orders += self._space.let_go()
        self._release_all(self._foreseen.let_go())

    def _keep(self, want: WantDocument, result: FetchedDocument, source: SharedBytes) -> None:
        """Write a document to the cache if its queue has room; else it is dropped, and fetched by a later run."""
        if not self.flight.has_room_to_keep(source.length):
            self.result.unkept += 1
            return
        self._space.share(source)
        keep = jobs.keep_document(self.flight.begin(KeepTask(want.label, source)), want, result, source, self.settings)
        self._orders.append(Start(StageName.CACHE, keep))

    def _take_tarball(self, tarball: Tarball, result: Fetched | Extracted) -> None:
        if isinstance(result, Fetched):
            self.counts.fetched += 1
            self.counts.wire_bytes += result.wire_bytes
            self.warming.fetched(tarball, result.source)
            if self._withdrew:
                # what was withdrawn may have been complete
                self._release_all(self.warming.drop(self._unneeded))
            return
        self.counts.extracted += 1
        self.counts.unpacked_bytes += result.unpacked_bytes
        self.counts.unpacked_files += result.files
        # whoever wants it again finds it in the store by its digest
        tarball.integrity = tarball.integrity or result.integrity
        self.warming.stored(tarball, result.entry, result.integrity)
        self._answer_wants_of(tarball)

    def _may_repeat(self, tarball: Tarball, failed: Failed) -> bool:
        """Whether to ask for it once more, at once; what nobody waits for the install asks for, if it needs it."""
        is_waited_for = bool(tarball.wants) and not self._settled
        return is_waited_for and failed.code in DAMAGED_ON_THE_WAY and not tarball.repeated

    # -- answers --------------------------------------------------------------------------------------------------

    def _answer_wants_of(self, tarball: Tarball) -> None:
        for number in self.warming.take_wants(tarball):
            answer = AnswerEntry(_NO_JOB, number, tarball.entry, tarball.integrity, tarball.commit)
            self._answers.append(Answer(answer, tarball.label))

    def _answer_failure(self, number: int, label: str, failed: Failed) -> None:
        answer = AnswerFailure(_NO_JOB, number, failed.code, failed.what, failed.details, failed.hint, failed.cause)
        self._answers.append(Answer(answer, label))

    # -- orders ---------------------------------------------------------------------------------------------------

    def _give_out(self) -> None:
        """As much ready work as the stages have free slots for."""
        # most events leave most queues empty, and this runs for every one of thousands
        if not self._settled:
            if self._wants:
                self._fetch_wants()
            if self.warming.has_to_fetch:
                self._fetch_tarballs()
            # last, because what cannot be fetched is an answer, too
            if self._answers:
                self._answer()
        elif self.result.problems or not self.goes_on:
            self.finished = True
            self._orders.append(Finish())
            return
        else:
            self._drop_answers()
            self._let_go()
            self._dismiss()
            self._withdraw()
        if self.warming.has_to_extract:
            self._extract()
        if not self._begun:
            return
        if self.flight.is_only_cache and (self._settled or not self.flight.tasks):
            assert self._settled, "the resolver waits for something that nobody fetches"
            self.finished = True
            self._orders.append(Finish())

    def _answer(self) -> None:
        while self._answers and self.flight.has_slot(StageName.RESOLVE):
            answer = self._answers.popleft()
            job = self.flight.begin(ResolveTask(answer.label, answer.source))
            self._orders.append(Start(StageName.RESOLVE, msgspec.structs.replace(answer.job, job=job)))

    def _dismiss(self) -> None:
        """Let the resolver go: what a large tree takes is to be free before node_modules is filled.

        Not before it has answered all its jobs: the death of a process that was let go is no event.
        """
        if not self._dismissed and not self.flight.used[StageName.RESOLVE]:
            self._dismissed = True
            self._orders.append(Dismiss(StageName.RESOLVE))

    def _drop_answers(self) -> None:
        """What came too late is not needed any more."""
        while self._answers:
            source = self._answers.popleft().source
            if source is not None:
                self._orders += self._space.read(source, by_resolver=True)

    def _fetch_wants(self) -> None:
        while self._wants and self.flight.has_slot_for_document():
            want = self._wants.popleft()
            if isinstance(want, WantCommit):
                if self.settings.offline and not is_full_commit(want.reference):
                    what = f"which commit of {want.label} is meant has to be asked, and the network may not be used"
                    self._answer_failure(want.want, want.label, _offline(what))
                    continue
                commit = jobs.find_commit(self.flight.begin(CommitTask(want)), want, self.settings)
                self._orders.append(Start(StageName.FETCH, commit))
                continue
            document = jobs.fetch_document(self.flight.begin(DocumentTask(want)), want)
            self._orders.append(Start(StageName.FETCH, document))

    def _fetch_tarballs(self) -> None:
        while self.flight.has_slot_for_tarball():
            tarball = self.warming.next_to_fetch()
            if tarball is None:
                return
            if self.settings.offline:
                self._lose_offline(tarball)
                continue
            fetch = jobs.fetch(self.flight.begin(FetchTask(tarball)), tarball, self.settings)
            self._orders.append(Start(StageName.FETCH, fetch))

    def _lose_offline(self, tarball: Tarball) -> None:
        what = f"{tarball.label} is not in the store, and the network may not be used"
        for number in self.warming.lost(tarball):
            self._answer_failure(number, tarball.label, _offline(what))

    def _extract(self) -> None:
        while self.flight.has_slot(StageName.EXTRACT):
            tarball = self.warming.next_to_extract(self.flight.largest_to_extract())
            if tarball is None:
                return
            source = tarball.source
            assert source is not None, "a tarball that is fetched lies somewhere"
            job = jobs.extract(self.flight.begin(ExtractTask(tarball, source)), tarball, source, self.settings)
            self._orders.append(Start(StageName.EXTRACT, job))


def _offline(what: str) -> Failed:
    return Failed(_NO_JOB, OfflineError.code, what, hint="install once without --offline")
