"""Reading pnpm-workspace.yaml, which says by its catalogs what specs in package.json files mean."""

from __future__ import annotations

from typing import Any

from pmpipe.errors import ManifestError
from pmpipe.npm.catalogs import Catalogs, catalogs_of
from pmpipe.project_files import PNPM_WORKSPACE, read_file

_MOST_BYTES = 4 << 20


def read_catalogs(folder: str) -> Catalogs:
    """The catalogs in a project's pnpm-workspace.yaml; none if there is no such file.

    Raises:
        ManifestError: the file is no YAML.
        FilesystemError: it cannot be read.
    """
    document = read_pnpm_workspace(folder)
    return catalogs_of({key: document.get(key) for key in ("catalog", "catalogs")}) if document else {}


def read_pnpm_workspace(folder: str) -> dict[str, Any]:
    """A project's pnpm-workspace.yaml, all scalars as texts; empty if there is none, or if it is no mapping.

    Raises:
        ManifestError: the file is no YAML.
        FilesystemError: it cannot be read.
    """
    data = read_file(folder, PNPM_WORKSPACE)
    if not data:
        return {}
    if len(data) > _MOST_BYTES:
        raise ManifestError(f"cannot use {PNPM_WORKSPACE}: it has {len(data)} bytes")
    return _parsed(data)


def _parsed(data: bytes) -> dict[str, Any]:
    import yaml

    # every scalar is a text to this loader: a version such as 1.10 must not become a number
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        document = yaml.load(data, Loader=loader)  # noqa: S506 - it makes nothing but texts, lists and dicts
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{PNPM_WORKSPACE}:{mark.line + 1}:{mark.column + 1}" if mark is not None else PNPM_WORKSPACE
        problem = getattr(error, "problem", None) or "it cannot be decoded"
        raise ManifestError(f"cannot read {place}: the file is not valid YAML: {problem}") from error
    return document if isinstance(document, dict) else {}
