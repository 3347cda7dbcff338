"""The resolve process: holds the resolver, answers what this machine knows by itself, and asks for the rest.

It handles one job at a time like every stage: `Resolve` begins, each answer goes on; what follows comes back as
`ResolveStep` results, and once as `ResolveDone` or `ResolveFailed`. Kept documents and folders on disk are looked up
here, so that a resolution with a warm cache crosses no queue at all.
"""

from __future__ import annotations

import mmap
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from pmpipe.change_resolver import ChangeOrder, ChangeResolver
from pmpipe.errors import OfflineError, PmpipeError, ProblemsError, StoreError
from pmpipe.patched_dependencies import Patches
from pmpipe.resolver import (
    Ask,
    AskContents,
    AskManifest,
    AskPackument,
    Event,
    Fed,
    NoMatchingVersionError,
    Resolved,
    ResolveOptions,
)
from pmpipe.resolver.request import RequestKind
from pmpipe.resolving.answers import contents_from, folder_manifest, manifest_from
from pmpipe.resolving.documents import PackumentReader
from pmpipe.resolving.failures import bounded, error_of
from pmpipe.resolving.inputs import CachePolicy, LockStyle
from pmpipe.resolving.made import Made, write_made
from pmpipe.resolving.making import made_of
from pmpipe.resolving.step_results import failure, steps
from pmpipe.resolving.wants import Wants
from pmpipe.resolving.wording import engine_warnings, warnings_of
from stages.document_cache import KeptDocument, read_document, still_current
from stages.messages import (
    COMMIT,
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
from stages.opened_entry import DamagedEntryError

if TYPE_CHECKING:
    from stages.worker import Handler


class ResolveInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the resolve process is started with; it is forked, so all of this is there.

    Attributes:
        order: the project, and what is to change in it.
        options: what decides, without the version of Node.js.
        wants: URLs and credentials.
        cache: which kept documents count.
        style: how the lock is written.
        staging: absolute path of a folder for what is made.
        announces: tarballs that will be needed are to be announced.
        tells_engines: nothing is installed that would warn of packages that are not for this Node.js.
        patches: of the project.
        keeps_yarn_lock: the project has a yarn.lock of yarn 1, which npm keeps up to date, too.
        stop_code: ends the process that the project's code runs in (`pmpipe.resolving.extension_host`), or None.
        finish: called with what was made before it is handed over, for what can be worked out ahead here. Returns the
            SRI of all that is to be installed; None if it does not know.
    """

    order: ChangeOrder
    options: Callable[[], ResolveOptions]
    wants: Wants
    cache: CachePolicy
    style: LockStyle
    staging: str
    announces: bool
    tells_engines: bool
    patches: Patches
    keeps_yarn_lock: bool
    finish: Callable[[Made], Iterable[str] | None]
    stop_code: Callable[[], None] | None = None


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
        self._shared = shared
        self._reader = PackumentReader()
        self._has_cache = os.path.isdir(inputs.cache.folder)
        self._resolver: ChangeResolver | None = None
        self._done = False
        #: no kept packument counts without the registry's word
        self._asks_always = False
        #: one has counted without it
        self._has_believed = False
        #: by number: what was asked for and is not answered
        self._asked: dict[int, Ask] = {}
        self._commits: dict[int, WantCommit] = {}
        #: by number: kept copies that may be current
        self._kept: dict[int, KeptDocument] = {}
        self._kept_paths: dict[int, str] = {}
        self._next = 0
        self._packages = 0
        #: what was asked for and turned out to be damaged in the store
        self._mended: set[Ask] = set()
        #: what the user is warned of, beside what the resolver has to say
        self._notes: list[str] = []
        #: SRI of tarballs that may be on their way
        self._offered: dict[str, None] = {}

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
        elif isinstance(job, AnswerDocument):
            ask = self._asked.pop(job.want)
            fed = self._document(job, ask)
            if fed is not None:
                self._feed(ask, fed, outcome)
            else:
                self._want(ask, outcome)
        elif isinstance(job, AnswerEntry):
            ask = self._asked.pop(job.want)
            try:
                self._feed(ask, self._entry(job, ask), outcome)
            except DamagedEntryError as error:
                self._mend(ask, error, outcome)
        elif isinstance(job, AnswerFailure):
            self._feed(
                self._asked.pop(job.want), error_of(job.code, job.what, job.details, job.hint, job.cause), outcome
            )
        else:
            raise TypeError(f"resolve got a job of another stage: {job!r}")
        yield from self._results(job.job, outcome)

    @property
    def may_know_too_little(self) -> bool:
        """A kept packument was believed without asking the registry, which may be asked."""
        return self._has_believed and not self._inputs.cache.offline

    def begin_anew(self, job: Job) -> Iterator[Result]:
        """Resolve once more, and ask the registry about every kept packument.

        Raises:
            PmpipeError: see `handle`.
        """
        self._done, self._asks_always, self._has_believed = False, True, False
        self._asked.clear()
        outcome = _Outcome()
        self._start(outcome)
        yield from self._results(job.job, outcome)

    def stop_code(self) -> None:
        """Nothing more is to be repaired."""
        if self._inputs.stop_code is not None:
            self._inputs.stop_code()

    def _start(self, outcome: _Outcome) -> None:
        self._resolver = ChangeResolver(self._inputs.order, self._inputs.options())
        self._take(self._resolver.start(), outcome)

    # -- feeding --------------------------------------------------------------------------------------------------

    def _feed(self, ask: Ask, fed: Fed, outcome: _Outcome) -> None:
        assert self._resolver is not None
        self._take(self._resolver.feed(ask, fed), outcome)

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
                pending.extend(resolver.feed(event, fed))

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
        cache = self._inputs.cache
        kept = self._kept_document(self._inputs.wants.packument(ask).cache_path)
        if kept is not None and self._is_believed(kept):
            try:
                packument = self._reader.read(kept.body, ask.name, gzipped=kept.head.gzipped, stays=True)
            except PmpipeError:
                kept = None  # torn by a power cut: it is asked for again
            else:
                self._has_believed = True
                return packument
        if cache.offline:
            what = f"the packument of {ask.name} is not in the cache, and the network may not be used"
            return OfflineError(what, hint="install once without --offline")
        self._want(ask, outcome, kept)
        return None

    def _kept_document(self, path: str) -> KeptDocument | None:
        if not self._has_cache:
            return None
        try:
            return read_document(path)
        except OSError as error:
            what = f"cannot read {path}: {error.strerror}"
            raise StoreError(what, hint="mend its permissions, or remove it") from error

    def _is_believed(self, kept: KeptDocument) -> bool:
        """Whether a kept packument counts without the registry's word."""
        cache = self._inputs.cache
        if cache.offline or self._asks_always:
            return cache.offline
        return cache.prefer_offline or (not cache.prefer_online and kept.is_fresh(time.time()))

    def _want(self, ask: Ask, outcome: _Outcome, kept: KeptDocument | None = None, *, replace: bool = False) -> None:
        number = self._next
        want = self._inputs.wants.want(number, ask, kept.head if kept is not None else None)
        if replace and not isinstance(want, WantDocument):
            want = msgspec.structs.replace(want, replace=True)
        self._next += 1
        self._asked[number] = ask
        if isinstance(want, WantCommit):
            self._commits[number] = want
        elif isinstance(want, WantTarball) and want.integrity:
            self._offered[want.integrity] = None
        if kept is not None:
            assert isinstance(ask, AskPackument), "only packuments are kept"
            self._kept[number] = kept
            self._kept_paths[number] = self._inputs.wants.packument(ask).cache_path
        outcome.wants.append(want)

    # -- answers --------------------------------------------------------------------------------------------------

    def _document(self, job: AnswerDocument, ask: Ask) -> Fed | None:
        """The packument, or why it is none; None: the registry calls a copy current that cannot be used."""
        assert isinstance(ask, AskPackument)
        kept = self._kept.pop(job.want, None)
        if job.source is not None:
            start = job.source.offset
            # what stays is looked into as long as the packument is there
            body = self._shared[start : start + job.source.length]
            try:
                return self._reader.read(body, ask.name, gzipped=job.gzipped, stays=job.stays)
            except PmpipeError as error:
                return error
        assert kept is not None, "only a kept document can be current"
        try:
            packument = self._reader.read(kept.body, ask.name, gzipped=kept.head.gzipped, stays=True)
        except PmpipeError:
            return None
        still_current(self._kept_paths[job.want])
        return packument

    def _entry(self, job: AnswerEntry, ask: Ask) -> Fed:
        if isinstance(ask, AskContents):
            return contents_from(job.entry, wants_bundle=ask.wants_bundle, wants_shrinkwrap=ask.wants_shrinkwrap)
        assert isinstance(ask, AskManifest)
        commit = self._commits.get(job.want)
        if commit is not None:
            return manifest_from(job.entry, commit.resolved.replace(COMMIT, job.commit), "", ask.name)
        resolved = ask.wanted if ask.kind is RequestKind.TARBALL_URL else f"file:{ask.wanted.removeprefix('file:')}"
        return manifest_from(job.entry, resolved, job.integrity, ask.name)

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
        resolver = self._resolver
        assert resolver is not None
        if resolver.done and not self._done:
            self._done = True
            yield from self._finish(job, resolver)
            return
        yield from steps(ResolveStep(job, tuple(outcome.wants), tuple(outcome.announced), self._packages))

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
        yield ResolveDone(job, path, tuple(bounded(warnings)))


def _unneeded(offered: Iterable[str], installed: Iterable[str]) -> Iterator[str]:
    """Those of some tarballs that are not installed; both by their SRI, which may have more digests here than there."""
    needed = {digest for integrity in installed for digest in integrity.split()}
    return (integrity for integrity in offered if needed.isdisjoint(integrity.split()))


def _lacks_version(error: PmpipeError) -> bool:
    problems = error.problems if isinstance(error, ProblemsError) else (error,)
    return any(isinstance(problem, NoMatchingVersionError) for problem in problems)
