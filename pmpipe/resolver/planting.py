"""The tree that building begins with: the project, its workspaces, and what an old lock had in it.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js`` and ``load-virtual.js``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.errors import LockfileError
from pmpipe.npm.manifests.override_conflict import OverrideConflict, override_error
from pmpipe.npm.manifests.resolutions import may_contradict, with_resolutions
from pmpipe.npm.packages.packument import Json
from pmpipe.resolver.asks import AskManifest, FedManifest
from pmpipe.resolver.flags import work_out_flags
from pmpipe.resolver.location import absolute, location_of, name_from_folder
from pmpipe.resolver.node import Node
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.overrides import OverrideRule
from pmpipe.resolver.package import DependencyPool, Kind, Package
from pmpipe.resolver.peer_sets import Waiting
from pmpipe.resolver.project import LockedEntry, Project, provenance_of
from pmpipe.resolver.request import RequestKind
from pmpipe.resolver.source import Source, package_from_json
from pmpipe.resolver.tree import Tree


class Planted(msgspec.Struct):
    """A tree to begin with.

    Attributes:
        tree: it; first the project alone.
        project: what it is made from.
        pool: of all dependencies.
    """

    tree: Tree
    project: Project
    pool: DependencyPool

    @property
    def may_hold_useless(self) -> bool:
        """Whether npm looks for what nobody needs in the end: it does if there was a lock, even if it is ignored."""
        return bool(self.project.locked) or self.project.update_all

    def plant_lock(self, source: Source) -> Waiting[None]:
        """Add what is in the old lock.

        Raises:
            LockfileError: a link has no target.
        """
        locked = self.project.locked
        if not locked:
            self._plant_workspaces()
            return
        links: dict[str, LockedEntry] = {}
        self.tree.hold_edges()
        for location, entry in locked.items():
            if entry.link:
                links[location] = entry
            elif location:
                self._plant_entry(location, entry)
            else:
                self.tree.extension_hashes = _hashes_of(entry)
            self.tree.locked_specs[location] = _specs_of(entry)
        self.tree.load_held()
        for location, entry in links.items():
            target = self._target_of(location, entry)
            self._plant_link(location, target)
            # what the project's own package.json is to become counts, not what it is on the disk
            if target.parent is None and target is not self.tree.root:
                yield from self._refresh(target, source)
        for node in self.tree.nodes.values():
            if node is not self.tree.root:
                node.flags.set_all(value=True)
        work_out_flags(self.tree.root, with_root=False)

    def _plant_workspaces(self) -> None:
        """Without a lock npm begins with what is on the disk, so that it knows early what workspaces ask for."""
        if self.project.update_all:
            return
        rule = self.tree.root.rule
        for location, manifest in self.project.workspaces.items():
            package = package_from_json(manifest, self.pool)
            node = Node(name_from_folder(absolute(self.project.folder, location)), package, location=location)
            if rule is not None:
                node.rule = rule.rule_for_package(package)
            self.tree.attach_top(node, location)

    def _plant_entry(self, location: str, entry: LockedEntry) -> None:
        name = name_from_folder(location)
        resolved = entry.resolved if isinstance(entry.resolved, str) else ""
        if resolved.startswith("file:"):
            resolved = f"file:{absolute(self.project.folder, resolved.removeprefix('file:'))}"
        integrity = entry.integrity if isinstance(entry.integrity, str) else ""
        manifest = entry if entry.name else msgspec.structs.replace(entry, name=name)
        node = Node(
            name,
            Package(manifest, self.pool, resolved=resolved, integrity=integrity, provenance=provenance_of(entry)),
        )
        node.has_shrinkwrap = bool(entry.has_shrinkwrap) and not self.pool.ignore_shrinkwraps
        parent = self._parent_of(location)
        if parent is None:
            self.tree.attach_top(node, location)
        else:
            self.tree.attach(node, parent)

    def _parent_of(self, location: str) -> Node | None:
        above, folder, name = location.rpartition("node_modules/")
        # a folder inside a package, which a link of that package leads to, lies in no node_modules itself
        if not folder or name != name_from_folder(location):
            return None
        return self.tree.nodes.get(above.rstrip("/"))

    def _target_of(self, location: str, entry: LockedEntry) -> Node:
        resolved = entry.resolved if isinstance(entry.resolved, str) else ""
        target_location = location_of(absolute(self.project.folder, resolved), self.project.folder)
        target = self.tree.nodes.get(target_location)
        if target is None:
            raise LockfileError(
                f"the lockfile links {location} to {target_location}, but has no entry for that",
                hint="remove package-lock.json and install again",
            )
        return target

    def _plant_link(self, location: str, target: Node) -> None:
        link = Node(name_from_folder(location), target.package)
        link.target = target
        parent = self._parent_of(location)
        if parent is not None:
            self.tree.attach(link, parent)

    def _refresh(self, target: Node, source: Source) -> Waiting[None]:
        """Read a link target's package.json, which the user may have changed since."""
        manifest = self.project.workspaces.get(target.location)
        if manifest is None:
            ask = AskManifest(
                RequestKind.FOLDER, absolute(self.project.folder, target.location), "", "", target.package.name
            )
            while ask not in source.answers:
                yield ask
            fed = source.answers[ask]
            if not isinstance(fed, FedManifest):
                return
            manifest = fed.manifest
        target.package = package_from_json(manifest, self.pool)
        for link in target.links_in:
            link.package = target.package
        self.tree.reload_edges(target)
        for link in target.links_in:
            for edge in link.edges_in:
                self.tree.judge(edge)


def workspace_answers(project: Project) -> Iterator[tuple[AskManifest, dict[str, Any]]]:
    """What would be asked for a workspace that no lock knows yet, and the answer."""
    for location, manifest in _all_workspaces(project):
        folder = absolute(project.folder, location)
        yield AskManifest(RequestKind.FOLDER, folder, "", "", _workspace_name(manifest, folder)), dict(manifest)


def _all_workspaces(project: Project) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if project.is_own_workspace:
        yield "", project.manifest
    yield from project.workspaces.items()


def _workspace_name(manifest: Mapping[str, Any], folder: str) -> str:
    name = manifest.get("name")
    return name if isinstance(name, str) and name else name_from_folder(folder)


def plant_project(project: Project, pool: DependencyPool, options: ResolveOptions) -> Planted:
    """The tree of a project before anything has been resolved.

    Raises:
        OverrideConflictError: an override contradicts the project's own dependency.
    """
    package = package_from_json(project.manifest, pool)
    root = Node(package.name or name_from_folder(project.folder), package)
    overrides = with_resolutions(project.manifest.get("overrides"), project.manifest.get("resolutions"))
    if overrides:
        root.rule = OverrideRule(overrides)
    tree = Tree(root, project.folder, install_links=options.install_links)
    tree.overrides_own_bundle = options.follows_npm_12
    tree.is_global = options.is_global
    root.flags.set_all(value=False)
    for location, manifest in _all_workspaces(project):
        folder = absolute(project.folder, location)
        named = _workspace_name(manifest, folder)
        tree.add_edge(root, pool.dependency(named, f"file:{folder}", Kind.WORKSPACE), root.rule)
    tree.load_edges(root)
    _check_overrides(root, project.manifest)
    return Planted(tree, project, pool)


def pool_for(options: ResolveOptions) -> DependencyPool:
    """An empty pool of dependencies."""
    return DependencyPool(ignore_peers=options.legacy_peer_deps, ignore_shrinkwraps=options.follows_npm_12)


def check_overrides(project: Project, options: ResolveOptions) -> None:
    """Refuse a project whose ``overrides`` change what it itself depends on.

    `plant_project` does so, too; npm also refuses a project that a command is about to mend by adding or removing
    just that dependency.

    Raises:
        OverrideConflictError: they do.
    """
    plant_project(project.spelled_out(), pool_for(options), options)


def _hashes_of(entry: LockedEntry) -> dict[str, Json]:
    hashes = {
        "packageExtensionsHash": entry.package_extensions_hash,
        "npmExtensionHash": entry.npm_extension_hash,
    }
    return {field: value for field, value in hashes.items() if value}


def _specs_of(entry: LockedEntry) -> dict[str, str]:
    specs: dict[str, str] = {}
    for group in (
        entry.peer_dependencies,
        entry.dev_dependencies,
        entry.optional_dependencies,
        entry.dependencies,
    ):
        if isinstance(group, dict):
            specs.update({name: spec for name, spec in group.items() if isinstance(spec, str)})
    return specs


def _check_overrides(root: Node, manifest: Mapping[str, Any]) -> None:
    if root.rule is None:
        return
    exempt = may_contradict(manifest.get("overrides"), manifest.get("resolutions"))
    conflicts = [
        OverrideConflict(edge.name, edge.dependency.spec, spec)
        for edge in root.edges_out.values()
        if (spec := edge.spec) != edge.dependency.spec and not spec.startswith("$") and edge.name not in exempt
    ]
    if conflicts:
        raise override_error(conflicts)
