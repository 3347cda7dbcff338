"""The resolve process: holds the resolver, answers what this machine knows by itself, and asks for the rest.

It handles one job at a time like every stage: `Resolve` begins, each answer goes on; what follows comes back as
`ResolveStep` results, and once as `ResolveDone` or `ResolveFailed`. Kept documents and folders on disk are looked up
here, so that a resolution with a warm cache crosses no queue at all.
"""

from __future__ import annotations

import mmap
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from pmpipe.changing.change_resolver import ChangeResolver
from pmpipe.errors import OfflineError, PmpipeError, ProblemsError, StoreError
from pmpipe.resolver import (
    Ask,
    AskManifest,
    AskPackument,
    Event,
    Fed,
    NoMatchingVersionError,
    Resolved,
    ResolveOptions,
)
from pmpipe.resolver.request import RequestKind
from pmpipe.resolving.answers import entry_answer, folder_manifest
from pmpipe.resolving.failures import bounded, error_of
from pmpipe.resolving.made import Made, write_made
from pmpipe.resolving.making import made_of
from pmpipe.resolving.packuments import Packuments
from pmpipe.resolving.recollection import Recollection
from pmpipe.resolving.remembered import Answered, Answers, RememberedResolution, resolution_key
from pmpipe.resolving.resolve_inputs import ResolveInputs
from pmpipe.resolving.step_results import failure, steps
from pmpipe.resolving.wording import engine_warnings, warnings_of
from stages.document_cache import KeptDocument, KeptHead
from stages.entries.opened_entry import DamagedEntryError
from stages.messages import (
    Announced,
    AnswerDocument,
    AnswerEntry,
    AnswerFailure,
    Job,
    JobId,
    Resolve,
    ResolveDone,
    ResolveStep,
    Result,
    Want,
    WantCommit,
    WantDocument,
    WantTarball,
)

if TYPE_CHECKING:
    from stages.worker import Handler


#: How the cause of a failure begins that is an answer of the registry itself: whoever may not see a packument, or no
#: longer finds it, has no use for an old one.
_REFUSAL = re.compile(r"4\d\d from ")

_KEPT_HINT = "--prefer-offline resolves with what former runs have kept"


class _Outcome(msgspec.Struct):
    """What one job led to."""

    wants: list[Want] = msgspec.field(default_factory=list)
    announced: list[Announced] = msgspec.field(default_factory=list)


def make_handler(inputs: ResolveInputs, arena: mmap.mmap) -> Handler:
    """The resolve stage's handler.

    Args:
        inputs: what is to be resolved.
        arena: where documents lie. It is only read.
    """
    worker = ResolveWorker(inputs, memoryview(arena))

    def handle(job: Job) -> Iterator[Result]:
        try:
            yield from worker.handle(job)
        except PmpipeError as error:
            # a version may have been published since the packument was kept
            if not (worker.may_know_too_little and _lacks_version(error)):
                worker.stop_code()
                yield failure(job.job, error)
                return
            try:
                yield from worker.begin_anew(job)
            except PmpipeError as second:
                worker.stop_code()
                yield failure(job.job, second)

    return handle


class ResolveWorker:
    """One resolution in this process.

    Args:
        inputs: what is to be resolved.
        shared: the arena.
    """

    def __init__(self, inputs: ResolveInputs, shared: memoryview) -> None:
        self._inputs = inputs
        self._packuments = Packuments(inputs.cache, inputs.wants, shared)
        self._options: ResolveOptions | None = None
        self._resolver: ChangeResolver | None = None
        self._done = False
        #: by number: what was asked for and is not answered
        self._asked: dict[int, Ask] = {}
        self._commits: dict[int, WantCommit] = {}
        #: by number: kept copies that may be current
        self._kept: dict[int, KeptDocument] = {}
        self._next = 0
        self._packages = 0
        #: what was asked for and turned out to be damaged in the store
        self._mended: set[Ask] = set()
        #: what the user is warned of, beside what the resolver has to say
        self._notes: list[str] = []
        #: SRI of tarballs that may be on their way
        self._offered: dict[str, None] = {}
        #: what this resolution is remembered under; None: it cannot be
        self._key: str | None = None
        #: what was remembered of it, while that is doubted and after it has changed
        self._recollection: Recollection | None = None
        self._answers = Answers()

    def handle(self, job: Job) -> Iterator[Result]:
        """Begin, or take an answer.

        Raises:
            PmpipeError: the dependencies cannot be had together, or something required is not to be had.
        """
        outcome = _Outcome()
        if isinstance(job, Resolve):
            self._start(outcome)
        elif self._done or job.want not in self._asked:  # type: ignore[union-attr]  # all other jobs are answers
            pass  # an answer that is not needed any more
        elif isinstance(job, AnswerDocument | AnswerFailure) and self._is_doubted(job):
            self._take_doubted(job, outcome)
        elif isinstance(job, AnswerDocument):
            ask = self._asked.pop(job.want)
            fed = self._document(job, ask)
            if fed is not None:
                self._feed(ask, fed, outcome)
            else:
                self._want(ask, outcome)
        elif isinstance(job, AnswerEntry):
            ask = self._asked.pop(job.want)
            assert not isinstance(ask, AskPackument), "packuments are no store entries"
            try:
                self._feed(ask, entry_answer(job, ask, self._commits.get(job.want)), outcome)
            except DamagedEntryError as error:
                self._mend(ask, error, outcome)
        elif isinstance(job, AnswerFailure):
            is_kept = self._kept.pop(job.want, None) is not None
            self._feed(self._asked.pop(job.want), _error_of(job, is_kept=is_kept), outcome)
        else:
            raise TypeError(f"resolve got a job of another stage: {job!r}")
        yield from self._results(job.job, outcome)

    @property
    def may_know_too_little(self) -> bool:
        """A kept packument was believed without asking the registry, which may be asked."""
        return self._packuments.has_believed and not self._inputs.cache.offline

    def begin_anew(self, job: Job) -> Iterator[Result]:
        """Resolve once more, and ask the registry about every kept packument.

        Raises:
            PmpipeError: see `handle`.
        """
        self._done = False
        self._packuments.begin_anew()
        self._asked.clear()
        outcome = _Outcome()
        self._start(outcome)
        yield from self._results(job.job, outcome)

    def stop_code(self) -> None:
        """Nothing more is to be repaired."""
        if self._inputs.stop_code is not None:
            self._inputs.stop_code()

    def _start(self, outcome: _Outcome) -> None:
        inputs = self._inputs
        self._resolver = self._recollection = None
        self._options = inputs.options()
        self._answers, self._key = Answers(), resolution_key(inputs, self._options)
        remembered = None
        if self._key is not None and not self._packuments.asks_always:
            remembered = inputs.memory.recall(self._key)
        if remembered is None or not self._recollect(remembered, outcome):
            self._begin(outcome)

    def _begin(self, outcome: _Outcome) -> None:
        assert self._options is not None
        self._resolver = ChangeResolver(self._inputs.order, self._options)
        self._take(self._resolver.start(), outcome)

    # -- remembering ----------------------------------------------------------------------------------------------

    def _recollect(self, remembered: RememberedResolution, outcome: _Outcome) -> bool:
        """Ask the registry about the packuments behind it; False: one of them has changed already."""
        doubted: list[tuple[Answered, KeptHead]] = []
        for answered in remembered.answers:
            try:
                kept = self._packuments.kept(answered.ask)
            except PmpipeError:
                return False  # the resolver may do without it
            if kept is None or Answered.by(answered.ask, kept.body) != answered:
                return False
            if not self._packuments.is_believed(kept):
                doubted.append((answered, kept.head))
        self._recollection = Recollection(remembered)
        for answered, head in doubted:
            self._recollection.doubt(self._want(answered.ask, outcome, head), answered)
        return True

    def _is_doubted(self, job: AnswerDocument | AnswerFailure) -> bool:
        return self._recollection is not None and job.want in self._recollection

    def _take_doubted(self, job: AnswerDocument | AnswerFailure, outcome: _Outcome) -> None:
        recollection, ask = self._recollection, self._asked.pop(job.want)
        assert recollection is not None
        assert isinstance(ask, AskPackument), "nothing else is remembered"
        if isinstance(job, AnswerFailure):
            recollection.came(job.want, _error_of(job, is_kept=True))
        elif job.source is None or recollection.is_what_it_was(job.want, self._packuments.body(job.source)):
            self._packuments.note_current(ask)
            recollection.is_current(job.want)
        else:
            fed = self._packuments.read(ask, job.source, gzipped=job.gzipped, stays=job.stays)
            recollection.came(job.want, fed)
        if self._resolver is None:
            if recollection.has_changed:
                self._begin(outcome)
        elif recollection.is_awaited(ask):
            self._take([ask], outcome)

    # -- feeding --------------------------------------------------------------------------------------------------

    def _feed(self, ask: Ask, fed: Fed, outcome: _Outcome) -> None:
        self._take(self._events_of(ask, fed), outcome)

    def _events_of(self, ask: Ask, fed: Fed) -> list[Event]:
        assert self._resolver is not None
        self._answers.note(ask, fed, self._packuments.answered)
        return self._resolver.feed(ask, fed)

    def _take(self, events: list[Event], outcome: _Outcome) -> None:
        """Answer what can be answered here, and put the rest among the wants."""
        resolver = self._resolver
        assert resolver is not None
        pending = deque(events)
        while pending:
            event = pending.popleft()
            if isinstance(event, Resolved):
                self._announce(event, outcome)
                continue
            fed = self._answer_here(event, outcome)
            if fed is not None and not resolver.done:
                pending.extend(self._events_of(event, fed))

    def _announce(self, resolved: Resolved, outcome: _Outcome) -> None:
        self._packages += 1
        if self._inputs.announces:
            announced = self._inputs.wants.announced(resolved)
            if announced is not None:
                self._offered[announced.integrity] = None
                outcome.announced.append(announced)

    def _answer_here(self, ask: Ask, outcome: _Outcome) -> Fed | None:
        """What this machine knows by itself; None: it was put among the wants."""
        if isinstance(ask, AskManifest) and ask.kind is RequestKind.FOLDER:
            return folder_manifest(ask.wanted, ask.name)
        try:
            if isinstance(ask, AskPackument):
                return self._kept_packument(ask, outcome)
            self._want(ask, outcome)
        except PmpipeError as error:
            return error
        return None

    def _kept_packument(self, ask: AskPackument, outcome: _Outcome) -> Fed | None:
        recollection = self._recollection
        if recollection is not None:
            fed = recollection.take(ask)
            if fed is not None or recollection.awaits(ask):
                return fed
        kept = self._packuments.kept(ask)
        is_confirmed = recollection is not None and recollection.has_confirmed(ask)
        if kept is not None and (is_confirmed or self._packuments.is_believed(kept)):
            packument = self._packuments.read_kept(ask, kept)
            if packument is not None:
                self._packuments.has_believed |= not is_confirmed
                return packument
            kept = None  # it is asked for again
        if self._inputs.cache.offline:
            what = f"the packument of {ask.name} is not in the cache, and the network may not be used"
            return OfflineError(what, hint="install once without --offline")
        number = self._want(ask, outcome, kept.head if kept is not None else None)
        if kept is not None:
            self._kept[number] = kept
        return None

    def _want(self, ask: Ask, outcome: _Outcome, head: KeptHead | None = None, *, replace: bool = False) -> int:
        """Put it among the wants, maybe with the head of a kept copy that may be current; the number of the want."""
        number = self._next
        want = self._inputs.wants.want(number, ask, head)
        if replace and not isinstance(want, WantDocument):
            want = msgspec.structs.replace(want, replace=True)
        self._next += 1
        self._asked[number] = ask
        if isinstance(want, WantCommit):
            self._commits[number] = want
        elif isinstance(want, WantTarball) and want.integrity:
            self._offered[want.integrity] = None
        outcome.wants.append(want)
        return number

    # -- answers --------------------------------------------------------------------------------------------------

    def _document(self, job: AnswerDocument, ask: Ask) -> Fed | None:
        """The packument, or why it is none; None: the registry calls a copy current that cannot be used."""
        assert isinstance(ask, AskPackument)
        kept = self._kept.pop(job.want, None)
        if job.source is not None:
            return self._packuments.read(ask, job.source, gzipped=job.gzipped, stays=job.stays)
        assert kept is not None, "only a kept document can be current"
        packument = self._packuments.read_kept(ask, kept)
        if packument is not None:
            self._packuments.note_current(ask)
        return packument

    def _mend(self, ask: Ask, error: DamagedEntryError, outcome: _Outcome) -> None:
        """Have a damaged store entry fetched again, once, as an install does."""
        assert not isinstance(ask, AskPackument), "packuments are no store entries"
        what = f"the store's {ask.name} is damaged ({error})"
        if ask in self._mended:
            self._feed(ask, StoreError(f"{what}, although it has just been fetched again"), outcome)
        elif self._inputs.cache.offline:
            hint = "install once without --offline"
            self._feed(ask, StoreError(f"{what}, and the network may not be used", hint=hint), outcome)
        else:
            self._mended.add(ask)
            self._want(ask, outcome, replace=True)
            self._notes.append(f"{what}: fetching it again")

    # -- results --------------------------------------------------------------------------------------------------

    def _results(self, job: JobId, outcome: _Outcome) -> Iterator[Result]:
        resolver, recollection = self._resolver, self._recollection
        if resolver is not None and resolver.done and not self._done:
            self._done = True
            yield from self._finish(job, resolver)
            return
        if resolver is None and recollection is not None and recollection.holds:
            self._done = True
            yield self._recalled(job, recollection.remembered)
            return
        yield from steps(ResolveStep(job, tuple(outcome.wants), tuple(outcome.announced), self._packages))

    def _recalled(self, job: JobId, remembered: RememberedResolution) -> ResolveDone:
        """Everything is as it was the last time."""
        self.stop_code()
        return ResolveDone(job, write_made(remembered.made, self._inputs.staging), remembered.warnings)

    def _finish(self, job: JobId, resolver: ChangeResolver) -> Iterator[Result]:
        ideal = resolver.finish()
        self.stop_code()
        patches = self._inputs.patches.of(ideal.patchable(), resolver.dropped_patches)
        ideal = msgspec.structs.replace(ideal, patches=patches)
        made = made_of(ideal, resolver, self._inputs.style, keeps_yarn_lock=self._inputs.keeps_yarn_lock)
        installed = self._inputs.finish(made)
        path = write_made(made, self._inputs.staging)
        if installed is None:
            installed = [node.package.integrity for node in ideal.nodes().values()]
        unneeded = tuple(_unneeded(self._offered, installed))
        if unneeded:
            yield from steps(ResolveStep(job, (), (), self._packages, more=True, unneeded=unneeded))
        warnings = [*self._notes, *resolver.warnings, *warnings_of(ideal, self._inputs.order.project)]
        if self._inputs.tells_engines:
            warnings += dict.fromkeys(engine_warnings(ideal, resolver.options.engines))
        told = tuple(bounded(warnings))
        yield ResolveDone(job, path, (*told, *self._remember(made, told)))

    def _remember(self, made: Made, told: tuple[str, ...]) -> Iterator[str]:
        """Keep what was made for the next time; warnings."""
        answers = self._answers.comparable()
        # what was found damaged is no more
        if self._key is None or answers is None or self._notes:
            return
        try:
            self._inputs.memory.remember(self._key, RememberedResolution(made, told, answers))
        except OSError as error:
            yield f"could not remember the resolution in the store: {error.strerror or error}"


def _error_of(job: AnswerFailure, *, is_kept: bool) -> PmpipeError:
    """The error to tell; `is_kept`: it is about a packument that a former run has kept."""
    hint = job.hint
    if is_kept and not _REFUSAL.match(job.cause):
        hint = f"{hint}; {_KEPT_HINT}" if hint else _KEPT_HINT
    return error_of(job.code, job.what, job.details, hint, job.cause)


def _unneeded(offered: Iterable[str], installed: Iterable[str]) -> Iterator[str]:
    """Those of some tarballs that are not installed; both by their SRI, which may have more digests here than there."""
    needed = {digest for integrity in installed for digest in integrity.split()}
    return (integrity for integrity in offered if needed.isdisjoint(integrity.split()))


def _lacks_version(error: PmpipeError) -> bool:
    problems = error.problems if isinstance(error, ProblemsError) else (error,)
    return any(isinstance(problem, NoMatchingVersionError) for problem in problems)
