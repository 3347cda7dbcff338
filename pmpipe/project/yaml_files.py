"""Reading the YAML files in which other package managers keep settings, and the catalogs in them.

Source: the documentation of pnpm and yarn, which keep catalogs there and not in package.json.
"""

from __future__ import annotations

from typing import Any

from pmpipe.errors import ManifestError
from pmpipe.npm.manifests.catalogs import Catalogs, catalogs_of, merged
from pmpipe.project.project_files import CATALOG_FILES, read_file

_MOST_BYTES = 4 << 20


def read_catalogs(folder: str) -> Catalogs:
    """The catalogs in a project's pnpm-workspace.yaml and .yarnrc.yml; where both name a package, the former's spec.

    Raises:
        ManifestError: one of the files is no YAML.
        FilesystemError: one cannot be read.
    """
    found: Catalogs = {}
    for name in CATALOG_FILES:
        document = read_yaml(folder, name)
        found = merged(found, catalogs_of({key: document.get(key) for key in ("catalog", "catalogs")}))
    return found


def read_yaml(folder: str, name: str) -> dict[str, Any]:
    """A file of a project, all scalars as texts; empty if there is none, or if it is no mapping.

    Raises:
        ManifestError: the file is no YAML.
        FilesystemError: it cannot be read.
    """
    data = read_file(folder, name)
    if not data:
        return {}
    if len(data) > _MOST_BYTES:
        raise ManifestError(f"cannot use {name}: it has {len(data)} bytes")
    return _parsed(data, name)


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    import yaml

    # every scalar is a text to this loader: a version such as 1.10 must not become a number
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        document = yaml.load(data, Loader=loader)  # noqa: S506 - it makes nothing but texts, lists and dicts
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else name
        problem = getattr(error, "problem", None) or "it cannot be decoded"
        raise ManifestError(f"cannot read {place}: the file is not valid YAML: {problem}") from error
    return document if isinstance(document, dict) else {}
