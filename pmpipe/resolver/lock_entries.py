"""From the ideal tree to the content of its package-lock.json.

Source: npm's ``@npmcli/arborist``, ``shrinkwrap.js`` (``metaFromNode``, ``commit``).
"""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import dirname
from typing import Any

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.locks.lock_head import kept_members
from pmpipe.npm.locks.lock_version import needed_version
from pmpipe.npm.locks.patch_record import PatchRecord
from pmpipe.npm.packages.packument import Json, RawManifest
from pmpipe.npm.specs.hosted_git import parse_hosted_git
from pmpipe.npm.texts.json_text import without_bom
from pmpipe.resolver.location import location_of, name_from_folder
from pmpipe.resolver.lock_legacy import legacy_dependencies
from pmpipe.resolver.node import Edge, Node, bundler_of
from pmpipe.resolver.package import Package, normalised_bin
from pmpipe.resolver.request import read_request, request_of
from pmpipe.resolver.satisfy import folder_of
from pmpipe.resolver.tree import Tree

_NEWEST_WITH_LEGACY = 2
_OLDEST_WITH_PACKAGES = 2
_NEWEST_WITH_HEAD = 3

_NO_PATCHES: Mapping[str, PatchRecord] = {}

#: The fields that a lockfile takes over from the manifest as they are; attribute and key.
_COPIED = (
    ("peer_dependencies", "peerDependencies"),
    ("peer_dependencies_meta", "peerDependenciesMeta"),
    ("optional_dependencies", "optionalDependencies"),
    ("accept_dependencies", "acceptDependencies"),
    ("engines", "engines"),
    ("os", "os"),
    ("cpu", "cpu"),
    ("libc", "libc"),
    ("deprecated", "deprecated"),
    ("workspaces", "workspaces"),
)


def lock_document(
    tree: Tree,
    *,
    lockfile_version: int = 3,
    omit_registry_resolved: bool = False,
    folder_name: str = "",
    patches: Mapping[str, PatchRecord] = _NO_PATCHES,
    old_lock: bytes = b"",
) -> dict[str, Any]:
    """The content of the lockfile for a finished tree.

    Args:
        tree: with its flags worked out.
        lockfile_version: 3 or 4, 2 to have the old ``dependencies`` too, or 1 to have these alone; it is 4 where what
            the lock holds needs that.
        omit_registry_resolved: leave out where registry packages came from (``omit-lockfile-registry-resolved``).
        folder_name: of the project, which stands for the name that its package.json lacks.
        patches: of the packages that are patched, by location.
        old_lock: the text that it replaces. What npm does not know in it stays, and a ``version`` that package.json has
            no longer. In version 4 npm leaves the ``name`` and ``version`` as they are there, and in a new lock out.
    """
    packages = _packages(tree, omit_registry_resolved=omit_registry_resolved)
    for location, patch in patches.items():
        packages[location]["patched"] = {"path": patch.path, "integrity": patch.integrity}
    lockfile_version = max(lockfile_version, needed_version(packages))
    document = kept_members(without_bom(old_lock))
    if lockfile_version <= _NEWEST_WITH_HEAD:
        document["name"] = tree.root.package.name or folder_name or name_from_folder(tree.project_folder)
        if tree.root.package.version:
            document["version"] = tree.root.package.version
    document.update({"lockfileVersion": lockfile_version, "requires": True})
    if lockfile_version >= _OLDEST_WITH_PACKAGES:
        document["packages"] = packages
    if lockfile_version <= _NEWEST_WITH_LEGACY:
        legacy = legacy_dependencies(tree, omit_resolved=omit_registry_resolved)
        if legacy:
            document["dependencies"] = legacy
    return document


def _packages(tree: Tree, *, omit_registry_resolved: bool) -> dict[str, Any]:
    packages: dict[str, Any] = {}
    root = tree.root
    root_entry = lock_entry(root, tree, omit_registry_resolved=omit_registry_resolved)
    root_entry.update(tree.extension_hashes)
    if root_entry:
        packages[""] = root_entry
    for location, node in tree.nodes.items():
        if not location or _is_left_out(node, location):
            continue
        packages[location] = lock_entry(node, tree, omit_registry_resolved=omit_registry_resolved)
    return packages


def _is_left_out(node: Node, location: str) -> bool:
    if node.unusable and not node.package.version:
        return True
    inside = "node_modules/" in location
    folder_parent = node.folder_parent
    return node.flags.extraneous and not inside and (folder_parent is None or folder_parent.is_project)


def lock_entry(node: Node, tree: Tree, *, omit_registry_resolved: bool = False) -> dict[str, Any]:
    """One entry of ``packages``, its keys in any order."""
    if node.target is not None:
        return {"resolved": node.target.location, "link": True}
    package = node.package
    entry = folder_fields(package) if node.parent is None else _manifest_fields(package)
    if package.name and (node.is_project or package.name != node.name or _folder_name(node) != package.name):
        entry["name"] = package.name
    if package.integrity:
        entry["integrity"] = package.integrity
    if bundler_of(node) is not None:
        entry["inBundle"] = True
    if node.has_shrinkwrap or package.has_shrinkwrap:
        entry["hasShrinkwrap"] = True
    if package.has_install_script:
        entry["hasInstallScript"] = True
    if package.provenance is not None:
        entry.update(package.provenance)
    resolved = portable_resolved(package.resolved, tree.project_folder)
    if resolved and not (omit_registry_resolved and _is_from_registry(node)):
        entry["resolved"] = resolved
    _add_flags(entry, node)
    return entry


def folder_fields(package: Package) -> dict[str, Any]:
    """What an entry has of its manifest if the package lies in nobody's node_modules."""
    fields = _manifest_fields(package)
    development: Json = package.manifest.dev_dependencies
    # npm leaves out all other fields that are empty, but not this one
    if development or isinstance(development, (dict, list)):
        fields["devDependencies"] = development
    return fields


def _manifest_fields(package: Package) -> dict[str, Any]:
    """What an entry has of its manifest, wherever the package is."""
    manifest = package.manifest
    entry: dict[str, Any] = {}
    if package.version:
        entry["version"] = package.version
    if isinstance(manifest.dependencies, dict):
        optional = manifest.optional_dependencies if isinstance(manifest.optional_dependencies, dict) else {}
        dependencies = {name: spec for name, spec in manifest.dependencies.items() if name not in optional}
        if dependencies:
            entry["dependencies"] = dependencies
    for attribute, key in _COPIED:
        value = getattr(manifest, attribute)
        if value:
            entry[key] = value
    if package.bundled:
        entry["bundleDependencies"] = list(package.bundled)
    if manifest.bin:
        executables = normalised_bin(manifest)
        if executables:
            entry["bin"] = executables
    _add_license_and_funding(entry, manifest)
    return entry


def _add_license_and_funding(entry: dict[str, Any], manifest: RawManifest) -> None:
    license_name: Json = manifest.license
    if isinstance(license_name, dict) and license_name.get("type"):
        license_name = license_name["type"]
    if license_name:
        entry["license"] = license_name
    funding: Json = manifest.funding
    if funding:
        entry["funding"] = {"url": funding} if isinstance(funding, str) else funding


def _add_flags(entry: dict[str, Any], node: Node) -> None:
    flags = node.flags
    if flags.extraneous:
        entry["extraneous"] = True
        return
    if flags.peer:
        entry["peer"] = True
    if flags.dev:
        entry["dev"] = True
    if flags.optional:
        entry["optional"] = True
    if flags.dev_optional and not (flags.dev or flags.optional):
        entry["devOptional"] = True


def _folder_name(node: Node) -> str:
    if node.parent is not None:
        return node.name
    return name_from_folder(folder_of(node))


def portable_resolved(resolved: str, project_folder: str) -> str:
    """What a package came from, as it can stand in a file that is copied to another machine."""
    if resolved.startswith("file:"):
        return f"file:{location_of(resolved.removeprefix('file:'), project_folder)}"
    if not resolved.startswith(("git", "ssh", "github")):
        return resolved
    hosted = parse_hosted_git(resolved)
    if hosted is None:
        return resolved
    return hosted.https_url if hosted.auth else hosted.ssh_url


def _is_from_registry(node: Node) -> bool:
    return bool(node.edges_in) and all(map(asks_registry, node.edges_in))


def asks_registry(edge: Edge) -> bool:
    """Whether a dependency is one that a registry answers; what cannot be read is none."""
    dependency, spec = edge.dependency, edge.spec
    # an override may have other words for it
    request = request_of(dependency) if spec == dependency.spec else None
    if request is None:
        try:
            request = read_request(dependency.name, spec, dirname(folder_of(edge.origin)))
        except InvalidSpecError:
            return False
    return request.is_registry
