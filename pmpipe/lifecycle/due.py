"""Is there a script to run in a project that is as the last install has left it?"""

from __future__ import annotations

import os

from pmpipe.lifecycle.folders import has_link_scripts, is_own
from pmpipe.lifecycle.unrun import read_waiting
from pmpipe.npm.locks.package_path import PackagePath, is_installed
from pmpipe.session import Session
from pmpipe.tree.standing import STORE_VERSION, recorded_links
from pmpipe.tree.wanted import holder_of


def is_any_due(session: Session) -> bool:
    """Whether a linked folder has scripts, or a package whose scripts have not run may have been allowed since."""
    config = session.config
    if config.ignore_scripts:
        return False
    store = f"{config.store_dir}/{STORE_VERSION}"
    waiting = read_waiting(store, session.folder)
    if waiting.packages:
        from pmpipe.lifecycle.gate import ScriptGate

        gate = ScriptGate.of(session)
        if not gate.says_nothing and gate.key != waiting.policy:
            return True
    return any(_has_scripts(path, text, session.folder) for path, text in recorded_links(store, session.folder).items())


def _has_scripts(path: str, text: str, project: str) -> bool:
    target = os.path.normpath(os.path.join(os.path.dirname(path), text))
    location = PackagePath(path)
    if not (is_installed(location) and is_own(holder_of(location), target)):
        return False
    return has_link_scripts(os.path.join(project, target))
