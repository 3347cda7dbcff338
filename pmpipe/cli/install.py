"""`pmpipe ci` and `pmpipe install`: the way in, the way out with nothing to do, and the project's own scripts."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.wording import some_of
from pmpipe.dev_engines import require_dev_engines
from pmpipe.errors import UsageError
from pmpipe.find_project import find_root
from pmpipe.npm.lifecycle import EARLY_EVENTS, PROJECT_EVENTS
from pmpipe.project_lock import project_lock
from pmpipe.project_write import recover
from pmpipe.session import Session, require_local


def run_install(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Install the project; the exit status.

    Raises:
        PmpipeError: it could not be done, and the project is as it was.
    """
    started = time.monotonic()
    if line.words and line.command == "install":
        from pmpipe.cli.changing import run_change

        return run_change(line, environ)
    if line.words:
        raise UsageError(
            f"pmpipe {line.command} takes no package names, got {some_of(line.words)}",
            hint="`pmpipe add` adds packages",
        )
    if line.command == "ci" and "allow-unused-patches" in line.settings:
        raise UsageError("ci takes no --allow-unused-patches", hint="take the patch out of package.json")
    folder, workspace = find_root(line.settings)
    early = _run_early_scripts(line, environ, folder)
    with project_lock(folder, tell):
        recover(folder)
        # only now: another run may have changed what is read here
        session = Session.open(line.settings, environ, folder)
        config = session.config
        require_local(session)
        output = Output(config.loglevel, json=config.json)
        output.warn(require_dev_engines(session))
        if line.command == "install" and not config.package_lock:
            # npm neither reads nor writes it then
            session.disregard_lock()
        limits = workspace or config.workspace or config.workspaces is not None
        if line.command == "install" and not (line.repair or limits) and _is_nothing_to_do(session):
            from pmpipe.cli.summary import show_nothing_to_do

            show_nothing_to_do(output, time.monotonic() - started)
        else:
            _install(line, session, output, started, workspace)
    # not before the project is free: its scripts may well call for something else to be done in it
    if _runs_scripts(line, session):
        _run_own_scripts(line, session, output, leaving_out=early)
    return 0


def _runs_scripts(line: CommandLine, session: Session) -> bool:
    config = session.config
    return not (config.ignore_scripts or config.dry_run or (config.package_lock_only and line.command != "ci"))


def _run_early_scripts(line: CommandLine, environ: Mapping[str, str], folder: str) -> tuple[str, ...]:
    """Run what npm 12 runs before an install; the events.

    All that they may change, settings too, is read afterwards.
    """
    from pmpipe.lifecycle.folders import has_early_scripts

    if not has_early_scripts(folder):
        return ()
    session = Session.open(line.settings, environ, folder)
    require_local(session)
    if not _runs_scripts(line, session):
        return ()
    require_dev_engines(session)
    _run_own_scripts(line, session, Output(session.config.loglevel, json=session.config.json), only=EARLY_EVENTS)
    return EARLY_EVENTS


def _is_nothing_to_do(session: Session) -> bool:
    if not session.is_done():
        return False
    if session.config.ignore_scripts:
        return True
    from pmpipe.lifecycle.due import is_any_due

    return not is_any_due(session)


def _install(line: CommandLine, session: Session, output: Output, started: float, workspace: str) -> None:
    with ExitStack() as ending:
        ending.enter_context(session.working_ahead())
        from pmpipe.install_crew import InstallCrew

        crew = ending.enter_context(InstallCrew(session))
        crew.get_ready(session)
        # a third of all there is to import
        from pmpipe.choice import Choice
        from pmpipe.cli.installing import Extent, install

        choice = Choice.of(session.config, os.getcwd(), workspace)
        install(line, session, output, started, Extent(choice=choice), crew)


def _run_own_scripts(
    line: CommandLine,
    session: Session,
    output: Output,
    *,
    only: tuple[str, ...] = PROJECT_EVENTS,
    leaving_out: tuple[str, ...] = (),
) -> None:
    from pmpipe.lifecycle.folders import has_own_scripts

    if not has_own_scripts(session.folder):
        return
    from pmpipe.interrupts import CancelledError
    from pmpipe.lifecycle.environment import script_environment
    from pmpipe.lifecycle.own import run_own_scripts

    environment = script_environment(session.config, session.environ, line.command)
    say = output.note if output.json else output.say
    try:
        events = tuple(event for event in only if event not in leaving_out)
        run_own_scripts(session.folder, environment, say, to_stderr=output.json, events=events)
    except CancelledError as cancelled:
        done = "nothing was installed" if only == EARLY_EVENTS else "all packages are installed"
        cancelled.state = f"{done}, the project's scripts have not come to their end"
        raise
