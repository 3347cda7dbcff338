"""`pmpipe add`, `remove`, `update`, `dedupe`, `find-dupes` and `prune`: the project changes, then it is installed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack

from pmpipe.changing.change_resolver import Action
from pmpipe.cli.installing import Extent, install
from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.own_scripts import run_change_scripts
from pmpipe.cli.wording import some_of
from pmpipe.errors import LockfileError, UsageError
from pmpipe.installing.dev_engines import require_dev_engines
from pmpipe.project.find_project import find_root, ignored_settings, require_local, working_folder
from pmpipe.project.project_lock import project_folder, project_lock
from pmpipe.project.project_write import recover
from pmpipe.resolving.change_order import Wish, change_order
from pmpipe.session import Session
from pmpipe.settings.choice import Choice

_ACTIONS = {
    "install": Action.ADD,
    "remove": Action.REMOVE,
    "update": Action.UPDATE,
    "dedupe": Action.DEDUPE,
    "find-dupes": Action.DEDUPE,
    "prune": Action.KEEP,
}
#: Switches by which yarn and bun save, and npm only includes what is omitted elsewhere; and what saves.
_SAVES_ELSEWHERE = {"dev": "-D", "optional": "-O"}
_WITHOUT_WORDS = (Action.DEDUPE, Action.KEEP)


def run_change(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Change the project, and install it; the exit status.

    Raises:
        PmpipeError: it could not be done, and the project is as it was.
    """
    started = time.monotonic()
    action = _ACTIONS[line.command]
    _check_words(line, action)
    settings = {**line.settings, "dry-run": True} if line.command == "find-dupes" else line.settings
    folder, workspace = find_root(settings)
    with ExitStack() as held:
        if action is Action.ADD:
            held.enter_context(project_folder(folder))
        held.enter_context(project_lock(folder, tell))
        recover(folder)
        # only now: another run may have changed what is read here
        session = Session.open(settings, environ, folder, may_be_new=action is Action.ADD)
        session.warnings += [*ignored_settings(workspace), *_not_saved_so(line, action)]
        require_local(session.config)
        output = Output(session.config.loglevel, json=session.config.json)
        output.warn(require_dev_engines(session))
        if not session.config.package_lock:
            # npm neither reads nor writes it then
            session.disregard_lock()
        if session.config.frozen_lockfile:
            raise LockfileError(
                f"pmpipe {line.command} changes the lockfile, and --frozen-lockfile says that it may not",
                hint="leave one of them out",
            )
        choice = Choice.of(session.config, working_folder(), workspace)
        wish = Wish(action, line.words, working_folder(), choice)
        order = change_order(wish, session)
        summary = install(line, session, output, started, Extent(order, choice))
    # not before the project is free: a script may well call for something else to be done in it
    if summary.changes_tree:
        run_change_scripts(session, output, line.command)
    return 0


def _not_saved_so(line: CommandLine, action: Action) -> list[str]:
    given = [name for name in _SAVES_ELSEWHERE if action is Action.ADD and line.settings.get(name) is True]
    return [f"--{name} means --include={name}, as with npm; {_SAVES_ELSEWHERE[name]} saves so" for name in given]


def _check_words(line: CommandLine, action: Action) -> None:
    if action is Action.REMOVE and not line.words:
        raise UsageError("pmpipe remove wants the name of a package", hint="for example `pmpipe remove left-pad`")
    if action in _WITHOUT_WORDS and line.words:
        raise UsageError(
            f"pmpipe {line.command} takes no package names, got {some_of(line.words)}",
            hint="it is about the whole tree",
        )
