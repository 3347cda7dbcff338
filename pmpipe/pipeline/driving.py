"""Running state machines to their end, with what stops them as errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pmpipe.errors import HostError
from pmpipe.orders import StageName
from pmpipe.pipeline.checking import CheckRun, CheckTask, Finding
from pmpipe.pipeline.pipeline import Sizes, check_stages
from pmpipe.pipeline.report import crash_error
from pmpipe.supervisor import Cancelled, CrashReport, Machine, Outcome, Supervisor
from pmpipe.system.interrupts import CancelledError
from pmpipe.workers import Stage, Workers
from stages.channel import SEMAPHORES


def check(tasks: Iterable[CheckTask], sizes: Sizes) -> list[Finding]:
    """Compare folders with store entries, in parallel.

    Raises:
        PmpipeError: a worker died.
        CancelledError: a signal ended it.
    """
    run = CheckRun(tasks, max(sizes.slots.values()))
    drive(run, check_stages(sizes), lambda: None)
    return run.findings


def drive(machine: Machine, stages: Sequence[Stage], progress: Callable[[], None]) -> dict[str, float]:
    """Run a state machine to its end, in processes of its own; see `Crew.drive`."""
    with Crew(stages) as crew:
        return crew.drive(machine, progress, is_last=True)


class Crew:
    """The processes of an install, for one state machine after another; a context manager.

    They start when their first job exists, and stay for the next machine: libraries are loaded, connections are open.

    Args:
        stages: what the processes run.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._workers: Workers | None = None
        #: those of machines that were the last ones; they are on their way out
        self._leaving: list[Workers] = []
        #: the machine that is driven, and the one before
        self._machine: Machine | None = None
        self._before: Machine | None = None
        #: why documents were not kept, one line each; complete once all processes have ended
        self.notes: list[str] = []
        #: what went wrong when it could not fail the run any more; complete then, too
        self.warnings: list[str] = []

    def __enter__(self) -> Crew:  # noqa: PYI034 - Self is not in typing before 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes at once; afterwards no child is left."""
        if self._workers is not None:
            self._workers.stop()
            self._workers = None
        self.end()

    def end(self) -> None:
        """End all processes when they have done what they were given, two seconds later at most; then none is left."""
        if self._workers is not None:
            self._leaving.append(self._workers)
            self._workers = None
        for workers in self._leaving:
            workers.end_in_peace()
            self.notes += workers.notes
            self.warnings += workers.warnings
        self._leaving.clear()

    def prepare(self, *stages: StageName) -> None:
        """Start the first process of each of these stages before its first job, which is certain to come.

        Raises:
            HostError: a process cannot be started.
        """
        try:
            for stage in stages:
                if self._workers is None:
                    self._workers = Workers(self._stages)
                self._workers.prepare(stage)
        except OSError as error:
            raise _refused(error) from error

    def drive(self, machine: Machine, progress: Callable[[], None], *, is_last: bool) -> dict[str, float]:
        """Run a state machine to its end and return the seconds during which each stage had work.

        Args:
            machine: not started yet.
            progress: called at every wake-up, after the machine has changed; must return at once.
            is_last: the processes are let go; they end while the caller goes on, and are waited for by `stop`.

        Raises:
            WorkerCrashError: a worker died or raised.
            HostError: a process cannot be started.
            CancelledError: a signal asked for the end.
        """
        stage_s = self._drive(machine, progress, Supervisor.run)
        if is_last and self._workers is not None:
            self._workers.let_go()
            self._leaving.append(self._workers)
            self._workers = None
        return stage_s

    def drive_until(self, machine: Machine, fd: int) -> dict[str, float]:
        """Run a state machine until a descriptor is readable; it may be driven on. Otherwise as `drive`."""
        return self._drive(machine, lambda: None, lambda supervisor: supervisor.run_until(fd))

    def turn(self, machine: Machine) -> dict[str, float]:
        """Let a state machine answer what has happened since it was driven, without waiting. Otherwise as `drive`."""
        return self._drive(machine, lambda: None, Supervisor.turn)

    def _drive(
        self, machine: Machine, progress: Callable[[], None], run: Callable[[Supervisor], Outcome | None]
    ) -> dict[str, float]:
        try:
            if self._workers is None:
                self._workers = Workers(self._stages)
            if machine is not self._machine:
                self._before, self._machine = self._machine, machine
            supervisor = Supervisor(machine, self._workers, progress, self._before)
            outcome = run(supervisor)
        except OSError as error:
            raise _refused(error) from error
        if isinstance(outcome, CrashReport | Cancelled):
            self._workers = None
        if isinstance(outcome, CrashReport):
            raise crash_error(outcome)
        if isinstance(outcome, Cancelled):
            raise CancelledError(outcome.signal_number)
        return {stage.name.value: supervisor.busy_s[stage.name] for stage in self._stages}


def _refused(error: OSError) -> HostError:
    if error.filename == SEMAPHORES:
        return HostError(
            f"the system refuses semaphores, which it keeps in {SEMAPHORES}: {error.strerror}",
            hint="mount a file system there that can be written; a few kilobytes are enough",
        )
    return HostError.refused(error)
