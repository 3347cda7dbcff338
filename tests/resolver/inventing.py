"""Invents registries and projects at random, small ones in which everything depends on everything."""

from __future__ import annotations

from random import Random
from typing import Any

NAMES = ("a", "b", "c", "d", "e", "f", "g", "@s/h", "i-j", "K")
VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0", "3.0.0")
CONFIGS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"force": True},
    {"legacy-peer-deps": True},
    {"strict-peer-deps": True},
    {"prefer-dedupe": True},
)


def invent_case(seed: int) -> dict[str, Any]:
    """A case (see `playing`) that the seed alone decides."""
    chance = Random(seed)
    names = NAMES[: chance.randint(3, 10)]
    registry: dict[str, dict[str, Any]] = {
        name: {version: {} for version in sorted(chance.sample(VERSIONS, chance.randint(1, 5)))} for name in names
    }
    peers = chance.choice([0.0, 0.3, 0.6])
    for name, versions in registry.items():
        for manifest in versions.values():
            _invent_dependencies(chance, registry, name, manifest, peers)
    case: dict[str, Any] = {
        "registry": registry,
        "project": _invent_project(chance, registry),
        "config": chance.choice(CONFIGS),
    }
    if chance.random() < 0.3:
        case["tags"] = {name: {"latest": chance.choice(list(registry[name]))} for name in names}
    if chance.random() < 0.25:
        case["project"]["overrides"] = _invent_overrides(chance, registry)
    if chance.random() < 0.25:
        case["workspaces"] = _invent_workspaces(chance, registry)
        case["project"]["workspaces"] = ["packages/*"]
    if chance.random() < 0.4:
        case["before"] = case["project"]
        case["project"] = _invent_project(chance, registry)
        for field in ("workspaces", "overrides"):
            if field in case["before"]:
                case["project"][field] = case["before"][field]
    return case


def invent_bundling_case(seed: int) -> dict[str, Any]:
    """The same, with a project that bundles some of its dependencies, or all of them."""
    case = invent_case(seed)
    chance = Random(seed)
    for project in (case[key] for key in ("before", "project") if key in case):
        names = [name for kind in ("dependencies", "devDependencies") for name in project.get(kind, ())]
        some = [name for name in names if chance.random() < 0.5]
        project[chance.choice(["bundleDependencies", "bundledDependencies"])] = chance.choice([True, some, some])
    return case


def invent_bundled_circle(seed: int) -> dict[str, Any]:
    """A project that bundles some of its dependencies, where nearly all packages need each other in circles."""
    chance = Random(seed)
    names = NAMES[: chance.choice([4, 6, 7])]
    versions = {name: ["1.0.0", "2.0.0"][: 1 + (chance.random() < 0.4)] for name in names}

    def needed(count: int, without: str = "") -> dict[str, str]:
        some = [name for name in chance.sample(names, count) if name != without]
        return {name: chance.choice(["*", *(version[0] for version in versions[name])]) for name in some}

    def project() -> dict[str, Any]:
        own = needed(chance.randint(1, 3))
        some = chance.sample(list(own), chance.randint(1, len(own)))
        return {"name": "app", "dependencies": own, "bundleDependencies": chance.choice([True, some])}

    registry = {
        name: {version: {"dependencies": needed(chance.randint(0, 3), name)} for version in versions[name]}
        for name in names
    }
    case: dict[str, Any] = {"registry": registry, "project": project(), "config": {}}
    if chance.random() < 0.5:
        case["before"] = project()
    return case


def _invent_range(chance: Random, registry: dict[str, Any], name: str) -> str:
    version = chance.choice(list(registry[name]))
    other = f"^{version} || ^{chance.choice('123')}.0.0"
    return chance.choice([f"^{version}", f"^{version}", f"~{version}", version, f">={version}", "*", version[0], other])


def _invent_dependencies(
    chance: Random, registry: dict[str, Any], name: str, manifest: dict[str, Any], peers: float
) -> None:
    for kind, likelihood in (("dependencies", 0.6), ("peerDependencies", peers), ("optionalDependencies", 0.15)):
        if chance.random() < likelihood:
            needed = [other for other in chance.sample(list(registry), min(3, len(registry))) if other != name]
            manifest[kind] = {other: _invent_range(chance, registry, other) for other in needed}
    if "peerDependencies" in manifest and chance.random() < 0.4:
        optional = {peer: {"optional": True} for peer in manifest["peerDependencies"] if chance.random() < 0.6}
        manifest["peerDependenciesMeta"] = optional
    if chance.random() < 0.05:
        manifest["deprecated"] = "old"


def _invent_project(chance: Random, registry: dict[str, Any]) -> dict[str, Any]:
    project: dict[str, Any] = {"name": "app", "version": "1.0.0"}
    for kind, likelihood in (("dependencies", 0.9), ("devDependencies", 0.5), ("optionalDependencies", 0.15)):
        if chance.random() < likelihood:
            needed = chance.sample(list(registry), chance.randint(1, min(4, len(registry))))
            project[kind] = {name: _invent_range(chance, registry, name) for name in needed}
    return project


def _invent_overrides(chance: Random, registry: dict[str, Any]) -> dict[str, Any]:
    name, other = chance.choice(list(registry)), chance.choice(list(registry))
    wanted = _invent_range(chance, registry, name)
    return chance.choice(
        [{name: wanted}, {f"{name}@^1": wanted}, {other: {name: wanted}}, {name: {".": wanted, other: "*"}}]
    )


def _invent_workspaces(chance: Random, registry: dict[str, Any]) -> dict[str, Any]:
    names = ("w1", "w2", "@w/three")[: chance.randint(1, 3)]
    workspaces: dict[str, Any] = {}
    for number, name in enumerate(names):
        manifest = {**_invent_project(chance, registry), "name": name, "version": chance.choice(["1.0.0", "2.0.0"])}
        for sibling in names:
            if sibling != name and chance.random() < 0.4:
                kind = chance.choice(["dependencies", "devDependencies", "peerDependencies"])
                manifest[kind] = {**manifest.get(kind, {}), sibling: chance.choice(["*", ">=1"])}
        workspaces[f"packages/p{number}"] = manifest
    return workspaces
