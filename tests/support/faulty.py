"""pmpipe with one fault in it: ``python -m support.faulty ci …`` runs the program and misbehaves at a chosen point.

The fault is in the environment, as `Fault.environment` writes it. Stage processes are forked, so what is patched here
before the program starts holds in them as well.

Points, besides ``start`` (the stage's process has just begun) and ``put`` (it has taken a place in the channel of
results, and has not sent anything): the audit events of Python, ``os.link`` for instance, counted in that process from
its start; ``create`` for the opening of a file that is to be written; ``lstat`` for a look at what stands at a path in
node_modules; ``body`` for bytes of a tarball that arrive; and ``answer`` for an answer that the resolver is fed.

A run does not wait for its cache of packuments, whose process has a low priority: where that one is to die, the
tree is not completed before it has.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_VARIABLE = "PMPIPE_TEST_FAULT"

#: what starts another process
_STARTS = frozenset({"os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen", "os.exec", "os.system"})


#: how a process ends, and no other with it
_DEATHS = frozenset({"raises", "exits", "SIGKILL", "SIGSEGV"})

#: how long (seconds) is waited for one at most
_PATIENCE_S = 60.0

#: where modules are looked for
_MODULES = tuple(filter(None, sys.path))


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong.

    Attributes:
        stage: ``fetch``, ``extract``, ``clone``, ``link``, ``resolve``, ``cache``, or ``main`` for the supervisor's
            process.
        point: where, see above.
        kind: ``raises``, ``exits``, the name of a signal that the process sends to itself, the name of an error that
            the system gives instead of doing it, or ``kills all``: SIGKILL to the whole process group. ``forbidden``
            makes every start of a process fail.
        number: so many times the point is reached before, and at this time, from 1.
        sign: path of a file that is made when it goes wrong; empty: none.
    """

    stage: str
    point: str
    kind: str
    number: int = 1
    sign: str = ""

    def environment(self) -> dict[str, str]:
        """The variable that tells the driver."""
        return {_VARIABLE: json.dumps(asdict(self))}


#: no child may be started
NO_PROCESSES = Fault("main", "", "forbidden")


class OnPurposeError(Exception):
    """What a worker raises that no handler of the program expects."""


@dataclass(slots=True)
class _Injector:
    fault: Fault
    stage: str = "main"
    seen: int = 0

    def reach(self, point: str) -> None:
        if self.stage != self.fault.stage or point != self.fault.point:
            return
        self.seen += 1
        if self.seen == self.fault.number:
            self.misbehave()

    def misbehave(self) -> None:
        if self.fault.sign:
            with open(self.fault.sign, "w"):
                pass
        match self.fault.kind:
            case "raises":
                raise OnPurposeError("raised on purpose")
            case "exits":
                os._exit(3)
            case "kills all":
                os.killpg(0, signal.SIGKILL)
            case name if hasattr(errno, name):
                raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
            case name:
                os.kill(os.getpid(), signal.Signals[name])
        signal.pause()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.fault.kind == "forbidden":
            if event in _STARTS:
                raise OnPurposeError(f"{event} although nothing may be started")
            return
        if not _is_for_modules(event, *arguments):
            self.reach(event)
        if event == "open" and _creates(*arguments):
            self.reach("create")


def _is_for_modules(event: str, *arguments: Any) -> bool:
    """Whether Python looks for a module: it looks again where a folder has changed, which may be at any time."""
    return event == "os.listdir" and str(arguments[0]).startswith(_MODULES)


def _creates(path: Any, _mode: Any, flags: Any) -> bool:
    """Whether a file is opened to be written; Python's own caches of code come and go, and do not count."""
    is_cache = isinstance(path, int) or "__pycache__" in os.fsdecode(path)
    return isinstance(flags, int) and bool(flags & os.O_CREAT) and not is_cache


def _patch(injector: _Injector) -> None:
    from pmpipe.resolving.worker import ResolveWorker
    from pmpipe.workers import Stage, Workers
    from stages.channel import Channel
    from stages.fetching.arena_sink import ArenaSink

    begin, put, write, feed = Workers.__init__, Channel.put, ArenaSink.write, ResolveWorker._feed
    lstat = os.lstat

    def begin_with_fault(self: Workers, stages: Sequence[Stage]) -> None:
        for stage in stages:
            stage.main = _faulty_main(injector, stage.name.value, stage.main)
        begin(self, stages)

    def put_with_fault(self: Channel, datagram: bytes) -> None:
        if injector.fault.point == "put" and injector.stage == injector.fault.stage and not injector.seen:
            self._free.acquire()
        injector.reach("put")
        put(self, datagram)

    def write_with_fault(self: ArenaSink, data: bytes) -> bool:
        taken = write(self, data)
        injector.reach("body")
        return taken

    def feed_with_fault(self: ResolveWorker, *arguments: Any) -> None:
        feed(self, *arguments)
        injector.reach("answer")

    def lstat_with_fault(path: Any, **options: Any) -> os.stat_result:
        if "/node_modules/" in os.fsdecode(path):
            injector.reach("lstat")
        return lstat(path, **options)

    if injector.fault.stage == "cache" and injector.fault.kind in _DEATHS:
        _clone_after_the_death_of_the_cache(injector.fault.number)
    os.lstat = lstat_with_fault  # type: ignore[assignment]
    ResolveWorker._feed = feed_with_fault  # type: ignore[method-assign]
    Workers.__init__ = begin_with_fault  # type: ignore[method-assign]
    Channel.put = put_with_fault  # type: ignore[method-assign]
    ArenaSink.write = write_with_fault  # type: ignore[method-assign]


def _clone_after_the_death_of_the_cache(number: int) -> None:
    """Send no more packages to clone, from the `number`-th document to be kept on, before the cache's process is dead.

    Every package's document is to be kept before the package is cloned, so that the last one waits at the latest.
    """
    from pmpipe.orders import StageName
    from pmpipe.workers import Workers

    send, to_keep = Workers.send, 0

    def send_after_the_death(self: Workers, stage: StageName, jobs: Sequence[Any], in_flight: int) -> None:
        nonlocal to_keep
        if stage is StageName.CACHE:
            to_keep += len(jobs)
        if stage is StageName.CLONE and to_keep >= number:
            deadline = time.monotonic() + _PATIENCE_S
            while not any(death.stage is StageName.CACHE for death in self.deaths()):
                assert time.monotonic() < deadline, "the cache's process was to die"
                time.sleep(0.001)
        send(self, stage, jobs, in_flight)

    Workers.send = send_after_the_death  # type: ignore[method-assign]


def _faulty_main(injector: _Injector, stage: str, main: Callable[..., None]) -> Callable[..., None]:
    def run(*arguments: Any) -> None:
        injector.stage, injector.seen = stage, 0
        injector.reach("start")
        main(*arguments)

    return run


def run() -> int:
    """Run pmpipe's command line with the fault; the exit status."""
    fault = Fault(**json.loads(os.environ.pop(_VARIABLE)))
    # a process that sends itself SIGSEGV leaves no core file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    injector = _Injector(fault)
    from pmpipe.cli.main import main

    if fault.kind != "forbidden":
        _patch(injector)
    sys.addaudithook(injector.audit)
    return main(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(run())
