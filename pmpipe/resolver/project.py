"""What is resolved: the project's manifests, and what it had been resolved to before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, frozen=True)
class Project:
    """The input of a resolution. Manifests are decoded JSON, checked by `pmpipe.npm.manifest`.

    Attributes:
        folder: absolute path.
        manifest: the project's package.json.
        workspaces: the workspaces' package.json files, by location (``packages/a``), in npm's order.
        locked: ``packages`` of the old lockfile, by location; None if there is none.
        locked_version: of the old lockfile's format.
    """

    folder: str
    manifest: Mapping[str, Any]
    workspaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    locked: Mapping[str, Mapping[str, Any]] | None = None
    locked_version: int = 3
