"""`pmpipe ci` and `pmpipe install`: the way in, the way out with nothing to do, and the project's own scripts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.own_scripts import may_run_scripts, run_change_scripts, run_events
from pmpipe.cli.wording import some_of
from pmpipe.errors import UsageError
from pmpipe.installing.dev_engines import require_dev_engines
from pmpipe.npm.scripts.lifecycle import EARLY_EVENTS, PROJECT_EVENTS
from pmpipe.project.find_project import find_root, ignored_settings, require_local, working_folder
from pmpipe.project.project_lock import project_lock
from pmpipe.project.project_write import recover
from pmpipe.session import Session


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
        session.warnings += ignored_settings(workspace)
        config = session.config
        require_local(session.config)
        output = Output(config.loglevel, json=config.json)
        output.warn(require_dev_engines(session))
        if line.command == "install" and not config.package_lock:
            # npm neither reads nor writes it then
            session.disregard_lock()
        limits = workspace or config.workspace or config.workspaces is not None
        has_changed = False
        done = _count_done(session) if line.command == "install" and not (line.repair or limits) else None
        if done is not None:
            from pmpipe.cli.summary import show_nothing_to_do

            show_nothing_to_do(done, output, time.monotonic() - started)
        else:
            has_changed = _install(line, session, output, started, workspace)
    # not before the project is free: its scripts may well call for something else to be done in it
    if may_run_scripts(session, line.command):
        if has_changed:
            run_change_scripts(session, output, line.command)
        run_events(session, output, line.command, tuple(event for event in PROJECT_EVENTS if event not in early))
    return 0


def _run_early_scripts(line: CommandLine, environ: Mapping[str, str], folder: str) -> tuple[str, ...]:
    """Run what npm 12 runs before an install; the events.

    All that they may change, settings too, is read afterwards.
    """
    from pmpipe.lifecycle.folders import has_early_scripts

    if not has_early_scripts(folder):
        return ()
    session = Session.open(line.settings, environ, folder)
    require_local(session.config)
    if not may_run_scripts(session, line.command):
        return ()
    require_dev_engines(session)
    run_events(session, Output(session.config.loglevel, json=session.config.json), line.command, EARLY_EVENTS)
    return EARLY_EVENTS


def _count_done(session: Session) -> int | None:
    """How many packages there are, if there is nothing to do; else None."""
    done = session.count_done()
    if done is None or session.config.ignore_scripts:
        return done
    from pmpipe.lifecycle.due import is_any_due

    return None if is_any_due(session) else done


def _install(line: CommandLine, session: Session, output: Output, started: float, workspace: str) -> bool:
    """Install; whether anything in node_modules has changed."""
    with ExitStack() as ending:
        ending.enter_context(session.working_ahead(tell))
        from pmpipe.installing.install_crew import InstallCrew

        crew = ending.enter_context(InstallCrew(session))
        crew.get_ready(session)
        if line.command == "install":
            crew.begin_before_resolver(session)
        # a third of all there is to import
        from pmpipe.cli.installing import Extent, install
        from pmpipe.settings.choice import Choice

        choice = Choice.of(session.config, working_folder(), workspace)
        return install(line, session, output, started, Extent(choice=choice), crew).changes_tree
