"""Whether an entry of a lockfile is what a dependency asks for.

Nearly all specs are ranges, and are compared with the version at once. A dist-tag is satisfied by whatever came from a
URL: what the tag meant when the lock was made cannot be known now. Folders must be linked to, tarballs and repositories
must be the ones named.

Source: npm's ``@npmcli/arborist``, ``lib/dep-valid.js``, ``lib/edge.js`` and ``lib/from-path.js``.
"""

from __future__ import annotations

import posixpath
import re

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.locks.lock_graph import Edge, EdgeType, LockGraph
from pmpipe.npm.locks.lockfile import Entry, link_target
from pmpipe.npm.locks.package_path import PackagePath, is_installed
from pmpipe.npm.manifests.overrides import ANY, Overrides, OverrideSet
from pmpipe.npm.semver import plainly_satisfies, satisfies
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.specs.spec_types import (
    AliasSpec,
    DirectorySpec,
    FileSpec,
    GitSpec,
    RangeSpec,
    RemoteSpec,
    Spec,
    TagSpec,
    VersionSpec,
)

# versions and ranges, and nothing that could be a tag, a path, a URL or an alias
_IS_RANGE = re.compile(r"[\s^~<>=|*.xX0-9-]*(?:-[0-9A-Za-z.\s^~<>=|*+-]*)?").fullmatch
_FULL_COMMIT = re.compile(r"[a-fA-F0-9]{40,64}")


class Satisfaction:
    """Judges the edges of one graph.

    Args:
        graph: the lockfile and the project's package.json files.
        overrides: the root's overrides, applied to that graph.
        home: the user's home folder, for ``file:~/x``; empty if there is none.
        install_links: folders are copied, not linked; only workspaces are linked all the same.
        overrides_own_bundle: overrides hold for what the project bundles, too, as with npm 12.
    """

    def __init__(
        self,
        graph: LockGraph,
        overrides: Overrides,
        home: str = "",
        *,
        install_links: bool = False,
        overrides_own_bundle: bool = False,
    ) -> None:
        self._graph = graph
        self._overrides = overrides
        self._home = home or None
        self._install_links = install_links
        self._overrides_own_bundle = overrides_own_bundle

    def spec(self, edge: Edge) -> str:
        """The spec that counts for a dependency: the override's, or its own.

        Raises:
            ManifestError: the override refers to a dependency that the root does not have.
        """
        rule = self._overrides.rule(edge)
        if rule is not None and rule.overrides(edge):
            return self._overrides.spec(rule, edge)
        return edge.requested

    def is_satisfied(self, edge: Edge) -> bool:
        """Whether the entry that an edge leads to is what it asks for.

        Args:
            edge: one that has a target.

        Raises:
            ManifestError: see `spec`.
        """
        assert edge.target is not None, "an edge without a target is satisfied by nothing"
        rule = self._overrides.rule(edge)
        if rule is None and plainly_satisfies(self._version(edge.target), edge.requested):
            return True
        if rule is None or rule.parent is None or self._keeps_own_specs(edge.target):
            return self._accepts(edge, edge.requested, None)
        if self._accepts(edge, self.spec(edge), rule):
            return True
        # what the package itself asks for is right too, unless it is among the versions to be replaced
        return self._accepts(edge, edge.requested, rule) and not self._accepts(edge, rule.key_range, rule)

    def was_satisfied(self, edge: Edge) -> bool:
        """Whether an edge has what its package itself asks for, so that only an override can make it wrong."""
        return edge.target is not None and self._accepts(edge, edge.requested, None)

    def asks_for_place(self, edge: Edge) -> bool:
        """Whether an edge's spec names a folder or a tarball in the file system."""
        return isinstance(self._read(edge, self.spec(edge), self._overrides.rule(edge)), (DirectorySpec, FileSpec))

    def _keeps_own_specs(self, path: PackagePath) -> bool:
        """Whether a package brings its dependencies along, so that overrides do not concern it."""
        entry = self._graph.lock.entries.get(path)
        holder = self._graph.holder(path)
        held_by = self._graph.lock.entries.get(holder) if holder else None
        if held_by is not None and held_by.has_shrinkwrap:
            return True
        if entry is None:
            return False
        # what has a tarball of its own is bundled by the project
        is_own = self._overrides_own_bundle and bool(entry.resolved or entry.integrity)
        return entry.has_shrinkwrap or (entry.in_bundle and not is_own)

    def _accepts(self, edge: Edge, requested: str, rule: OverrideSet | None) -> bool:
        if self._matches(edge, requested, rule):
            return True
        return edge.accept is not None and self._matches(edge, edge.accept or ANY, rule)

    def _matches(self, edge: Edge, requested: str, rule: OverrideSet | None) -> bool:
        target = edge.target
        assert target is not None
        if not requested or requested == ANY:
            return True
        if _IS_RANGE(requested) is not None and satisfies(self._version(target), requested):
            return True
        spec = self._read(edge, requested, rule)
        return spec is not None and self._fits(edge, target, spec)

    def _read(self, edge: Edge, requested: str, rule: OverrideSet | None) -> Spec | None:
        """The spec as npm reads it where it stands; None for one that npm cannot read, which nothing satisfies."""
        try:
            return parse_spec(edge.name, requested or ANY, self._base_folder(edge, rule), home=self._home)
        except InvalidSpecError:
            return None

    def _base_folder(self, edge: Edge, rule: OverrideSet | None) -> str:
        """The absolute folder that a ``file:`` spec starts from."""
        project = self._graph.project.folder
        if edge.type is EdgeType.WORKSPACE or (rule is not None and rule.overrides(edge)):
            return project
        entry = self._graph.lock.entries.get(edge.source)
        if entry is not None and is_installed(edge.source) and entry.resolved and entry.resolved.startswith("file:"):
            # a tarball's own file: dependencies lie beside the tarball
            return posixpath.dirname(file_path(entry, project))
        return posixpath.join(project, edge.source)

    def _fits(self, edge: Edge, target: PackagePath, spec: Spec) -> bool:
        entry = self._graph.lock.entries.get(target)
        if entry is None:
            return False
        if isinstance(spec, AliasSpec):
            spec = spec.sub_spec
        if isinstance(spec, (VersionSpec, RangeSpec)):
            return spec.fetch_spec in {"", ANY} or satisfies(self._version(target), spec.fetch_spec)
        if isinstance(spec, TagSpec):
            # registries' addresses may be left out of a lock, see omit-lockfile-registry-resolved
            return not entry.link and (not entry.resolved or entry.resolved.startswith(("https:", "http:")))
        if isinstance(spec, RemoteSpec):
            return entry.resolved == spec.fetch_spec
        return self._fits_git(edge, entry, spec) if isinstance(spec, GitSpec) else self._fits_place(entry, spec)

    def _fits_place(self, entry: Entry, spec: Spec) -> bool:
        project = self._graph.project.folder
        if isinstance(spec, DirectorySpec):
            if self._install_links and not self._is_linked_always(entry, spec):
                return not entry.link
            folder = posixpath.normpath(posixpath.join(project, link_target(entry)))
            return entry.link and folder == posixpath.normpath(spec.fetch_spec)
        # npm has none of the other kinds
        return isinstance(spec, FileSpec) and file_path(entry, project) == spec.fetch_spec

    def _is_linked_always(self, entry: Entry, spec: DirectorySpec) -> bool:
        """Whether even under ``install-links`` this folder is linked."""
        if not entry.link:
            return False
        project = self._graph.project
        if link_target(entry) in project.workspaces.values():
            return True
        # npm goes by the spelling
        return spec.raw_spec.startswith(("file:./", "file:../")) and f"{spec.fetch_spec}/".startswith(
            f"{project.folder}/"
        )

    def _fits_git(self, edge: Edge, entry: Entry, spec: GitSpec) -> bool:
        found = _git_spec(edge.name, entry.resolved or "")
        if found is None or edge.target is None:
            return False
        is_commit = _FULL_COMMIT.fullmatch(spec.committish or "") is not None
        if not _same_repository(spec, found, compare_commits=is_commit):
            return False
        if spec.semver_range:
            return satisfies(self._version(edge.target), spec.semver_range)
        return is_commit or self._names_same_branch(edge, spec)

    def _version(self, path: PackagePath) -> str:
        return self._graph.declared(path).version or ""

    def _names_same_branch(self, edge: Edge, spec: GitSpec) -> bool:
        """Whether the lock was made for the same branch or tag; which commit that is now cannot be known here."""
        entry = self._graph.lock.entries.get(edge.source)
        maps = (
            (entry.dependencies, entry.optional_dependencies, entry.dev_dependencies, entry.peer_dependencies)
            if entry is not None
            else ()
        )
        locked = next((found for one in maps if one and (found := one.get(edge.name))), "")
        before = _git_spec(edge.name, locked)
        return before is None or (before.committish or "") == (spec.committish or "")


def file_path(entry: Entry, project_folder: str) -> str:
    """The absolute path of the tarball that an entry with a ``file:`` address was packed from; empty for others."""
    if entry.link or not entry.resolved or not entry.resolved.startswith("file:"):
        return ""
    try:
        spec = parse_spec("tarball", entry.resolved, project_folder)
    except InvalidSpecError:
        return ""
    return spec.fetch_spec if isinstance(spec, (FileSpec, DirectorySpec)) else ""


def _git_spec(name: str, text: str) -> GitSpec | None:
    if not text:
        return None
    try:
        spec = parse_spec(name, text, "/", home="/")
    except InvalidSpecError:
        return None
    return spec if isinstance(spec, GitSpec) else None


def _same_repository(wanted: GitSpec, found: GitSpec, *, compare_commits: bool) -> bool:
    if (found.subdirectory or "").strip("/") != (wanted.subdirectory or "").strip("/"):
        return False
    if found.hosted is None:
        return found.fetch_spec == wanted.fetch_spec
    if wanted.hosted is None:
        return False
    one, other = found.hosted, wanted.hosted
    if (one.host, one.user, one.project) != (other.host, other.user, other.project):
        return False
    return not compare_commits or found.committish == wanted.committish
