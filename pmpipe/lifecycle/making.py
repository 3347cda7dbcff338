"""The scripts of a run, made of its session and its store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pmpipe.lifecycle.gate import ScriptGate
from pmpipe.lifecycle.scripts import Scripts
from pmpipe.lifecycle.unrun import Waiting, read_waiting, write_waiting
from pmpipe.session import Session
from pmpipe.store import Store

if TYPE_CHECKING:
    from pmpipe.lifecycle.environment import ScriptEnvironment


def make_scripts(
    session: Session,
    store: Store,
    command: str,
    progress: Callable[[Sequence[str]], None],
    tree: Session | None = None,
    **options: Any,
) -> Scripts:
    """What a run does about lifecycle scripts.

    Args:
        session: the project, locked.
        store: opened; it remembers which scripts have not run.
        command: what pmpipe was asked for, in npm's word.
        progress: told what is running.
        tree: the session whose lock says what stands in node_modules, if that is another one.
        options: further fields of `Scripts`.

    Raises:
        ScriptError: see `ScriptGate`.
    """
    tree = tree or session

    def environment() -> ScriptEnvironment:
        from pmpipe.lifecycle.environment import script_environment

        return script_environment(session.config, session.environ, command, locked=session.folder)

    before = read_waiting(store.folder, session.folder)

    def remember(waiting: Waiting) -> None:
        if store.writable:
            with session.optional_write("remember which scripts have not run"):
                write_waiting(store.folder, session.folder, waiting)
        elif not before.packages <= waiting.packages:
            session.warnings.append(
                "the store cannot be written, and goes on to say of packages that have been built that they have not: "
                "each `pmpipe install` builds them once more"
            )

    return Scripts(
        session.config,
        ScriptGate.of(tree),
        session.folder,
        tree.lock,
        environment,
        remember,
        progress,
        waiting=before,
        **options,
    )
