"""Lifecycle scripts as package.json has them: which events there are, and which command belongs to one.

Every run looks at them, so this loads nothing.

Source: npm's ``@npmcli/run-script`` (run-script-pkg, set-path), arborist's rebuild, and pacote's ``dir.js``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

#: Events of a package that is installed, in their order.
DEPENDENCY_EVENTS = ("preinstall", "install", "postinstall")

#: Events of a folder that is linked: what it makes of itself comes before its executables are linked.
LINK_EVENTS = ("preinstall", "prepare", "install", "postinstall")

#: Events of a folder that is packed and copied instead of linked; what they make is packed, too.
COPY_EVENTS = ("prepare",)

#: Events of the project itself, when all of it is installed.
PROJECT_EVENTS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")

#: Events of the project itself, when its node_modules has changed; they come before all others but the early ones.
CHANGE_EVENTS = ("predependencies", "dependencies", "postdependencies")

#: Those of the project's that npm 12 runs before anything is installed.
EARLY_EVENTS = ("preinstall",)

#: Scripts by which a package that comes from git makes what it consists of.
PREPARING_EVENTS = ("preinstall", "install", "postinstall", "prepare")

#: After these the package may have executables that it had not before.
EVENTS_BEFORE_BINS = frozenset({"preinstall", "prepare"})

#: What is run for a package that node-gyp builds and that says nothing else.
GYP_COMMAND = "node-gyp rebuild"

#: The file that says so, within the package.
GYP_FILE = "binding.gyp"


def command_of(document: Mapping[str, Any], event: str, *, has_gyp_file: bool) -> str:
    """The command for an event; empty if there is none.

    Args:
        document: the package.json.
        event: ``postinstall``, for example.
        has_gyp_file: there is a file called `GYP_FILE` beside it.
    """
    scripts = document.get("scripts")
    commands: Mapping[str, Any] = scripts if isinstance(scripts, dict) else {}
    command = commands.get(event)
    if isinstance(command, str) and command:
        return command
    is_built = has_gyp_file and document.get("gypfile") is not False
    if event == "install" and is_built and not (commands.get("install") or commands.get("preinstall")):
        return GYP_COMMAND
    return ""


def has_command(document: Mapping[str, Any], events: tuple[str, ...], *, has_gyp_file: bool) -> bool:
    """Whether there is a command for any of some events."""
    return any(command_of(document, event, has_gyp_file=has_gyp_file) for event in events)


def search_path(folder: str, own: str, inherited: str) -> str:
    """The ``PATH`` of a script: the executables of its package, of those around it, and then the usual ones.

    Args:
        folder: absolute path of the package.
        own: the folder that brings ``node-gyp``; may be empty.
        inherited: the ``PATH`` of the process.
    """
    folders = []
    above = os.path.normpath(folder)
    while True:
        folders.append(os.path.join(above, "node_modules", ".bin"))
        if os.path.dirname(above) == above:
            break
        above = os.path.dirname(above)
    return os.pathsep.join([*folders, *filter(None, (own, inherited))])
