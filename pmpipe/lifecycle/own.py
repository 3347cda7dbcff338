"""The project's own lifecycle scripts: after all of it was installed, with the terminal as theirs.

For a project that asks for npm 12 ``preinstall`` comes before anything else, so that it can make what an install needs.

Source: npm's ``lib/commands/install.js`` and ``ci.js``, and ``@npmcli/run-script``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pmpipe.errors import ScriptError
from pmpipe.lifecycle.building import ended_how, exit_status, hint_for
from pmpipe.lifecycle.environment import ScriptEnvironment
from pmpipe.npm.scripts.lifecycle import EARLY_EVENTS, GYP_FILE, PROJECT_EVENTS, command_of, search_path
from pmpipe.npm.scripts.package_variables import label_of
from pmpipe.npm.scripts.script_heading import script_heading
from pmpipe.npm.texts.text import printable
from pmpipe.system.interrupts import signals_held_back
from stages.manifest_file import read_document
from stages.script import not_started, script_variables
from stages.script_process import begin_script

#: How long (seconds) a script may take to end after SIGTERM.
_TERM_S = 1.0

_HINT = "all packages are installed; what has failed is a script of the project itself"
_EARLY_HINT = "nothing was installed: the script is one of the project itself that runs before"


def run_own_scripts(
    folder: str,
    environment: ScriptEnvironment,
    say: Callable[[str], None],
    *,
    to_stderr: bool,
    events: Sequence[str] = PROJECT_EVENTS,
) -> None:
    """Run the project's scripts one after the other.

    Args:
        folder: absolute path of the project.
        environment: what scripts have.
        events: which ones.
        say: called with the lines that announce a script.
        to_stderr: what scripts write to standard output goes to standard error; that is for one document alone.

    Raises:
        ScriptError: one of them failed; those after it were not run.
        CancelledError: a signal asked for the end, and the script was ended.
    """
    for event in events:
        document = read_document(folder)
        command = command_of(document, event, has_gyp_file=os.path.isfile(f"{folder}/{GYP_FILE}"))
        if not command:
            continue
        label = printable(label_of(document) or os.path.basename(folder))
        say(script_heading(label, event, command))
        variables = {**environment.own, **script_variables(document, event, command, folder)}
        variables["PATH"] = search_path(folder, environment.gyp_folder, variables.get("PATH", os.defpath))
        arguments = [environment.shell, "-c", command]
        status = _run(f"{label}: the {event} script", arguments, folder, variables, to_stderr=to_stderr)
        if status:
            raise ScriptError(
                f"{label}: the {event} script {ended_how(status)}",
                details=[f"command: {printable(command)}", f"folder: {folder}"],
                hint=hint_for(command, status) or (_EARLY_HINT if events == EARLY_EVENTS else _HINT),
                status=exit_status(status),
            )


def _run(what: str, arguments: Sequence[str], folder: str, variables: Mapping[str, str], *, to_stderr: bool) -> int:
    """Run a script to its end; its exit status, or minus the signal's number."""
    for stream in (sys.stdout, sys.stderr):
        # what we have said so far comes before what the script says; that it cannot be written is told at the end
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.flush()
    process: subprocess.Popen[bytes] | None = None
    try:
        # a signal in between would leave a script behind
        with signals_held_back():
            process = subprocess.Popen(
                arguments,
                cwd=folder,
                env=variables,
                stdout=sys.stderr if to_stderr else None,
                # there are no threads here, and nothing but system calls in it
                preexec_fn=partial(begin_script, signal.SIGTERM),  # noqa: PLW1509
            )
        return process.wait()
    except (OSError, ValueError) as error:
        raise ScriptError(not_started(what, arguments[0], error)) from error
    finally:
        if process is not None and process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a script and all that it has started: it shares our terminal, so it has no session of its own."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()
        _, left = psutil.wait_procs(family, timeout=_TERM_S)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()
