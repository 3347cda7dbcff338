"""Packages that come from git and may prepare themselves: how that is done, and what the store knows them by.

npm installs the package's dependencies in its checkout and runs its scripts there, whoever wrote them; here that is
done for packages that are allowed to run scripts, by a pmpipe of their own. What they make has an entry of its own in
the store.

Source: npm's ``pacote``, ``lib/git.js`` (prepareDir).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import pmpipe
from pmpipe.lifecycle.environment import ScriptEnvironment
from pmpipe.lifecycle.gate import PREPARED
from pmpipe.settings.config import Config
from pmpipe.tree.wanted import WantedTree
from stages.messages import Preparation

#: What matters of npm's flags for it: whatever the caller omits or leaves alone, this install is a whole one. That the
#: package's scripts run has been decided, whatever an .npmrc in the repository says.
_FLAGS = (
    *("install", "--force", "--no-save", "--no-progress", "--loglevel=warn", "--no-global", "--no-dry-run"),
    *("--include=dev", "--include=peer", "--include=optional", "--no-package-lock-only", "--no-frozen-lockfile"),
    *("--no-ignore-scripts", "--dir"),
)

#: Variables that choose workspaces of the project: those of the package are others. An empty one counts as none.
_CHOICES = dict.fromkeys(("npm_config_workspace", "npm_config_workspaces", "npm_config_include_workspace_root"), "")


def preparation_for(
    tree: WantedTree, config: Config, environment: ScriptEnvironment, environ: Mapping[str, str]
) -> Preparation | None:
    """How the marked packages of a tree are prepared; None if there are none.

    Args:
        tree: from `ScriptGate.with_prepared`.
        config: all settings.
        environment: that of scripts.
        environ: the process's environment.
    """
    marked = [package.resolved for package in tree.packages if package.is_prepared]
    if not marked:
        return None
    settings = {
        name: value for name, value in environment.own.items() if name.startswith("npm_config_") or name == "NODE_ENV"
    }
    folder = os.path.dirname(os.path.dirname(os.path.abspath(pmpipe.__file__)))
    variables = {
        **{name: value for name, value in settings.items() if environ.get(name) != value},
        **_CHOICES,
        PREPARED: "\n".join(filter(None, (environ.get(PREPARED), *marked))),
        # it need not be installed where this Python looks
        "PYTHONPATH": os.pathsep.join(filter(None, (folder, environ.get("PYTHONPATH")))),
    }
    return Preparation((sys.executable, "-m", "pmpipe", f"--store-dir={config.store_dir}", *_FLAGS), variables)
