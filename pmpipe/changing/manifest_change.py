"""What each command that changes manifests asks of the resolver, and what it saves when the tree is known.

::

    project, edits ─> added / removed / updated / deduped / kept ─> Change ─> resolver ─> ideal tree ─> Change.finish
                                                                                                          └> new files

All of it is pure. A `Change` begins with the project as it is on the disk, its old lock included; `finish` tells which
package.json files get which bytes, and brings the tree up to date with them, so that the lockfile says the same.

Source: npm's ``@npmcli/arborist``, ``lib/arborist/build-ideal-tree.js`` (``#applyUserRequests``),
``lib/arborist/reify.js`` (``saveIdealTree``) and ``lib/arborist/index.js`` (``dedupe``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.manifests.manifest_edit import Addition, ManifestEdit, SaveType
from pmpipe.npm.manifests.manifest_save import FoundPackage, spec_to_save
from pmpipe.npm.manifests.patch_selection import PATCHED_DEPENDENCIES, read_selectors, select_patches
from pmpipe.npm.semver.relations import subset
from pmpipe.npm.specs.names import is_valid_name, name_key
from pmpipe.npm.specs.shown import shown
from pmpipe.project.folder_bins import with_bins_of
from pmpipe.resolver.location import absolute, name_from_folder
from pmpipe.resolver.node import Edge, Node
from pmpipe.resolver.options import ResolveOptions
from pmpipe.resolver.package import Kind
from pmpipe.resolver.project import Project
from pmpipe.resolver.resolver import IdealTree
from pmpipe.resolver.source import package_from_json

#: The protocols of specs that name something of the project.
_OF_THE_PROJECT = ("catalog:", "workspace:")


#: Why a name is none.
NAMES_TO_UPDATE = "update takes names only; `pmpipe add name@range` sets a range"
NAMES_TO_REMOVE = "remove takes names only, without a version"


class Saving(msgspec.Struct, frozen=True):
    """How changes are saved.

    Attributes:
        save: whether they are (``--no-save``).
        save_type: the kind of all new dependencies; None leaves each where it is.
        bundled: list new dependencies under ``bundleDependencies`` too.
        prefix: in front of an installed version, to make a range of it; empty for exactly this version.
        home: absolute path of the user's home folder.
    """

    save: bool = True
    save_type: SaveType | None = None
    bundled: bool = False
    prefix: str = "^"
    home: str = "/"


class Change(msgspec.Struct, frozen=True):
    """One command's change of a project.

    Attributes:
        project: what the resolver gets; `resolve_options` says how.
        edits: the package.json files that may be written afterwards, by location.
        saving: how.
        added: names whose specs are to be saved, by location.
        updated: names whose specs are to be saved wherever the project depends on them directly; None for all.
        removed: names that are depended on no longer.
        updates: names of which newer versions are wanted.
        in_vain: names that were given, and that there is nothing to be done about.
        prefer_dedupe: take what is in the tree already.
        saves_lock: whether the lockfile is to be written.
    """

    project: Project
    edits: Mapping[str, ManifestEdit] = msgspec.field(default_factory=dict)
    saving: Saving = msgspec.field(default_factory=Saving)
    added: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    updated: frozenset[str] | None = frozenset()
    removed: frozenset[str] = frozenset()
    updates: frozenset[str] = frozenset()
    in_vain: Sequence[str] = ()
    prefer_dedupe: bool = False
    saves_lock: bool = True

    def resolve_options(self, options: ResolveOptions) -> ResolveOptions:
        """The settings' options with what the command adds to them."""
        return msgspec.structs.replace(
            options, updates=self.updates, prefer_dedupe=options.prefer_dedupe or self.prefer_dedupe
        )

    @property
    def warnings(self) -> list[str]:
        """One line for each dependency that went from one map to another, and for each name that was given in vain."""
        moved = [
            f"{location}: {line}" if location else line
            for location, edit in self.edits.items()
            for line in edit.warnings
        ]
        where = "in the tree" if self.updates else "depended on"
        return moved + told_in_vain(self.in_vain, where)

    def finish(self, ideal: IdealTree) -> dict[str, bytes]:
        """Save the specs that follow from the finished tree, and have the tree say the same.

        Args:
            ideal: made from `project`; its manifests are changed.

        Returns:
            the new bytes of each package.json that changes, by location. Without `Saving.save` they are not for the
            disk, but say what the tree was made from.

        Raises:
            InvalidSpecError: a spec cannot be read.
        """
        if not self.saving.save:
            return {location: msgspec.json.encode(self.edits[location].document) for location in self.project.explicit}
        changed = {**dict.fromkeys(self.project.explicit)} if self.edits else {}
        for edge, save_type in self._saved_edges(ideal):
            if edge.target is not None:
                self._save(edge, edge.target, save_type, ideal)
                changed[edge.origin.location] = None
        for key in self.dropped_patches(ideal) if "" in self.edits else ():
            self.edits[""].drop_patches([key])
        files = {}
        documents = self._in_npms_words()
        for location in changed:
            node = ideal.nodes().get(location)
            if node is not None:
                _renew(node, documents[location], ideal)
            data = self.edits[location].written()
            if data is not None:
                files[location] = data
        return files

    def dropped_patches(self, ideal: IdealTree) -> tuple[str, ...]:
        """The selectors of ``patchedDependencies`` that go with the removed packages that they were for."""
        if not (self.removed and "" in self.edits and self.project.manifest.get(PATCHED_DEPENDENCIES)):
            return ()
        patched = select_patches(read_selectors(self.project.manifest[PATCHED_DEPENDENCIES]), ideal.patchable())
        return tuple(one.key for one in patched.unused if one.name in self.removed)

    def _in_npms_words(self) -> Mapping[str, Mapping[str, Any]]:
        """All package.json files as they are now, the specs that only this project understands replaced."""
        project = _edited(self.project, self.edits, {}).spelled_out()
        return {"": project.manifest, **project.workspaces}

    def _saved_edges(self, ideal: IdealTree) -> Iterator[tuple[Edge, SaveType | None]]:
        nodes = ideal.nodes()
        for location, names in self.added.items():
            for name in names:
                edge = nodes[location].edges_out.get(name_key(name)) if location in nodes else None
                if edge is not None:
                    yield edge, self.saving.save_type
        if self.updated is None or self.updated:
            for location in self.edits:
                for edge in nodes[location].edges_out.values() if location in nodes else ():
                    if self._is_updated(edge):
                        yield edge, None

    def _is_updated(self, edge: Edge) -> bool:
        """Whether an update changes the spec: not of what lies deeper, nor where somebody wants just this version."""
        found = edge.target
        if found is None or found.up is None or not found.up.is_project:
            return False
        if self.updated is not None and found.name not in self.updated:
            return False
        return not any(_is_exact(one.spec, found.version) for one in found.edges_in)

    def _save(self, edge: Edge, node: Node, save_type: SaveType | None, ideal: IdealTree) -> None:
        location = edge.origin.location
        if self.edits[location].spec_of(edge.name).startswith(_OF_THE_PROJECT):
            # such a spec says more than a range, and it was not this command that gave it a meaning
            return
        is_workspace = edge.dependency.kind is Kind.WORKSPACE
        saved = spec_to_save(
            edge.name,
            edge.spec,
            FoundPackage(node.package.name, node.version, is_workspace=is_workspace),
            absolute(ideal.tree.project_folder, location),
            prefix=self.saving.prefix,
            home=self.saving.home,
        )
        self.edits[location].save_spec(edge.name, saved.text, save_type, is_local=saved.is_local)


# -- the commands ------------------------------------------------------------------------------------------------


def kept(project: Project, saving: Saving) -> Change:
    """``install`` and ``prune``: the tree that the package.json files ask for, and no more."""
    return Change(project, saves_lock=saving.save)


def added(
    project: Project, edits: Mapping[str, ManifestEdit], additions: Mapping[str, Sequence[Addition]], saving: Saving
) -> Change:
    """``add``: depend on something new, or on another version.

    Args:
        project: as it is on the disk.
        edits: of the package.json files that get the additions, by location.
        additions: by location.
        saving: how they are saved.
    """
    for location, edit in edits.items():
        edit.add(additions[location], saving.save_type, bundled=saving.bundled)
    names = {location: tuple(one.name for one in additions[location]) for location in edits}
    explicit = {location: frozenset(some) for location, some in names.items()}
    return Change(_edited(project, edits, explicit), edits, saving, added=names, saves_lock=saving.save)


def removed(project: Project, edits: Mapping[str, ManifestEdit], names: Sequence[str], saving: Saving) -> Change:
    """``remove``: depend on these names no longer; see `added`.

    Raises:
        InvalidSpecError: nothing depends on one of them, and it is no name.
    """
    in_vain = [name for name in names if not any(edit.asks_for(name) for edit in edits.values())]
    check_names(in_vain, NAMES_TO_REMOVE)
    for edit in edits.values():
        edit.remove(names)
    explicit: dict[str, frozenset[str]] = dict.fromkeys(edits, frozenset())
    edited = _edited(project, edits, explicit)
    return Change(edited, edits, saving, removed=frozenset(names), in_vain=in_vain, saves_lock=saving.save)


def updated(project: Project, edits: Mapping[str, ManifestEdit], names: Sequence[str], saving: Saving) -> Change:
    """``update``: the newest versions that the package.json files allow, of these names or of everything.

    Args:
        project: as it is on the disk.
        edits: of all package.json files of the project.
        names: of packages, wherever they are; empty for all.
        saving: unless it says so on purpose, an update does not change package.json.

    Raises:
        InvalidSpecError: a name is none.
    """
    check_names(names, NAMES_TO_UPDATE)
    if not names:
        without_lock = msgspec.structs.replace(project, locked=None, update_all=project.locked is not None)
        return Change(without_lock, edits, saving, updated=None)
    wanted = frozenset(names)
    # without a lock nobody knows yet what will be in the tree
    there = wanted if project.locked is None else {name_from_folder(folder) for folder in project.locked if folder}
    in_vain = [name for name in names if name not in there and not any(edit.asks_for(name) for edit in edits.values())]
    return Change(project, edits, saving, updated=wanted, updates=wanted, in_vain=in_vain)


def told_in_vain(names: Iterable[str], where: str) -> list[str]:
    """A line of warning for each name that there is nothing to be done about."""
    return [f"nothing {where} is called {shown(name)}" for name in names]


def check_names(names: Iterable[str], hint: str) -> None:
    """Refuse what is no package's name.

    Raises:
        InvalidSpecError: a name is none; with this hint.
    """
    for name in names:
        if not is_valid_name(name):
            raise InvalidSpecError(f"{shown(name)} is no package's name", hint=hint)


def deduped(project: Project) -> Change:
    """``dedupe``: fewer copies of what is in the tree several times; package.json stays as it is."""
    folders = (location or project.folder for location in project.locked or ())
    counts = Counter(name_from_folder(folder) for folder in folders)
    names = frozenset(name for name, count in counts.items() if count > 1)
    # npm's dedupe does not save, unless there is something to update
    return Change(project, updates=names, prefer_dedupe=True, saves_lock=bool(names))


# -- parts -------------------------------------------------------------------------------------------------------


def _edited(project: Project, edits: Mapping[str, ManifestEdit], explicit: Mapping[str, frozenset[str]]) -> Project:
    workspaces = {
        location: with_bins_of(edits[location].document, manifest) if location in edits else manifest
        for location, manifest in project.workspaces.items()
    }
    root = with_bins_of(edits[""].document, project.manifest) if "" in edits else project.manifest
    return msgspec.structs.replace(project, manifest=root, workspaces=workspaces, explicit=explicit)


def _renew(node: Node, document: Mapping[str, Any], ideal: IdealTree) -> None:
    before = {"bin": node.package.manifest.bin}
    node.package = package_from_json(with_bins_of(document, before), node.package.pool)
    for link in node.links_in:
        link.package = node.package
    ideal.tree.reload_edges(node)


def _is_exact(spec: str, version: str) -> bool:
    try:
        return subset(spec, version, loose=False)
    except InvalidSpecError:
        return False
