"""The tree that building begins with: the project, its workspaces, and what an old lock had in it.

Source: npm's ``@npmcli/arborist``, ``build-ideal-tree.js`` and ``load-virtual.js``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pmpipe.errors import LockfileError, ManifestError
from pmpipe.resolver.node import Node
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.overrides import OverrideRule
from pmpipe.resolver.package import DependencyPool, Kind
from pmpipe.resolver.project import Project
from pmpipe.resolver.source import package_from_json
from pmpipe.resolver.tree import Tree, absolute, name_from_folder


class OverrideConflictError(ManifestError):
    """``overrides`` change what the project itself depends on (npm's EOVERRIDE)."""

    code = "PM_OVERRIDE"


@dataclass(slots=True, frozen=True)
class Planted:
    """A tree to begin with.

    Attributes:
        tree: it.
        from_lock: it has nodes of an old lock.
        suspicious: the old lock was made for other manifests, so that it may hold what nobody needs any more.
    """

    tree: Tree
    from_lock: bool
    suspicious: bool

    @property
    def is_fresh(self) -> bool:
        """Whether everything has to be looked up."""
        return not self.from_lock


def plant_project(project: Project, pool: DependencyPool, options: ResolveOptions) -> Planted:
    """The tree of a project before anything has been resolved anew.

    Raises:
        LockfileError: a link of the old lock has no target.
        ManifestError: an override contradicts the project's own dependency.
    """
    package = package_from_json(project.manifest, pool)
    root = Node(package.name or name_from_folder(project.folder), package)
    overrides = project.manifest.get("overrides")
    if isinstance(overrides, Mapping) and overrides:
        root.rule = OverrideRule(overrides)
    tree = Tree(root, project.folder, install_links=options.install_links)
    root.flags.set_all(value=False)
    names = {
        location: str(manifest.get("name") or name_from_folder(absolute(project.folder, location)))
        for location, manifest in project.workspaces.items()
    }
    for location, name in names.items():
        spec = f"file:{absolute(project.folder, location)}"
        tree.add_edge(root, pool.dependency(name, spec, Kind.WORKSPACE), root.rule)
    tree.load_edges(root)
    suspicious = False
    if project.locked is not None:
        suspicious = _plant_lock(tree, project, pool)
    for location, manifest in project.workspaces.items():
        _plant_workspace(tree, names[location], location, manifest, pool)
    _check_overrides(root)
    return Planted(tree, bool(project.locked), suspicious)


def _plant_workspace(tree: Tree, name: str, location: str, manifest: Mapping[str, Any], pool: DependencyPool) -> None:
    target = tree.nodes.get(location)
    if target is None:
        target = Node(name, package_from_json(manifest, pool), location=location)
        # npm finds workspaces by their edges, like everything else; only the target has to be known by then
        tree.known_targets[location] = target


def _plant_lock(tree: Tree, project: Project, pool: DependencyPool) -> bool:
    locked = project.locked or {}
    links: dict[str, Mapping[str, Any]] = {}
    for location in sorted(locked, key=lambda location: location.count("/")):
        if not location:
            continue
        entry = locked[location]
        if entry.get("link"):
            links[location] = entry
    raise LockfileError(f"not yet {len(links)}")


def _check_overrides(root: Node) -> None:
    if root.rule is None:
        return
    for edge in root.edges_out.values():
        spec = edge.spec
        if spec != edge.dependency.spec and not spec.startswith("$"):
            raise OverrideConflictError(
                f"the override for {edge.name} contradicts the project's own dependency",
                details=(f"package.json asks for {edge.name}@{edge.dependency.spec}, overrides for {spec}",),
                hint=f'write the same range in both, or "${edge.name}" in overrides',
            )
