"""What a wanted tree depends on beside the texts of its lockfile and package.json files: settings and platform."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pmpipe.project.project_files import extension_files
from pmpipe.settings.config import Config
from pmpipe.system import host
from pmpipe.system.programs import find_program

#: What every program for Linux begins with.
_ELF = b"\x7fELF"

#: Debian once had the second.
_NODE_NAMES = ("node", "nodejs")


def tree_settings(config: Config, environ: Mapping[str, str], folder: str) -> dict[str, object]:
    """What of all that may change the tree, as JSON has it; for `pmpipe.tree.memory.tree_key`.

    Args:
        config: all settings.
        environ: the process's environment.
        folder: absolute path of the project.
    """
    settings: dict[str, object] = {
        "omit": sorted(config.omit),
        "include": sorted(config.include),
        "platform": [config.os, config.cpu, config.libc, str(host.platform())],
        "peers": [config.legacy_peer_deps, config.strict_peer_deps, config.force, config.engine_strict],
        "links": config.install_links,
        "unused patches": config.allow_unused_patches,
        "code": _code_hash(config, folder),
        "home": _as_text(environ.get("HOME", "")),
        "node": _node(environ),
    }
    policy = config.source_policy
    if policy is not None:
        settings["sources"] = policy.key
    return settings


def _code_hash(config: Config, folder: str) -> str:
    """The digest of the project's code that repairs manifests; empty if it has none."""
    if not (config.settings["extension-file"] or any(map(os.path.lexists, extension_files(folder)))):
        return ""
    # loaded only here: hardly any project has such code
    from pmpipe.project.extension_file import find_extension_file

    file = find_extension_file(folder, config)
    return file.hash if file is not None else ""


def _node(environ: Mapping[str, str]) -> list[object]:
    """What tells one Node.js from another; empty where there is none."""
    found = find_program("node", environ)
    if found is None:
        return []
    real = os.path.realpath(found)
    status = os.stat(real)
    identity = [_as_text(real), status.st_ino, status.st_size, status.st_mtime_ns]
    # not the version, where it can be helped: asking for it takes longer than all else
    return [*identity, host.node_version(environ)] if _may_start_another(real) else identity


def _may_start_another(program: str) -> bool:
    """Whether it is a version manager's: a script, or one program for all names, which chooses by folder or setting."""
    if os.path.basename(program) not in _NODE_NAMES:
        return True
    try:
        with open(program, "rb") as file:
            return file.read(len(_ELF)) != _ELF
    except PermissionError:
        return True  # it may be run, but not read


def _as_text(path: str) -> str:
    """A path in UTF-8, whatever its folders are called."""
    return path.encode("utf-8", "backslashreplace").decode()
