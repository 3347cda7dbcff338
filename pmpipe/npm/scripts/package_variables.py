"""What lifecycle scripts learn of their package.json from the environment.

Source: npm's ``@npmcli/run-script`` (package-envs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pmpipe.npm.config.npmrc import js_text
from pmpipe.npm.manifests.bins import bins_of_manifest
from pmpipe.npm.semver import parse_version


def label_of(document: Mapping[str, Any]) -> str:
    """``name@version``, or as much of it as there is, for messages."""
    name, version = _name(document), _version(document)
    return f"{name}@{version}" if name and version else name or version


def package_variables(document: Mapping[str, Any]) -> dict[str, str]:
    """What a script learns of its package.json by ``npm_package_*``.

    Args:
        document: the package.json.
    """
    name = _name(document)
    fields = {
        "name": name or None,
        "version": _version(document) or None,
        "config": document.get("config"),
        "engines": document.get("engines"),
        "bin": bins_of_manifest(name, document.get("bin")) or None,
    }
    return {f"npm_package_{key}": text for field, value in fields.items() if value for key, text in _flat(field, value)}


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Names and texts of a value and all that is in it."""
    if value is None or value is False:
        yield key, ""
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(f"{key}_{index}", item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(f"{key}_{name}", item)
    else:
        # JavaScript has one kind of number, and writes 1.0 as 1
        yield key, js_text(int(value) if isinstance(value, float) and value.is_integer() else value)


def _name(document: Mapping[str, Any]) -> str:
    name = document.get("name")
    return name.strip() if isinstance(name, str) else ""


def _version(document: Mapping[str, Any]) -> str:
    version = document.get("version")
    if not isinstance(version, str):
        return ""
    parsed = parse_version(version.strip(), loose=True)
    return str(parsed) if parsed is not None else version
