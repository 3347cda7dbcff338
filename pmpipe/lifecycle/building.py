"""Building packages: their scripts, event by event, as many at a time as there are cores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from pmpipe.errors import EXIT_BY_SIGNAL, EXIT_FAILURE, PmpipeError, ProblemsError, ScriptError
from pmpipe.lifecycle.script_run import ScriptFailure, ScriptRun, ScriptTask
from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.npm.scripts.lifecycle import EVENTS_BEFORE_BINS
from pmpipe.npm.texts.text import printable
from pmpipe.pipeline.driving import Crew
from pmpipe.pipeline.pipeline import script_stage
from stages.messages import Failed
from stages.messages.scripting import ShownOn

#: A shell's status for a command that it has not found.
_NOT_FOUND = 127

#: Of what a script has written, so many lines are shown.
_SHOWN_LINES = 20


class Builder(msgspec.Struct, frozen=True):
    """How scripts are run.

    Attributes:
        shell: the program that gets the commands.
        gyp_folder: the folder on the search path that brings ``node-gyp``; may be empty.
        processes: how many run at a time.
        shown_on: where they write, one after the other; empty: what they write is kept.
        progress: told what is running, at every wake-up.
        hint: what to do about a script that has failed.
    """

    shell: str
    gyp_folder: str
    processes: int
    shown_on: ShownOn
    progress: Callable[[Sequence[str]], None]
    hint: str

    def build(
        self,
        tasks: Sequence[ScriptTask],
        events: Sequence[str],
        environment: Mapping[str, str],
        relink: Callable[[Collection[PackagePath]], None],
        left_out_with: Callable[[PackagePath], Collection[str]],
    ) -> dict[PackagePath, str]:
        """Run the scripts of packages that are complete.

        Args:
            tasks: the packages, in the order in which their scripts begin.
            events: all scripts of one end before any of the next begins.
            environment: what all of them have.
            relink: called with the packages that may have got executables.
            left_out_with: see `ScriptRun`.

        Returns:
            The optional packages that have failed, and why.

        Raises:
            ScriptError: a script failed that is not of an optional package; those that were running have been ended.
            WorkerCrashError, HostError, CancelledError: see `Crew.drive`.
        """
        failed: dict[PackagePath, str] = {}
        left_out: set[str] = set()
        if not tasks:
            return failed
        with Crew([script_stage(self.processes, environment, self.gyp_folder)]) as crew:
            for event in events:
                left = [task for task in tasks if task.location not in left_out]
                run = ScriptRun(event, left, self.shell, self.processes, self.shown_on, left_out_with)
                self._drive(crew, run)
                left_out |= run.left_out
                lost = [failure for failure in run.failures if not failure.task.optional]
                if lost:
                    errors: list[PmpipeError] = [_error(failure, event, self.hint) for failure in lost]
                    raise errors[0] if len(errors) == 1 else ProblemsError(errors)
                failed.update((failure.task.location, _in_a_line(failure, event)) for failure in run.failures)
                if event in EVENTS_BEFORE_BINS and run.ran:
                    relink(run.ran)
        return failed

    def _drive(self, crew: Crew, run: ScriptRun) -> None:
        crew.drive(run, lambda: self.progress(run.under_way()), is_last=False)


def ended_how(status: int) -> str:
    """How a script has ended, in words.

    Args:
        status: its exit status, or minus the signal's number.
    """
    if status < 0:
        return f"was ended by signal {-status}"
    return f"ended with status {status}"


def exit_status(status: int) -> int:
    """A script's exit status as a shell would have it."""
    return EXIT_BY_SIGNAL - status if status < 0 else status


def hint_for(command: str, status: int) -> str:
    """What to do about a script that has failed; empty where there is nothing useful to say."""
    if status == _NOT_FOUND and "node-gyp" in command:
        return "install npm, which brings node-gyp, or put node-gyp on the PATH"
    return ""


def _in_a_line(failure: ScriptFailure, event: str) -> str:
    result = failure.result
    if isinstance(result, Failed):
        return printable(result.what)
    return f"its {event} script {ended_how(result.status)}"


def _error(failure: ScriptFailure, event: str, hint: str) -> ScriptError:
    result, task = failure.result, failure.task
    if isinstance(result, Failed):
        return ScriptError(printable(result.what), details=[f"folder: {task.folder}"], status=EXIT_FAILURE)
    lines = [printable(line) for line in result.output.splitlines() if line.strip()]
    return ScriptError(
        f"{printable(task.label)}: the {event} script {ended_how(result.status)}",
        details=[f"command: {printable(result.command)}", f"folder: {task.folder}", *lines[-_SHOWN_LINES:]],
        hint=hint_for(result.command, result.status) or hint,
        status=exit_status(result.status),
    )
