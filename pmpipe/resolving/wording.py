"""What a finished resolution has to say besides its lock."""

from __future__ import annotations

from collections.abc import Iterator

from pmpipe.npm.locks.package_path import PackagePath, name_from_path
from pmpipe.npm.manifests.declared import Declared
from pmpipe.npm.manifests.resolutions import read_resolutions
from pmpipe.npm.packages.platform import Engines, unsupported_engines
from pmpipe.project.extension_file import extension_warnings
from pmpipe.resolver import IdealTree, Project
from pmpipe.resolver.node import Node
from pmpipe.resolver.peer_conflict import chain, describe, who


def warnings_of(tree: IdealTree, project: Project) -> Iterator[str]:
    """One line for each resolution, repair, locked version, peer conflict and optional package that was not heeded."""
    yield from read_resolutions(project.manifest.get("resolutions")).ignored
    if project.extensions is not None:
        from pmpipe.npm.manifests.package_extensions import workspace_warnings

        named = {
            str(manifest.get("name") or name_from_path(PackagePath(path))): manifest
            for path, manifest in project.workspaces.items()
        }
        yield from workspace_warnings(project.extensions, named)
    yield from extension_warnings(project.folder, project.workspaces)
    for pin in tree.given_up_pins:
        # there are some only where there is a foreign lock
        file = project.pins.file if project.pins is not None else ""
        yield f"{file} has {pin.label}, which cannot be had: {pin.reason}; {pin.instead.label} is taken in its place"
    for node in tree.failed:
        if node.failure is not None:
            users = ", ".join(dict.fromkeys(chain(edge.origin) for edge in node.edges_in))
            yield f"the optional {node.name} is left out: {node.failure.what} (required by {users})"
    for edge in tree.unsatisfied:
        target = edge.target
        found = f"gets {who(target)}" if target is not None else "gets none"
        kind = "a peer dependency" if edge.dependency.peer else "a dependency"
        yield f"{kind} is not satisfied: {describe(edge)}, and {found} (required by {chain(edge.origin)})"


def engine_warnings(tree: IdealTree, engines: Engines) -> Iterator[str]:
    """One line for each required package that is not for these engines, as an install has them."""
    for node in tree.unfit:
        manifest = node.package.manifest
        demanded = manifest.engines if isinstance(manifest.engines, dict) else {}
        declared = Declared(engines={name: str(wanted) for name, wanted in demanded.items()})
        wanted = unsupported_engines(declared, engines)
        if wanted:
            yield f"{_name_of_project(node) if node.is_project else node.package.label} wants {wanted}"


def _name_of_project(node: Node) -> str:
    name = node.package.manifest.name
    return name if isinstance(name, str) and name else "the project"
