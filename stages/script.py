"""The script stage: runs lifecycle scripts of packages, one at a time in each process.

A script is the business of whoever wrote it: that it fails is a result. What it writes is kept for the report. It runs
in a session of its own, so that all of it is ended with the stage's process, and that one with the main process.

Source: npm's ``@npmcli/run-script`` and ``@npmcli/promise-spawn``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pmpipe.errors import FilesystemError, ScriptError
from pmpipe.npm.scripts.lifecycle import GYP_FILE, command_of, search_path
from pmpipe.npm.scripts.package_variables import package_variables
from pmpipe.npm.scripts.script_heading import script_heading
from stages.manifest_file import read_document
from stages.messages import Failed, Job, Result, RunScript, ScriptRan
from stages.script_process import ScriptProcess, ended_by_sigterm
from stages.worker import Handler, JobBoard

#: Longer commands are cut for messages.
_SHOWN_COMMAND = 2_000


@contextmanager
def script_handler(environment: Mapping[str, str], gyp_folder: str, board: JobBoard) -> Iterator[Handler]:
    """The script stage's handler of `RunScript` jobs; while the context lasts, SIGTERM ends the script in hand, too.

    Args:
        environment: what all scripts have.
        gyp_folder: the folder that brings ``node-gyp``; may be empty.
        board: is told the group of the processes that run.
    """
    running: list[ScriptProcess] = []

    def end() -> None:
        for process in running:
            process.end()

    def handle(job: Job) -> Iterable[Result]:
        if not isinstance(job, RunScript):
            raise TypeError(f"the script stage has no {type(job).__name__} jobs")
        try:
            document = read_document(job.folder)
        except FilesystemError as error:
            return (Failed(job.job, error.code, f"{job.label}: {error.what}"),)
        command = command_of(document, job.event, has_gyp_file=os.path.isfile(f"{job.folder}/{GYP_FILE}"))
        if not command:
            return (ScriptRan(job.job),)
        variables = {**script_variables(document, job.event, command, job.folder), **job.variables}
        variables["PATH"] = search_path(job.folder, gyp_folder, environment.get("PATH", os.defpath))
        if job.shown_on:
            _announce(job, command)
        try:
            # a SIGTERM in between would miss the process
            previous = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
            try:
                process = ScriptProcess(
                    job.shell, command, job.folder, {**environment, **variables}, shown_on=job.shown_on
                )
                running.append(process)
                board.note_group(process.group)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        except (OSError, ValueError) as error:
            script = f"{job.label}: the {job.event} script"
            return (Failed(job.job, ScriptError.code, not_started(script, job.shell, error)),)
        status = process.wait()
        running.clear()
        board.note_group(0)
        return (ScriptRan(job.job, command[:_SHOWN_COMMAND], status, process.output),)

    with ended_by_sigterm(end):
        yield handle


def _announce(job: RunScript, command: str) -> None:
    """Say whose script it is that shows what it writes."""
    stream = sys.stderr if job.shown_on == "stderr" else sys.stdout
    if stream is None:
        return
    # past the buffer, which this process has from the one that has forked it; that it cannot be written is told there
    with contextlib.suppress(OSError), open(stream.fileno(), "wb", closefd=False) as output:
        output.write(f"{script_heading(job.label, job.event, command)}\n".encode("utf-8", "backslashreplace"))


def script_variables(document: Mapping[str, Any], event: str, command: str, folder: str) -> dict[str, str]:
    """What a script learns of itself.

    Args:
        document: the package.json.
        event: ``postinstall``, for example.
        command: what is run for it.
        folder: absolute path of the package.
    """
    return {
        **package_variables(document),
        "npm_package_json": f"{folder}/package.json",
        "npm_lifecycle_event": event,
        "npm_lifecycle_script": command,
    }


def not_started(what: str, shell: str, error: Exception) -> str:
    """The line that says that a script has not even begun.

    Args:
        what: names it.
        shell: the program that was to run it.
        error: the system's answer.
    """
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{what} cannot be started with {shell}: {cause}"
