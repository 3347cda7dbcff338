"""Packages that the project patches after every install, as `patch-package` does it.

Such a tool writes into the files of node_modules. Where those are hardlinks, every other project with the package would
have its patch, and the store a damaged entry; so these packages are copied.

Source: the names of patch-package's files: ``name+1.0.0.patch``, ``@scope+name+1.0.0.patch``,
``outer++inner+1.0.0.patch``, ``name+1.0.0+001+reason.patch``, ``name+1.0.0.dev.patch``.
"""

from __future__ import annotations

import os

#: Within the project.
FOLDER = "patches"

_SUFFIX = ".patch"


def patched_names(project: str) -> frozenset[str]:
    """The names of the packages that there are patches for.

    Args:
        project: absolute path of the project.
    """
    try:
        files = os.listdir(f"{project}/{FOLDER}")
    except OSError:
        return frozenset()  # no patches
    return frozenset(filter(None, (_name_of(file.removesuffix(_SUFFIX)) for file in files if file.endswith(_SUFFIX))))


def _name_of(patch: str) -> str:
    first, *rest = patch.rpartition("++")[2].split("+")
    return f"{first}/{rest[0]}" if first.startswith("@") and rest else first
