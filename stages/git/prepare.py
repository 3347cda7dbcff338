"""Preparing a package that comes from git: what it consists of may have to be made by its own scripts.

The package's dependencies, those for development among them, are installed in its checkout, and its scripts run there.
That is an install like any other, by a program that is told from outside.

Source: npm's ``pacote``, ``lib/git.js`` (prepareDir).
"""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial

import msgspec

from pmpipe.errors import EXIT_BY_SIGNAL, LockfileError, ScriptError
from pmpipe.npm.locks.lock_conflict import without_conflicts
from pmpipe.npm.scripts.lifecycle import PREPARING_EVENTS, has_command
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.npm.texts.text import printable
from stages.git.command import Collector
from stages.manifest_file import read_document
from stages.messages import Failed, FetchGit
from stages.script_process import begin_script

#: Of what is written, so many lines are shown.
_SHOWN_LINES = 20

#: After its end so long (seconds) for the rest of its output, and so long for its end when it is told to end.
_DRAIN_S = 0.5
_TERM_S = 2.0


async def prepare(job: FetchGit, folder: str) -> Failed | None:
    """Prepare a package, if it has scripts for it.

    Args:
        job: says how.
        folder: absolute path of the package.

    Returns:
        why it failed; None if all is well.
    """
    preparation = job.preparation
    if preparation is None or not has_command(read_document(folder), PREPARING_EVENTS, has_gyp_file=False):
        return None
    _pass_over_broken_lock(f"{folder}/package-lock.json")
    try:
        process = await asyncio.create_subprocess_exec(
            *preparation.command,
            folder,
            # not the package's folder: a Python would import what lies there
            cwd="/",
            env={**os.environ, **preparation.variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(begin_script, signal.SIGTERM),
        )
    except OSError as error:
        return _failed(job, f"cannot be prepared: {error.strerror}", [])
    assert process.stdout is not None, "it was started with a pipe"
    output = Collector(process.stdout)
    try:
        await process.wait()
        # what it has left running may keep the pipe open
        await asyncio.wait({output.task}, timeout=_DRAIN_S)
    finally:
        output.task.cancel()
        await _end(process)
    if process.returncode:
        lines = [line for line in output.text.splitlines() if line.strip()]
        ended = process.returncode
        failed = _failed(job, f"preparing it ended with status {ended}", lines[-_SHOWN_LINES:])
        return msgspec.structs.replace(failed, status=EXIT_BY_SIGNAL - ended if ended < 0 else ended)
    if not read_document(folder):
        return _failed(job, "preparing it has left no package.json that can be read", [])
    return None


def _pass_over_broken_lock(path: str) -> None:
    """Take away a lock that is no JSON: who installs the package cannot mend it, and npm goes on without it.

    It is never packed.
    """
    try:
        with open(path, "rb") as file:
            msgspec.json.decode(without_bom(without_conflicts(file.read(), "package-lock.json").data))
    except OSError:
        return  # there is none, or the run that prepares the package tells what is wrong with it
    except (LockfileError, ValueError, RecursionError):
        os.unlink(path)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what is still running; it is asked first, so that it can end its own scripts."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _TERM_S)
        except asyncio.TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _failed(job: FetchGit, what: str, lines: list[str]) -> Failed:
    return Failed(
        job.job,
        ScriptError.code,
        f"{job.label}: {what}",
        tuple(map(printable, lines)),
        "its scripts were allowed; without them it is taken from git as it is",
    )
