"""When the project's own scripts are run, and what is said of it; `pmpipe.lifecycle.own` runs them."""

from __future__ import annotations

from pmpipe.cli.output import Output
from pmpipe.npm.scripts.lifecycle import CHANGE_EVENTS, EARLY_EVENTS
from pmpipe.session import Session


def may_run_scripts(session: Session, command: str) -> bool:
    """Whether a command runs scripts of the project."""
    config = session.config
    return not (config.ignore_scripts or config.dry_run or (config.package_lock_only and command != "ci"))


def run_change_scripts(session: Session, output: Output, command: str) -> None:
    """Run what the project wants to be run when its node_modules has changed."""
    if may_run_scripts(session, command):
        run_events(session, output, command, CHANGE_EVENTS)


def run_events(session: Session, output: Output, command: str, events: tuple[str, ...]) -> None:
    """Run the project's scripts for some events; nothing if it has none.

    Raises:
        ScriptError: one of them failed; those after it were not run.
        CancelledError: a signal asked for the end, and the script was ended.
    """
    from pmpipe.lifecycle.folders import has_scripts

    if not has_scripts(session.folder, events):
        return
    from pmpipe.lifecycle.environment import script_environment
    from pmpipe.lifecycle.own import run_own_scripts
    from pmpipe.system.interrupts import CancelledError

    environment = script_environment(session.config, session.environ, command)
    say = output.note if output.json else output.say
    try:
        run_own_scripts(session.folder, environment, say, to_stderr=output.json, events=events)
    except CancelledError as cancelled:
        done = "nothing was installed" if events == EARLY_EVENTS else "all packages are installed"
        cancelled.state = f"{done}, the project's scripts have not come to their end"
        raise
