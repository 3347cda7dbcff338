"""What a wanted tree depends on beside the texts of its lockfile and package.json files: settings, platform, Node.js."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pmpipe import host
from pmpipe.config import Config
from pmpipe.programs import find_program
from pmpipe.project_files import extension_files


def tree_settings(config: Config, environ: Mapping[str, str], folder: str) -> dict[str, object]:
    """What of all that may change the tree, as JSON has it; for `pmpipe.memory.tree_key`.

    Args:
        config: all settings.
        environ: the process's environment.
        folder: absolute path of the project.
    """
    node = find_program("node", environ)
    settings: dict[str, object] = {
        "omit": sorted(config.omit),
        "include": sorted(config.include),
        "platform": [config.os, config.cpu, config.libc, str(host.platform())],
        "peers": [config.legacy_peer_deps, config.strict_peer_deps, config.force, config.engine_strict],
        "links": config.install_links,
        "unused patches": config.allow_unused_patches,
        "code": _code_hash(config, folder),
        "home": _as_text(environ.get("HOME", "")),
        # not its version: asking for that takes longer than all else
        "node": [_as_text(os.path.realpath(node)), *_identity(node)] if node else [],
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
    from pmpipe.extension_file import find_extension_file

    file = find_extension_file(folder, config)
    return file.hash if file is not None else ""


def _as_text(path: str) -> str:
    """A path in UTF-8, whatever its folders are called."""
    return path.encode("utf-8", "backslashreplace").decode()


def _identity(program: str) -> tuple[int, int, int]:
    found = os.stat(program)
    return found.st_ino, found.st_size, found.st_mtime_ns
