"""Does a lockfile agree with what the project repairs manifests with? What npm's `ci` refuses in that respect.

Only locks of version 4 say anything of it (`pmpipe.npm.locks.lock_version`), so that others are not looked into.

Source: npm 12's ``lib/utils/validate-lockfile.js``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pmpipe.errors import RepairError
from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.npm.locks.lock_version import VERSION_OF_REPAIRS
from pmpipe.npm.locks.lockfile import Lockfile, package_name
from pmpipe.npm.locks.package_path import ROOT, PackagePath
from pmpipe.npm.manifests.package_extensions import PACKAGE_EXTENSIONS, PackageExtensions


class Said(msgspec.Struct, frozen=True, rename="camel"):
    """What an entry says of repairs; the hashes stand in that of the project."""

    package_extensions_hash: Any = None
    npm_extension_hash: Any = None
    package_extensions_applied: Any = None
    npm_extension_applied: Any = None


class _Document(msgspec.Struct, frozen=True):
    packages: dict[PackagePath, Said] = {}


_NOTHING = Said()


def said_of_repairs(lock: Lockfile) -> dict[PackagePath, Said]:
    """What the entries of a lock say of repairs; nothing, if it is none that can."""
    if lock.lockfile_version < VERSION_OF_REPAIRS:
        return {}
    return msgspec.json.decode(lock.data, type=_Document).packages


def faults_of_rules(graph: LockGraph, rules: PackageExtensions | None) -> list[str]:
    """One line for everything in which a lock and ``packageExtensions`` disagree.

    Args:
        graph: of the lock.
        rules: the project's, or None if it has none.
    """
    said = said_of_repairs(graph.lock)
    locked = said.get(ROOT, _NOTHING).package_extensions_hash or None
    wanted = rules.hash if rules is not None else None
    if locked != wanted:
        if locked is None:
            return [f"Missing: {PACKAGE_EXTENSIONS} of package.json from lock file"]
        if wanted is None:
            return [f"Invalid: lock file was made with {PACKAGE_EXTENSIONS}, and package.json has none"]
        return [f"Invalid: {PACKAGE_EXTENSIONS} have changed since the lock file was made"]
    return list(_faults_of_entries(graph, rules, said))


def faults_of_code(lock: Lockfile, file_hash: str | None) -> list[str]:
    """One line if a lock was made with other code than the project's.

    Args:
        lock: it.
        file_hash: of the project's file of code (`pmpipe.npm.manifests.extension_hash`), or None if there is none.
    """
    said = said_of_repairs(lock)
    locked = said.get(ROOT, _NOTHING).npm_extension_hash or None
    if file_hash is None:
        if locked is not None or any(entry.npm_extension_applied for entry in said.values()):
            return ["Invalid: lock file was made with .npm-extension, and there is none"]
        return []
    if locked is None:
        return ["Missing: .npm-extension from lock file"]
    return ["Invalid: .npm-extension has changed since the lock file was made"] if locked != file_hash else []


def _faults_of_entries(
    graph: LockGraph, rules: PackageExtensions | None, said: dict[PackagePath, Said]
) -> Iterator[str]:
    own = {ROOT, *graph.project.workspaces.values()}
    selectors = {rule.selector for rule in rules.rules} if rules is not None else set()
    for path, entry in graph.lock.entries.items():
        if entry.link or path in own:
            continue
        declared = graph.declared(path)
        name, version = package_name(path, declared), declared.version or ""
        if rules is not None:
            try:
                rules.rule_for(name, version)
            except RepairError as error:
                yield f"Invalid: {error.what}"
        applied = said.get(path, _NOTHING).package_extensions_applied
        if applied:
            selector = applied.get("selector") if isinstance(applied, dict) else None
            if rules is None or selector not in selectors or not rules.would_match(name, version):
                yield f"Invalid: lock file's {name}@{version} is repaired by {selector}, which is not for it"
