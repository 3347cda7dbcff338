"""Catalogs: specs that the packages of a project share, under the names of the packages.

Source: bun's, pnpm's and yarn's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

CATALOG = "catalog:"

#: Name of the catalog (``default`` for the one without a name) -> name of a package -> spec.
Catalogs: TypeAlias = Mapping[str, Mapping[str, str]]


def catalogs_of(document: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The catalogs of a root package.json (bun), a pnpm-workspace.yaml or a .yarnrc.yml; junk is left out."""
    found: dict[str, dict[str, str]] = {}
    for holder in (document, document.get("workspaces")):
        if not isinstance(holder, dict):
            continue
        named = holder.get("catalogs")
        for name, listed in named.items() if isinstance(named, dict) else ():
            found.setdefault(name, {}).update(_specs(listed))
        if isinstance(holder.get("catalog"), dict):
            found.setdefault("default", {}).update(_specs(holder["catalog"]))
    return found


def merged(first: Catalogs, second: Catalogs) -> Catalogs:
    """The catalogs of both; where both have a spec for a package, the first one's."""
    return {name: {**second.get(name, {}), **first.get(name, {})} for name in (*first, *second)}


def meaning(catalogs: Catalogs, name: str, spec: str) -> str:
    """What a spec of a lockfile stands for: the catalog's, if it names one that has the package."""
    if not spec.startswith(CATALOG):
        return spec
    catalog = spec.removeprefix(CATALOG).strip() or "default"
    return catalogs.get(catalog, {}).get(name, spec)


def _specs(listed: Any) -> dict[str, str]:
    return {name: spec for name, spec in listed.items() if isinstance(spec, str)} if isinstance(listed, dict) else {}
