"""`pmpipe verify`: is every file of node_modules as it was unpacked?"""

from __future__ import annotations

from collections.abc import Mapping

from pmpipe.cli.options import CommandLine
from pmpipe.cli.output import Output, tell
from pmpipe.cli.wording import some_of
from pmpipe.errors import EXIT_FAILURE, UsageError
from pmpipe.installing.chosen_part import limit
from pmpipe.installing.repair import Diagnosis, diagnose
from pmpipe.lifecycle.gate import ScriptGate, built_packages
from pmpipe.lifecycle.standing_tree import standing_tree
from pmpipe.lifecycle.unrun import read_waiting
from pmpipe.npm.locks.lock_version import is_version_1
from pmpipe.npm.texts.text import plural, printable
from pmpipe.pipeline.sizing import pipeline_sizes
from pmpipe.project.find_project import find_root, working_folder
from pmpipe.project.project import read_hidden_lockfile
from pmpipe.project.project_lock import project_lock
from pmpipe.session import Session
from pmpipe.settings.choice import Choice
from pmpipe.store import Store


def run_verify(line: CommandLine, environ: Mapping[str, str]) -> int:
    """Compare the tree with the store; 0 if all of it could be compared and nothing differs.

    Raises:
        PmpipeError: the project or the store cannot be read.
    """
    if line.words:
        raise UsageError(f"pmpipe verify takes no names, got {some_of(line.words)}")
    folder, workspace = find_root(line.settings)
    with project_lock(folder, tell):
        session = Session.open(line.settings, environ, folder)
        output = Output(session.config.loglevel, json=session.config.json)
        store = session.store()
        store.open(tell)
        try:
            session = _with_readable_lock(session, store)
            choice = Choice.of(session.config, working_folder(), workspace)
            # of the others nothing need be there
            wanted = limit(session, choice, store, fresh=True) if choice.limits else session.wanted(store)
            built = built_packages(wanted.tree, ScriptGate.of(session), read_waiting(store.folder, folder))
            diagnosis = diagnose(wanted, store, pipeline_sizes(session.config), built)
        finally:
            store.close()
    _show(diagnosis, output)
    return 0 if diagnosis.is_healthy() else EXIT_FAILURE


def _with_readable_lock(session: Session, store: Store) -> Session:
    """The project, with the hidden lockfile for its lock where there is none that says what is installed.

    What a lock of version 1 leads to only resolving would tell.
    """
    is_clear = session.lock and session.config.package_lock and not is_version_1(session.lock)
    if is_clear or read_hidden_lockfile(session.folder) is None:
        return session
    return standing_tree(session, store).session


def _show(diagnosis: Diagnosis, output: Output) -> None:
    if output.json:
        output.document(
            {
                "checked": diagnosis.checked,
                "missing": diagnosis.missing,
                "changed": diagnosis.changed,
                "unverifiable": diagnosis.unverifiable,
                "builtByScripts": sorted(diagnosis.built),
                "damagedStoreEntries": sorted(diagnosis.damaged_entries),
            }
        )
        return
    for word, paths in (("missing", diagnosis.missing), ("changed", diagnosis.changed)):
        for path in sorted(paths):
            output.say(f"{word}: {printable(path)}")
    if diagnosis.unverifiable:
        output.note(f"not in the store, so not verified: {some_of(diagnosis.unverifiable)}")
    if diagnosis.built:
        output.note(f"built by their scripts, so not verified: {some_of(sorted(diagnosis.built))}")
    if diagnosis.is_healthy():
        output.say(f"verified {plural(diagnosis.checked, 'package')}: every file is as it was unpacked")
    else:
        restored = ["restores exactly these files"] if diagnosis.damaged else []
        anew = ["fetches what is not in the store, and places it anew"] if diagnosis.unverifiable else []
        output.note(f"hint: `pmpipe install --repair` {', '.join([*restored, *anew])}")
    if diagnosis.unverifiable:
        output.note("hint: if it was installed from another store, name that with --store-dir")
