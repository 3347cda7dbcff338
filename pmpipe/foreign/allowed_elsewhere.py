"""Whose install scripts other package managers are told to run, in fields that npm does not know.

Source: the documentation of bun (``trustedDependencies``), pnpm (``onlyBuiltDependencies``, ``allowBuilds``) and yarn
(``dependenciesMeta``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from pmpipe.errors import PmpipeError
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.project.project_files import MANIFEST, PNPM_WORKSPACE, read_file
from pmpipe.project.yaml_files import read_yaml

_ONLY_BUILT, _BUILDS = "onlyBuiltDependencies", "allowBuilds"


def allowed_elsewhere(folder: str, names: Collection[str]) -> dict[str, list[str]]:
    """Those of some packages whose scripts another package manager would run, by the place that says so.

    Args:
        folder: absolute path of the project.
        names: of packages whose scripts npm's words do not allow.
    """
    found: dict[str, list[str]] = {}
    for place, allowed in _places(folder):
        # pnpm has the name of a package, or name@version
        named = {name for one in allowed for name in (one, one[:1] + one[1:].partition("@")[0])}
        listed = [name for name in names if name in named]
        if listed:
            found.setdefault(place, listed)
    return found


def _places(folder: str) -> Iterator[tuple[str, list[str]]]:
    own: Any = {}
    try:
        own = msgspec.json.decode(without_bom(read_file(folder, MANIFEST) or b"{}"))
        pnpm = read_yaml(folder, PNPM_WORKSPACE)
    except (PmpipeError, msgspec.DecodeError):
        pnpm = {}  # whoever needs something of it is told that it cannot be read
    if not isinstance(own, dict):
        return
    yield f"trustedDependencies in {MANIFEST}", _listed(own.get("trustedDependencies"))
    for settings, file in ((pnpm, PNPM_WORKSPACE), (own.get("pnpm"), f"pnpm in {MANIFEST}")):
        if isinstance(settings, dict):
            yield f"{_ONLY_BUILT} in {file}", _listed(settings.get(_ONLY_BUILT))
            yield f"{_BUILDS} in {file}", _switched_on(settings.get(_BUILDS))
    meta = own.get("dependenciesMeta")
    if isinstance(meta, dict):
        built = {name: one.get("built") for name, one in meta.items() if isinstance(one, dict)}
        yield f"dependenciesMeta in {MANIFEST}", _switched_on(built)


def _listed(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _switched_on(value: Any) -> list[str]:
    return [name for name, on in value.items() if on in (True, "true")] if isinstance(value, dict) else []
