"""What pnpm and yarn heed in a project where npm does not look: whoever comes from there is told what is not done.

Source: the documentation of pnpm and yarn.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pmpipe.foreign.settings_files import YARNRC_YML, text_of, yaml_settings
from pmpipe.npm.foreign.fields import text_field
from pmpipe.npm.manifests.manifest import read_manifest
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.npm.texts.text import printable
from pmpipe.project.project_files import MANIFEST, PNPM_WORKSPACE, extension_files, read_file
from pmpipe.project.workspace_folders import find_folders

#: what changes the tree, in pnpm-workspace.yaml or under "pnpm" in package.json, and in .yarnrc.yml
_OF_PNPM = ("overrides", "packageExtensions", "patchedDependencies", "ignoredOptionalDependencies")
_OF_YARN = ("packageExtensions",)
#: what npm knows by the same name in package.json
_NPMS = ("overrides", "packageExtensions", "patchedDependencies")

#: between a parent and what is below it, and no part of a range (pnpm's ``@pnpm/parse-overrides``)
_PARENT = re.compile(r"[^ |@]>")
#: specs that npm does not have in overrides
_NO_OVERRIDES = ("catalog:", "workspace:", "link:")

_PNPMFILES = (".pnpmfile.cjs", ".pnpmfile.mjs")
#: the hook that changes manifests; the others do not change what packages ask for
_HOOK = re.compile(r"\breadPackage\b")

_SHOWN = 10
_SHOWN_CHARACTERS = 1000
_LONGEST_EXAMPLE = 700


def unheeded_settings(folder: str) -> list[str]:
    """One line for what a resolution has left out of account although pnpm or yarn heeds it.

    Args:
        folder: absolute path of the project, whose package.json is known to be good.
    """
    manifest = read_file(folder, MANIFEST)
    if manifest is None:
        return []
    own = msgspec.json.decode(without_bom(manifest))
    pnpm = yaml_settings(folder, PNPM_WORKSPACE)
    npms = read_manifest(manifest, MANIFEST).workspace_patterns()
    return [
        *_unknown_workspaces(folder, npms, _texts(pnpm.get("packages"))),
        *_left_out(PNPM_WORKSPACE, pnpm, own, _OF_PNPM),
        *_left_out(f"pnpm in {MANIFEST}", own.get("pnpm"), own, _OF_PNPM),
        *_left_out(YARNRC_YML, yaml_settings(folder, YARNRC_YML), own, _OF_YARN),
        *_hooks(folder, text_field(pnpm, "pnpmfile")),
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


def _left_out(place: str, settings: Any, manifest: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    if not isinstance(settings, dict):
        return
    # who has npm's words, too, has said the same there
    told = {name for name in _NPMS if manifest.get(name)} | ({"overrides"} if manifest.get("resolutions") else set())
    names = [name for name in known if settings.get(name) and name not in told]
    if names:
        npms = ", ".join(name for name in names if name in _NPMS)
        hint = f"; npm heeds {npms} in {MANIFEST} itself" if npms else ""
        overrides = _npms_overrides(settings["overrides"]) if "overrides" in names else {}
        text = json.dumps(overrides, ensure_ascii=False)
        # half of it would be of no use
        example = f', for example "overrides": {text}' if overrides and len(text) < _LONGEST_EXAMPLE else ""
        line = f"{place}: npm does not know {', '.join(names)}, and they are left out of account{hint}{example}"
        yield printable(line, _SHOWN_CHARACTERS)


def _npms_overrides(pnpms: Any) -> dict[str, Any]:
    """What pnpm has as overrides, in npm's words where there are some (none for ``-``, which takes one out)."""
    found: dict[str, Any] = {}
    for key, spec in pnpms.items() if isinstance(pnpms, dict) else ():
        if not isinstance(spec, str) or spec == "-" or spec.startswith(_NO_OVERRIDES):
            continue
        between = _PARENT.search(key)
        if between is None:
            rules, name = found, key
        else:
            parent, name = key[: between.start() + 1], key[between.end() :]
            rules = found.setdefault(parent, {})
            if isinstance(rules, str):
                # the spec of the package itself, beside rules for what is below it
                rules = found[parent] = {".": rules}
        if isinstance(rules.get(name), dict):
            rules[name]["."] = spec
        else:
            rules[name] = spec
    return found


def _hooks(folder: str, named: str) -> Iterator[str]:
    if any(os.path.exists(path) for path in extension_files(folder)):
        return
    for file in (named,) if named else _PNPMFILES:
        if _HOOK.search(text_of(folder, file)):
            yield printable(
                f"{file}: npm does not know it, and what readPackage changes there is left out of account; npm 12 has "
                f"transformManifest in .npm-extension.cjs for that",
                _SHOWN_CHARACTERS,
            )


def _texts(listed: Any) -> list[str]:
    return [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
