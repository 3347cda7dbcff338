"""``workspace:`` and ``catalog:``: specs that mean something only within their project, said in npm's words.

``workspace:*`` asks for the workspace of that name, and for nothing else: it becomes ``file:`` and the path of its
folder, which npm satisfies with a link to that folder. The project itself counts as one, as with pnpm and yarn.
``catalog:`` stands for the spec that one of the project's catalogs has for the name. Both are replaced as soon as the
project's package.json files have been read, so that the resolver, the check of a lock and the lock itself know npm's
kinds of specs only. npm ends with EUNSUPPORTEDPROTOCOL over either.

Source: pnpm's, yarn's and bun's documentation of catalogs, pnpm's and yarn's of the workspace protocol.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

import msgspec

from pmpipe.errors import InvalidSpecError, ManifestError
from pmpipe.npm.locks.lock_graph import ProjectManifests
from pmpipe.npm.locks.package_path import ROOT, PackagePath
from pmpipe.npm.manifests.catalogs import CATALOG, Catalogs, catalogs_of, merged
from pmpipe.npm.manifests.manifest import Manifest
from pmpipe.npm.manifests.resolutions import name_of
from pmpipe.npm.semver import satisfies
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.specs.spec_types import CatalogSpec, WorkspaceSpec

_PROTOCOLS = ("workspace:", CATALOG)

#: The maps of a package.json with specs in them; attribute and key.
_MAPS = (
    ("dependencies", "dependencies"),
    ("dev_dependencies", "devDependencies"),
    ("optional_dependencies", "optionalDependencies"),
    ("peer_dependencies", "peerDependencies"),
)

_ANY_VERSION = ("*", "^", "~")
_SHOWN = 20


class LocalWorkspace(msgspec.Struct, frozen=True):
    """A workspace: its folder, relative to the project, and its version; empty if it has none."""

    path: str
    version: str


class LocalSpecs:
    """Replaces the specs of one project.

    Args:
        workspaces: by name; the project itself among them.
        catalogs: of the project.
    """

    def __init__(self, workspaces: Mapping[str, LocalWorkspace], catalogs: Catalogs) -> None:
        self._workspaces = workspaces
        self._catalogs = catalogs
        self._problems: list[str] = []

    def spelled_out(self, specs: Mapping[str, str], where: str, place: str) -> dict[str, str]:
        """A map of dependencies in npm's words.

        Args:
            specs: name -> spec.
            where: folder of the package.json that they stand in, relative to the project.
            place: the map's name, for messages.
        """
        return {
            name: self.meaning(name, spec, where, place) if _is_local(spec) else spec for name, spec in specs.items()
        }

    def overrides(self, rules: Any, name: str = "") -> Any:
        """Overrides in npm's words: a spec, or rules by name."""
        if isinstance(rules, dict):
            return {
                key: self.overrides(rule, name if key == "." else key[: key.find("@", 1)] if "@" in key[1:] else key)
                for key, rule in rules.items()
            }
        return self.meaning(name, rules, ROOT, "overrides") if _is_local(rules) else rules

    def resolutions(self, field: Mapping[str, Any]) -> dict[str, Any]:
        """Yarn's ``resolutions`` in npm's words."""
        return {
            key: self.meaning(name_of(key), spec, ROOT, "resolutions") if _is_local(spec) and name_of(key) else spec
            for key, spec in field.items()
        }

    def check(self) -> None:
        """Report what could not be replaced.

        Raises:
            ManifestError: with one line for each such spec.
        """
        if self._problems:
            more = [f"and {len(self._problems) - _SHOWN} more"] if len(self._problems) > _SHOWN else []
            raise ManifestError(
                "the project does not have what some dependencies ask for",
                details=(*self._problems[:_SHOWN], *more),
                hint="workspaces stand in package.json under workspaces, and only there; "
                "catalogs in package.json, too, in pnpm-workspace.yaml or in .yarnrc.yml",
            )

    def meaning(self, name: str, spec: str, where: str, place: str) -> str:
        """What one spec means; itself, with the problem noted, if it means nothing here."""
        try:
            found, problem = self._find(name, spec, where)
        except InvalidSpecError as error:
            found, problem = "", error.what
        if problem:
            file = f"{where}/package.json" if where else "package.json"
            self._problems.append(f"{file}: {place} > {name}: {problem}")
        return found or spec

    def _find(self, name: str, spec: str, where: str) -> tuple[str, str]:
        read = parse_spec(name, spec)
        if isinstance(read, CatalogSpec):
            return self._in_catalog(name, spec, read.catalog, where)
        assert isinstance(read, WorkspaceSpec)
        path, problem = self._by_path(read.path, where) if read.path is not None else self._by_name(name, read)
        if problem:
            return "", f"{shown(spec)} {problem}"
        return f"file:{posixpath.relpath(path or '.', where or '.')}", ""

    def _in_catalog(self, name: str, spec: str, catalog: str, where: str) -> tuple[str, str]:
        listed = self._catalogs.get(catalog)
        if listed is None:
            known = ", ".join(sorted(self._catalogs)) or "none"
            return "", f"{shown(spec)}: there is no catalog called {shown(catalog)} (there are: {known})"
        found = listed.get(name)
        if found is None:
            return "", f"{shown(spec)}: the catalog {shown(catalog)} has no {name}"
        if found.startswith(CATALOG):
            return "", f"{shown(spec)}: the catalog {shown(catalog)} has {shown(found)} for it, which is no spec"
        return self._find(name, found, where) if _is_local(found) else (found, "")

    def _by_name(self, name: str, wanted: WorkspaceSpec) -> tuple[str, str]:
        target = wanted.target_name or name
        workspace = self._workspaces.get(target)
        if workspace is None:
            return "", f"asks for a workspace called {target}, and there is none"
        requested = wanted.requested_range or "*"
        if requested in _ANY_VERSION or satisfies(workspace.version, requested):
            return workspace.path, ""
        found = f"the workspace {workspace.path}" if workspace.path else "the project itself"
        return "", f"is not satisfied by {found}: its version is {workspace.version or 'missing'}"

    def _by_path(self, path: str, where: str) -> tuple[str, str]:
        """A path with a dot in front starts from the package, as in pnpm; others from the project, as in yarn."""
        base = where if path.startswith(".") else ROOT
        folder = posixpath.normpath(posixpath.join(base, path))
        if folder == "." or any(workspace.path == folder for workspace in self._workspaces.values()):
            return folder, ""
        return "", f"asks for the workspace in {folder}, and there is none"


def _is_local(spec: Any) -> bool:
    return isinstance(spec, str) and spec.startswith(_PROTOCOLS)


def has_catalog_specs(manifests: ProjectManifests) -> bool:
    """Whether any package.json of the project asks for something in a catalog."""
    own = (manifests.root, *(manifests.folders[path] for path in manifests.workspaces.values() if path))
    specs = (spec for one in own for attribute, _ in _MAPS for spec in (getattr(one, attribute) or {}).values())
    return any(spec.startswith(CATALOG) for spec in specs) or CATALOG in str(manifests.root.overrides or "")


def spelled_out_manifests(manifests: ProjectManifests, catalogs: Catalogs) -> ProjectManifests:
    """The package.json files of a project in npm's words.

    Args:
        manifests: as they were read.
        catalogs: that stand elsewhere than in the root's package.json.

    Raises:
        ManifestError: what a spec asks for is not there.
    """
    itself = manifests.root
    named = {
        name: LocalWorkspace(path, (manifests.folders[path] if path else itself).version or "")
        for name, path in manifests.workspaces.items()
    }
    known = _with_itself(named, itself.name or "", itself.version or "")
    specs = LocalSpecs(known, merged(itself.catalogs or {}, catalogs))

    def spelled_out(manifest: Manifest, where: PackagePath) -> Manifest:
        changed: dict[str, Any] = {}
        for attribute, key in _MAPS:
            found = getattr(manifest, attribute)
            if found and any(map(_is_local, found.values())):
                changed[attribute] = specs.spelled_out(found, where, key)
        return msgspec.structs.replace(manifest, **changed) if changed else manifest

    root = spelled_out(itself, ROOT)
    if root.overrides:
        root = msgspec.structs.replace(root, overrides=specs.overrides(root.overrides))
    if root.resolutions:
        root = msgspec.structs.replace(root, resolutions=specs.resolutions(root.resolutions))
    own = set(manifests.workspaces.values())
    folders = {path: spelled_out(one, path) if path in own else one for path, one in manifests.folders.items()}
    specs.check()
    return ProjectManifests(manifests.folder, root, manifests.workspaces, folders)


def spelled_out_documents(
    root: Mapping[str, Any], workspaces: Mapping[str, Mapping[str, Any]], catalogs: Catalogs
) -> tuple[Mapping[str, Any], Mapping[str, Mapping[str, Any]]]:
    """The same for decoded package.json files: the project's own, and those of the workspaces by their paths.

    Raises:
        ManifestError: what a spec asks for is not there.
    """
    named = {
        _text(one.get("name")) or posixpath.basename(path): LocalWorkspace(path, _text(one.get("version")))
        for path, one in workspaces.items()
    }
    known = _with_itself(named, _text(root.get("name")), _text(root.get("version")))
    specs = LocalSpecs(known, merged(catalogs_of(root), catalogs))

    def spelled_out(document: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        changed: dict[str, Any] = {}
        for _, key in _MAPS:
            found = document.get(key)
            if isinstance(found, dict) and any(map(_is_local, found.values())):
                changed[key] = specs.spelled_out(found, where, key)
        return {**document, **changed} if changed else document

    new_root = spelled_out(root, ROOT)
    if new_root.get("overrides"):
        new_root = {**new_root, "overrides": specs.overrides(new_root["overrides"])}
    if isinstance(new_root.get("resolutions"), dict):
        new_root = {**new_root, "resolutions": specs.resolutions(new_root["resolutions"])}
    new_workspaces = {path: spelled_out(one, path) for path, one in workspaces.items()}
    specs.check()
    return new_root, new_workspaces


def _with_itself(workspaces: Mapping[str, LocalWorkspace], name: str, version: str) -> Mapping[str, LocalWorkspace]:
    """Workspaces by name, and the project, unless one of them is called as it is."""
    return {name: LocalWorkspace(ROOT, version), **workspaces} if name else workspaces


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
