"""Changes to a project that has a lock already: what people do to a package.json by hand.

All follows from a seed and from what the registry has.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockcheck.projects import ProjectFiles
from lockcheck.published import PublishedError, Registry
from pmpipe.npm.semver import Version, parse_range, parse_version

_GROUPS = ("dependencies", "devDependencies")
_ATTEMPTS = 40


@dataclass(frozen=True, slots=True)
class Stale:
    """A project whose lock does not fit its package.json any more.

    Attributes:
        project: as it is now; its name tells what was done.
        old_lock: npm's, of the project as it was.
    """

    project: ProjectFiles
    old_lock: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """A new package.json.

    Attributes:
        manifest: it.
        what: was done, in a few words without spaces.
    """

    manifest: dict[str, Any]
    what: str


@dataclass(frozen=True, slots=True)
class _Place:
    """What is to be changed.

    Attributes:
        manifest: a package.json of the project.
        locked: the entries of the old lock.
    """

    manifest: Mapping[str, Any]
    locked: Mapping[str, Any]

    def version(self, name: str) -> Version | None:
        """The version of a package at the top."""
        return parse_version(self.locked.get(f"node_modules/{name}", {}).get("version", ""))


class Mutator:
    """Makes changes.

    Args:
        projects: with npm's lock of each.
        registry: tells what versions there are.
        seed: of all choices.
    """

    def __init__(self, projects: Sequence[tuple[ProjectFiles, bytes]], registry: Registry, seed: int) -> None:
        self._projects = projects
        self._registry = registry
        self._random = random.Random(seed)
        self._known = sorted({name for project, _ in projects for name in _registry_specs(project.manifest)})

    def make(self, count: int) -> list[Stale]:
        """So many stale projects, every kind of change in turn."""
        kinds = (self._bump, self._downgrade, self._add, self._remove, self._move, self._override)
        return [self._one(kinds[number % len(kinds)], number) for number in range(count)]

    def _one(self, kind: Callable[[_Place], Change | None], number: int) -> Stale:
        for _ in range(_ATTEMPTS):
            project, lock = self._random.choice(self._projects)
            location = self._random.choice(sorted(project.manifests)) if self._random.random() < 0.5 else ""
            if kind == self._override:
                location = ""
            try:
                change = kind(_Place(project.manifests[location], json.loads(lock)["packages"]))
            except PublishedError:
                continue
            if change is not None:
                name = f"{number:02d}-{project.name}-{change.what}".replace("/", "+")
                return Stale(project.with_manifest(location, change.manifest, name), lock)
        raise RuntimeError("the projects leave nothing to change in that way")

    def _bump(self, place: _Place) -> Change | None:
        return self._other_version(place, "bump", lambda version, current: version > current)

    def _downgrade(self, place: _Place) -> Change | None:
        return self._other_version(place, "downgrade", lambda version, current: version < current)

    def _other_version(self, place: _Place, word: str, fits: Callable[[Version, Version], bool]) -> Change | None:
        manifest = place.manifest
        name = self._any_name(manifest)
        current = place.version(name) if name else None
        if name is None or current is None:
            return None
        others = [version for version in self._releases(name) if fits(version, current)]
        if not others:
            return None
        version = self._random.choice(others[-8:] if word == "downgrade" else others)
        spec = f"{self._random.choice(['^', '~', ''])}{version}"
        groups = {group: {**manifest.get(group, {})} for group in _GROUPS}
        for specs in groups.values():
            if name in specs:
                specs[name] = spec
        return Change(_with_groups(manifest, groups), f"{word}-{name}@{spec}")

    def _add(self, place: _Place) -> Change | None:
        manifest = place.manifest
        name = self._random.choice(self._known)
        versions = self._releases(name)
        if any(name in manifest.get(group, {}) for group in (*_GROUPS, "peerDependencies")) or not versions:
            return None
        spec = f"^{self._random.choice(versions[-12:])}"
        group = self._random.choice(_GROUPS)
        groups = {group: {**manifest.get(group, {}), name: spec}}
        return Change(_with_groups(manifest, groups), f"add-{name}@{spec}")

    def _remove(self, place: _Place) -> Change | None:
        manifest = place.manifest
        name = self._any_name(manifest)
        if name is None:
            return None
        groups = {
            group: {key: spec for key, spec in manifest.get(group, {}).items() if key != name} for group in _GROUPS
        }
        return Change(_with_groups(manifest, groups), f"remove-{name}")

    def _move(self, place: _Place) -> Change | None:
        manifest = place.manifest
        name = self._any_name(manifest)
        if name is None:
            return None
        source = _GROUPS[0] if name in manifest.get(_GROUPS[0], {}) else _GROUPS[1]
        target = _GROUPS[1 - _GROUPS.index(source)]
        specs = {**manifest[source]}
        groups = {target: {**manifest.get(target, {}), name: specs.pop(name)}, source: specs}
        return Change(_with_groups(manifest, groups), f"move-{name}-to-{target}")

    def _override(self, place: _Place) -> Change | None:
        manifest, locked = place.manifest, place.locked
        direct = _registry_specs(manifest)
        names = sorted(
            {location.rpartition("node_modules/")[2] for location, entry in locked.items() if "resolved" in entry}
            - direct.keys()
        )
        given = manifest.get("overrides", {})
        changed = [name for name, value in given.items() if isinstance(value, str) and not value.startswith("$")]
        if not changed and not names:
            return None
        name = self._random.choice(changed or names)
        current = place.version(name)
        versions = [version for version in self._releases(name) if version != current]
        if not versions:
            return None
        version = self._random.choice(versions[-10:])
        overrides = {**given, name: str(version)}
        return Change({**manifest, "overrides": overrides}, f"override-{name}@{version}")

    def _any_name(self, manifest: Mapping[str, Any]) -> str | None:
        names = sorted(_registry_specs(manifest))
        return self._random.choice(names) if names else None

    def _releases(self, name: str) -> list[Version]:
        parsed = (parse_version(text) for text in self._registry.versions(name))
        return sorted(version for version in parsed if version is not None and not version.prerelease)


def _registry_specs(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The dependencies of a manifest that ask for a range."""
    return {
        name: spec
        for group in _GROUPS
        for name, spec in manifest.get(group, {}).items()
        if parse_range(spec) is not None and spec != "*"
    }


def _with_groups(manifest: Mapping[str, Any], groups: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    changed = {**manifest, **{group: dict(sorted(specs.items())) for group, specs in groups.items()}}
    return {key: value for key, value in changed.items() if key not in _GROUPS or value}
