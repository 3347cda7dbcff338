"""What pnpm heeds in a project where npm does not look: whoever comes from there is told what is not done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pmpipe.errors import PmpipeError
from pmpipe.npm.manifests.manifest import read_manifest
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.npm.texts.text import printable
from pmpipe.project.project_files import MANIFEST, PNPM_WORKSPACE, read_file
from pmpipe.project.workspace_folders import find_folders
from pmpipe.project.yaml_files import read_yaml

#: what changes the tree, in pnpm-workspace.yaml or under "pnpm" in package.json
_CHANGES_THE_TREE = ("overrides", "packageExtensions", "patchedDependencies")

_SHOWN = 10
_SHOWN_CHARACTERS = 1000


def unheeded_settings(folder: str) -> list[str]:
    """One line for what a resolution has left out of account although pnpm heeds it.

    Args:
        folder: absolute path of the project, whose package.json is known to be good.
    """
    manifest = read_file(folder, MANIFEST)
    if manifest is None:
        return []
    own = msgspec.json.decode(without_bom(manifest))
    try:
        pnpm = read_yaml(folder, PNPM_WORKSPACE)
    except PmpipeError:
        pnpm = {}  # whoever needs something of it is told that it cannot be read
    npms = read_manifest(manifest, MANIFEST).workspace_patterns()
    return [
        *_unknown_workspaces(folder, npms, _texts(pnpm.get("packages"))),
        *_left_out(PNPM_WORKSPACE, pnpm, own),
        *_left_out(f"pnpm in {MANIFEST}", own.get("pnpm"), own),
    ]


def _unknown_workspaces(folder: str, npms: Sequence[str], pnpms: Sequence[str]) -> Iterator[str]:
    if not pnpms:
        return
    known = set(find_folders(folder, npms))
    unknown = [
        path
        for path in find_folders(folder, pnpms)
        if path and path not in known and os.path.isfile(os.path.join(folder, path, MANIFEST))
    ]
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        # pnpm takes the project itself in any case, npm only if it is not named
        patterns = dict.fromkeys([*npms, *(pattern for pattern in pnpms if pattern != ".")])
        field = json.dumps(list(patterns), ensure_ascii=False)
        yield printable(
            f"{PNPM_WORKSPACE} has workspaces that {MANIFEST} does not list, so that npm does not know them, and "
            f"nothing is installed for them: {', '.join(unknown[:_SHOWN])}{more}; "
            f'put into {MANIFEST}: "workspaces": {field}',
            _SHOWN_CHARACTERS,
        )


def _left_out(place: str, settings: Any, manifest: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(settings, dict):
        return
    # who has npm's overrides, too, has said the same there
    told = {"overrides"} if manifest.get("overrides") or manifest.get("resolutions") else set()
    names = [name for name in _CHANGES_THE_TREE if settings.get(name) and name not in told]
    if names:
        hint = f"; npm heeds what has these names in {MANIFEST} itself"
        yield f"{place}: npm does not know {', '.join(names)}, and they are left out of account{hint}"


def _texts(listed: Any) -> list[str]:
    return [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
