"""Plays the resolver's cases: small registries, written by hand, each of which shows one rule.

A case is a JSON object:

    rule         the sentence that it shows
    registry     name -> version -> further fields of the manifest; a list under ``files`` is put into the tarball
    tags         name -> dist-tag -> version; without it ``latest`` is the version that stands last
    project      the package.json; ``workspaces`` and ``folders`` hold others, by location
    before       the package.json for which the old lock was made, where there is one
    config       npm's settings
    tree         what npm makes of it: location -> version and flags, or ``-> target``
    error        npm's code instead, where it refuses
    npm_fails    why npm cannot be asked: a fault of its own; `tree` is then written by hand

``record_cases.py`` asks npm for `tree` and `error`.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from support import npm
from support.packages import Package, make_package, make_packument
from support.registry import PackageRegistry

from pmpipe.npm.locks.lock_writer import write_lockfile
from pmpipe.npm.manifests.package_extensions import PackageExtensions
from pmpipe.npm.packages.npm_version import npm_version_for
from pmpipe.npm.packages.packument import decode_packument
from pmpipe.npm.packages.pick_manifest import PickOptions
from pmpipe.resolver import (
    Ask,
    AskContents,
    AskManifest,
    AskPackument,
    Fed,
    FedContents,
    FedManifest,
    IdealTree,
    InstallStrategy,
    NoManifestError,
    Project,
    RegistryError,
    Resolved,
    ResolveOptions,
    Resolver,
    locked_entries,
)

CASES = Path(__file__).parent / "cases"
FLAGS = ("extraneous", "peer", "dev", "optional", "devOptional", "inBundle")
NODE_VERSION = "20.0.0"


def load_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """All cases, by the names of their files."""
    for path in sorted(CASES.glob("*.json")):
        yield path.stem, json.loads(path.read_text())


def packages_of(case: Mapping[str, Any]) -> dict[str, list[Package]]:
    """The packages of a case's registry, by name, in the order in which they stand there."""
    found: dict[str, list[Package]] = {}
    for name, versions in case["registry"].items():
        for version, fields in versions.items():
            manifest = {key: value for key, value in fields.items() if key != "files"}
            files = {path: json.dumps(content).encode() for path, content in fields.get("files", {}).items()}
            found.setdefault(name, []).append(make_package(name, version, files or None, **manifest))
    return found


def tags_of(case: Mapping[str, Any], packages: Mapping[str, list[Package]]) -> dict[str, dict[str, str]]:
    """The dist-tags of a case's registry."""
    given = case.get("tags", {})
    return {name: given.get(name, {"latest": versions[-1].version}) for name, versions in packages.items()}


def publish(case: Mapping[str, Any], registry: PackageRegistry) -> None:
    """Put a case's packages into a real registry."""
    packages = packages_of(case)
    for name, tags in tags_of(case, packages).items():
        by_version = {version: tag for tag, version in tags.items()}
        for package in packages[name]:
            registry.publish(package, tag=by_version.get(package.version, "published"))


class Provider:
    """Answers asks from a case, as a fetch stage would from a network."""

    def __init__(self, case: Mapping[str, Any], registry_url: str, folder: str) -> None:
        self.case = case
        self.folder = folder
        self.packages = packages_of(case)
        self.tags = tags_of(case, self.packages)
        self.url = registry_url

    def answer(self, ask: Ask) -> Fed:
        if isinstance(ask, AskPackument):
            if ask.name not in self.packages:
                return RegistryError(f"the registry has no package {ask.name}")
            document = make_packument(
                self.packages[ask.name], self.url, dist_tags=self.tags[ask.name], abbreviated=ask.abbreviated
            )
            return decode_packument(json.dumps(document).encode(), ask.name)
        if isinstance(ask, AskManifest):
            location = os.path.relpath(ask.wanted, self.folder)
            known = {**self.case.get("folders", {}), **self.case.get("workspaces", {})}
            if location in known:
                return FedManifest(known[location])
            return NoManifestError(f"there is no folder {location}")
        assert isinstance(ask, AskContents)
        files = self.case["registry"][ask.name][ask.version].get("files", {})
        suffix = "/package.json"
        return FedContents(
            {path.removesuffix(suffix): content for path, content in files.items() if path.endswith(suffix)},
            files.get("npm-shrinkwrap.json", {}).get("packages"),
        )


def options_of(case: Mapping[str, Any]) -> ResolveOptions:
    """The resolver's options for a case's settings, on the platform that the cases suppose."""
    config = case.get("config", {})
    return ResolveOptions(
        pick=PickOptions(config.get("tag", "latest"), None, NODE_VERSION, npm_version_for(case["project"])),
        install_strategy=InstallStrategy(config.get("install-strategy", "hoisted")),
        legacy_peer_deps=config.get("legacy-peer-deps", False),
        strict_peer_deps=config.get("strict-peer-deps", False),
        force=config.get("force", False),
        prefer_dedupe=config.get("prefer-dedupe", False),
        install_links=config.get("install-links", False),
        engine_strict=config.get("engine-strict", False),
        os="linux",
        cpu="x64",
        libc="glibc",
    )


def resolve(
    case: Mapping[str, Any],
    folder: str,
    registry_url: str,
    *,
    pick: Any = None,
    npms_old: bytes | None = None,
    options: ResolveOptions | None = None,
) -> IdealTree:
    """Resolve a case.

    Args:
        case: see the module's text.
        folder: the project's absolute path.
        registry_url: for ``resolved``.
        npms_old: the old lock, instead of one made from `before`.
        options: instead of those of the case's settings.
        pick: gets the number of answers that are outstanding and says which one arrives; the oldest by default.
    """
    before = None if npms_old is None else locked_entries(npms_old)
    if "before" in case and before is None:
        earlier = {
            **case,
            "project": case["before"],
            "workspaces": case.get("workspaces_before", case.get("workspaces", {})),
        }
        del earlier["before"]
        before = locked_entries(lock_text(resolve(earlier, folder, registry_url)))
    provider = Provider(case, registry_url, folder)
    project = Project(
        folder, case["project"], case.get("workspaces", {}), before, extensions=extensions_of(case["project"])
    )
    resolver = Resolver(project, options or options_of(case))
    outstanding = deque(resolver.start())
    while not resolver.done:
        if pick is not None:
            outstanding.rotate(-pick(len(outstanding)))
        event = outstanding.popleft()
        if not isinstance(event, Resolved):
            outstanding.extend(resolver.feed(event, provider.answer(event)))
    return resolver.finish()


def extensions_of(manifest: Mapping[str, Any]) -> PackageExtensions | None:
    """The rules of a project's package.json."""
    if "packageExtensions" not in manifest:
        return None
    return PackageExtensions(json.dumps(manifest, indent=2).encode(), "package.json")


def lock_text(tree: IdealTree, lockfile_version: int = 3) -> bytes:
    """The lockfile of a tree."""
    return write_lockfile(tree.lock_document(lockfile_version=lockfile_version))


def summary(lock: bytes) -> dict[str, str]:
    """What a lockfile says in short: location -> version and flags, or ``-> target``."""
    found: dict[str, str] = {}
    for location, entry in json.loads(lock)["packages"].items():
        if not location:
            continue
        if entry.get("link"):
            found[location] = f"-> {entry['resolved']}"
            continue
        name = f"{entry['name']}@" if "name" in entry else ""
        found[location] = " ".join([name + entry.get("version", "?"), *(flag for flag in FLAGS if entry.get(flag))])
    return found


def write_project(case: Mapping[str, Any], folder: Path, registry_url: str, *, before: bool) -> None:
    """Write a case's manifests and settings to the disk."""
    given = {
        "": case["before" if before else "project"],
        **case.get("folders", {}),
        **case.get("workspaces_before" if before and "workspaces_before" in case else "workspaces", {}),
    }
    for location, manifest in given.items():
        (folder / location).mkdir(parents=True, exist_ok=True)
        (folder / location / "package.json").write_text(json.dumps(manifest, indent=2))
    config = {
        "registry": registry_url,
        "audit": False,
        "fund": False,
        "update-notifier": False,
        "omit-lockfile-registry-resolved": False,
        **case.get("config", {}),
    }
    (folder / ".npmrc").write_text("".join(f"{key}={json.dumps(value)}\n" for key, value in config.items()))


def run_npm(folder: Path, cache: Path) -> str:
    """Let npm write the lockfile; npm's error code, or an empty text if it succeeded."""
    words = ("install", "--package-lock-only", "--ignore-scripts", f"--cache={cache}", "--loglevel=error")
    done = npm.run_npm(words, cwd=folder, env=os.environ)
    if done.status == 0:
        return ""
    for line in done.stderr.splitlines():
        if line.startswith("npm error code "):
            return line.removeprefix("npm error code ").strip()
    return done.stderr


def ask_npm(case: Mapping[str, Any], registry: PackageRegistry, folder: Path) -> tuple[str, bytes]:
    """What npm makes of a case: its error code, and the lockfile.

    npm, Node.js and the platform are what they are on the host; no case may depend on more than that it is linux.
    """
    publish(case, registry)
    cache = folder.parent / f"{folder.name}-cache"
    if "before" in case:
        write_project(case, folder, registry.url, before=True)
        code = run_npm(folder, cache)
        assert not code, code
    write_project(case, folder, registry.url, before=False)
    code = run_npm(folder, cache)
    lock = folder / "package-lock.json"
    return code, lock.read_bytes() if not code and lock.exists() else b""
