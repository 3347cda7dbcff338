"""Running state machines to their end, with what stops them as errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pmpipe.checking import CheckRun, CheckTask, Finding
from pmpipe.errors import HostError
from pmpipe.interrupts import CancelledError
from pmpipe.pipeline import Sizes, check_stages
from pmpipe.report import crash_error
from pmpipe.supervisor import Cancelled, CrashReport, Machine, Supervisor
from pmpipe.workers import Stage


def check(tasks: Iterable[CheckTask], sizes: Sizes) -> list[Finding]:
    """Compare folders with store entries, in parallel.

    Raises:
        PmpipeError: a worker died.
        CancelledError: a signal ended it.
    """
    run = CheckRun(tasks, max(sizes.places.values()))
    drive(run, check_stages(sizes), lambda: None)
    return run.findings


def drive(machine: Machine, stages: Sequence[Stage], progress: Callable[[], None]) -> dict[str, float]:
    """Run a state machine to its end and return the seconds during which each stage had work.

    Raises:
        WorkerCrashError: a worker died or raised.
        HostError: a process cannot be started.
        CancelledError: SIGINT or SIGTERM came.
    """
    supervisor = Supervisor(machine, stages, progress)
    try:
        outcome = supervisor.run()
    except OSError as error:
        raise HostError(
            f"the system refuses what a run needs: {error.strerror or error}",
            hint="check the limits on processes, open files and memory (ulimit -a)",
        ) from error
    if isinstance(outcome, CrashReport):
        raise crash_error(outcome)
    if isinstance(outcome, Cancelled):
        raise CancelledError(outcome.signal_number)
    return {stage.value: seconds for stage, seconds in supervisor.busy_s.items()}
