"""Resolves cases with another package manager's lock, and lets npm do the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playing import Provider, lock_text, options_of, publish, run_npm, write_project
from support.registry import PackageRegistry

from pmpipe.npm.foreign.pins import Pins
from pmpipe.resolver import Ask, AskManifest, Fed, FedManifest, IdealTree, LockedEntry, Project, Resolved, Resolver
from pmpipe.resolver.request import RequestKind


class TarballProvider(Provider):
    """Answers for tarballs by their addresses, too."""

    def answer(self, ask: Ask) -> Fed:
        if isinstance(ask, AskManifest) and ask.kind is RequestKind.TARBALL_URL:
            for versions in self.packages.values():
                for package in versions:
                    if ask.wanted.endswith(package.tarball_path.rpartition("/")[2]):
                        return FedManifest(dict(package.manifest), ask.wanted, package.integrity)
        return super().answer(ask)


def resolve_pinned(case: Mapping[str, Any], url: str, **given: Any) -> bytes:
    """The lock's text that the resolver makes of a case; see `tree_pinned`."""
    return lock_text(tree_pinned(case, url, **given))


def tree_pinned(
    case: Mapping[str, Any],
    url: str,
    *,
    pins: Pins | None = None,
    locked: Mapping[str, LockedEntry] | None = None,
    folder: str = "/project",
    pick: Callable[[int], int] | None = None,
    **more: Any,
) -> IdealTree:
    """What the resolver makes of a case with pins, or with the entries of an old lock.

    `pick` gets the number of answers that are outstanding and says which one arrives.
    """
    provider = TarballProvider(case, url, folder)
    project = Project(folder, case["project"], case.get("workspaces", {}), locked, pins=pins, **more)
    resolver = Resolver(project, options_of(case))
    outstanding = list(resolver.start())
    while not resolver.done:
        event = outstanding.pop(pick(len(outstanding)) if pick is not None else 0)
        if not isinstance(event, Resolved):
            outstanding.extend(resolver.feed(event, provider.answer(event)))
    return resolver.finish()


def npm_with(case: Mapping[str, Any], registry: PackageRegistry, folder: Path, files: Mapping[str, str]) -> bytes:
    """The lock's text that npm makes of a case with these files in the project."""
    publish(case, registry)
    folder.mkdir(exist_ok=True)
    write_project(case, folder, registry.url, before=False)
    for name, text in files.items():
        (folder / name).write_text(text)
    code = run_npm(folder, folder.parent / f"{folder.name}-cache")
    assert not code, code
    written = next(name for name in ("npm-shrinkwrap.json", "package-lock.json") if (folder / name).exists())
    return (folder / written).read_bytes()


def versions(lock: bytes) -> dict[str, str]:
    """Location -> version."""
    return {path: entry.get("version", "") for path, entry in json.loads(lock)["packages"].items() if path}
