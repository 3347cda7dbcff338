"""From what is wanted and what is there to what is to be done.

The wanted tree is a selection of lockfile entries. In a fresh modules folder all of it is placed. In a patched one, a
location is kept if what stands there has the same name, version and integrity; everything else is built beside it, one
*unit* for each topmost location that changes, together with all that lies in its folder, and exchanged at commit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pmpipe.bin_plan import plan_bins
from pmpipe.installed import Installed
from pmpipe.npm.lock_graph import LockGraph
from pmpipe.npm.lockfile import Entry, link_target, package_name
from pmpipe.npm.package_path import PackagePath, is_installed, split_installed
from pmpipe.npm.registry import Registries
from pmpipe.npm.selection import Selection
from pmpipe.plan import FolderLink, Link, Origin, Package, PackageNumber, Placement, PlacementNumber, Plan
from pmpipe.sources import entry_candidates, git_key, label_of, origin_of
from pmpipe.store import Store
from pmpipe.transaction import Exchange, ModulesFolder

#: Files to restore in one job: with the longest paths there are, they still fit in a datagram.
_REPAIR_LOT = 16


@dataclass(slots=True, frozen=True)
class Wanted:
    """The tree that is to stand at the end.

    Attributes:
        project: absolute path of the project.
        graph: the lockfile and the package.json files.
        selection: which entries are to be installed here.
        optional: whether the install can do without a location.
        left_out_with: what is left out together with a location that cannot be had.
    """

    project: str
    graph: LockGraph
    selection: Selection
    optional: Callable[[PackagePath], bool]
    left_out_with: Callable[[str], frozenset[str]]


@dataclass(slots=True, frozen=True)
class Means:
    """What packages are made from.

    Attributes:
        store: where unpacked packages are kept.
        registries: where tarballs are fetched.
        clone_method: ``auto``, ``reflink``, ``hardlink`` or ``copy``.
        damaged: store entries that are known to hold wrong bytes.
        with_bins: executables are linked into ``.bin``.
    """

    store: Store
    registries: Registries
    clone_method: str
    damaged: frozenset[str] = frozenset()
    with_bins: bool = True


@dataclass(slots=True)
class Work:
    """What one run does to a project.

    Attributes:
        plan: for the pipeline; its links too, if every folder is fresh.
        late_links: where a folder is patched, links are made after the commit: a relative link is right only where it
            will stand. Their `after` says whose placement must have come about.
        exchanges: what is put in place or removed at commit, by the modules folder that it lies in.
        kept: how many locations stay as they are.
        removed: locations and paths that go without replacement.
    """

    plan: Plan = field(default_factory=Plan)
    late_links: list[Link] = field(default_factory=list)
    exchanges: dict[str, list[Exchange]] = field(default_factory=dict)
    kept: int = 0
    removed: list[str] = field(default_factory=list)

    def is_nothing(self) -> bool:
        """Everything is as it should be already."""
        return not (self.plan.placements or self.plan.links or self.late_links or self.exchanges)

    def changed(self, folder: ModulesFolder, project: str) -> list[str]:
        """The locations that change in a modules folder, for its journal."""
        return [os.path.relpath(exchange.destination, project) for exchange in self.exchanges.get(folder.path, ())]


@dataclass(slots=True)
class Planner:
    """Makes the plan of one run.

    Args:
        wanted: the tree at the end.
        means: store and registries.
        folders: the project's modules folders by absolute path; whether each is fresh is decided already.
        installed: what stands in the folders that are patched.
        repairs: files to restore in packages that stay, by location; paths within the package.
    """

    wanted: Wanted
    means: Means
    folders: Mapping[str, ModulesFolder]
    installed: Installed
    repairs: Mapping[PackagePath, Sequence[str]] = field(default_factory=dict)
    work: Work = field(default_factory=Work)
    #: store entry, or the origin where it has none, -> the package that was planned for it
    _packages: dict[object, PackageNumber] = field(default_factory=dict)
    #: location -> its placement, all and only those planned so far
    _placed: dict[PackagePath, PlacementNumber] = field(default_factory=dict)
    _links: list[Link] = field(default_factory=list)
    #: location -> what is built for it; all and only the topmost locations that change in patched folders
    _units: dict[PackagePath, Exchange] = field(default_factory=dict)

    def make(self) -> Work:
        """The work. Nothing is written by this.

        Raises:
            LockfileError: an entry does not say where its package is to be had.
            ConfigError: a scope's registry cannot be used.
        """
        entries = self.wanted.graph.lock.entries
        selected = self.wanted.selection.packages
        placeable = [path for path in selected if not entries[path].link and not entries[path].in_bundle]
        replaced = self._replaced(placeable, selected)
        for path in placeable:
            self._plan_location(path, entries[path], replaced)
        for path in selected:
            if entries[path].link:
                self._plan_link(path, entries[path])
        self._plan_removals(frozenset(selected))
        if self.means.with_bins:
            self._links.extend(plan_bins(self.wanted.graph, self.wanted.selection, self.wanted.project, self))
        plan = self.work.plan
        if all(folder.fresh for folder in self.folders.values()):
            plan.links = self._links
        else:
            self.work.late_links = self._links
        plan.origin_of = self._origin_of
        plan.left_out_with = self.wanted.left_out_with
        plan.required_by = lambda location: self.wanted.graph.chain(PackagePath(location))
        return self.work

    def _origin_of(self, location: str) -> Origin:
        path = PackagePath(location)
        return origin_of(path, self.wanted.graph.lock.entries[path], self.means.registries, self.wanted.project)

    # -- what stays -----------------------------------------------------------------------------------------------

    def _replaced(self, placeable: Sequence[PackagePath], selected: Iterable[PackagePath]) -> set[PackagePath]:
        """Locations in patched folders that must be built anew by themselves."""
        entries = self.wanted.graph.lock.entries
        replaced = {path for path in placeable if not self._folder_of(path).fresh and not self._stands(path)}
        for path in selected:
            # a bundled package comes in the tarball of the package it lies in
            if entries[path].in_bundle and not self._folder_of(path).fresh and not self._stands(path):
                replaced.add(self._bundler(path))
        return replaced

    def _stands(self, path: PackagePath) -> bool:
        have = self.installed.entries.get(path)
        if have is None:
            return False
        want = self.wanted.graph.lock.entries[path]
        same_source = have.integrity == want.integrity or not (have.integrity and want.integrity)
        return same_source and have.version == want.version and package_name(path, have) == package_name(path, want)

    def _bundler(self, path: PackagePath) -> PackagePath:
        entries = self.wanted.graph.lock.entries
        while entries[path].in_bundle:
            path = holder_of(path)
        return path

    # -- what comes -----------------------------------------------------------------------------------------------

    def _plan_location(self, path: PackagePath, entry: Entry, replaced: set[PackagePath]) -> None:
        folder = self._folder_of(path)
        destination = f"{self.wanted.project}/{path}"
        parent = self._placed.get(holder_of(path))
        if not folder.fresh:
            unit = self._unit_of(path)
            if unit is None and path not in replaced:
                self.work.kept += 1
                self._plan_repair(path, entry)
                return
            if unit is None:
                self._units[path] = folder.stage(destination)
                self.work.exchanges.setdefault(folder.path, []).append(self._units[path])
                destination = self._units[path].staged
            else:
                destination = self._units[unit].staged + path[len(unit) :]
        self._placed[path] = PlacementNumber(len(self.work.plan.placements))
        self._place(path, entry, destination, parent)

    def _place(
        self,
        path: PackagePath,
        entry: Entry,
        destination: str,
        parent: PlacementNumber | None = None,
        only: tuple[str, ...] = (),
    ) -> None:
        placement = Placement(
            label=label_of(path, entry),
            location=path,
            package=self._package(path, entry),
            destination=destination,
            parent=parent,
            optional=self.wanted.optional(path),
            method="copy" if entry.has_install_script else self.means.clone_method,
            only=only,
        )
        self.work.plan.placements.append(placement)

    def _plan_repair(self, path: PackagePath, entry: Entry) -> None:
        """Restore single files in a package that stays; a long list in lots that fit in a datagram."""
        files = self.repairs.get(path, ())
        for start in range(0, len(files), _REPAIR_LOT):
            lot = tuple(files[start : start + _REPAIR_LOT])
            self._place(path, entry, f"{self.wanted.project}/{path}", only=lot)

    def _unit_of(self, path: PackagePath) -> PackagePath | None:
        """The unit that the location lies in."""
        above = path
        while is_installed(above):
            above = holder_of(above)
            if above in self._units:
                return above
        return None

    def _package(self, path: PackagePath, entry: Entry) -> PackageNumber:
        candidates = entry_candidates(self.means.store.folder, entry)
        # without a digest the address is all that two places can have in common
        identity: object = candidates or (label_of(path, entry), entry.resolved)
        number = self._packages.get(identity)
        if number is None:
            number = PackageNumber(len(self.work.plan.packages))
            self._packages[identity] = number
            usable = [one for one in candidates if one not in self.means.damaged and self.means.store.has(one)]
            self.work.plan.packages.append(
                Package(
                    label=label_of(path, entry),
                    location=path,
                    integrity=entry.integrity or "",
                    entry=usable[0] if usable else "",
                    key=git_key(entry),
                    stored=bool(usable),
                    damaged=not self.means.damaged.isdisjoint(candidates),
                )
            )
        return number

    def _plan_link(self, path: PackagePath, entry: Entry) -> None:
        link = f"{self.wanted.project}/{path}"
        target = os.path.normpath(f"{self.wanted.project}/{link_target(entry)}")
        if not self._folder_of(path).fresh and path in self.installed.entries and _leads_to(link, target):
            self.work.kept += 1
            return
        self._links.append(FolderLink(path, link, target, self._placed.get(holder_of(path))))

    # -- what goes ------------------------------------------------------------------------------------------------

    def _plan_removals(self, selected: frozenset[PackagePath]) -> None:
        gone = [
            path
            for path in self.installed.entries
            if path not in selected and is_installed(path) and not self._is_fresh(path) and not self._in_bundler(path)
        ]
        paths = [f"{self.wanted.project}/{path}" for path in gone] + self.installed.extraneous
        for path in sorted(paths):
            folder = self._folder_at(path)
            if folder is None or folder.fresh or self._goes_anyway(path):
                continue
            self.work.removed.append(os.path.relpath(path, self.wanted.project))
            self.work.exchanges.setdefault(folder.path, []).append(Exchange(path, ""))

    def _in_bundler(self, path: PackagePath) -> bool:
        """A bundled package that the lock does not list: it belongs to the files of the package around it."""
        return self.installed.entries[path].in_bundle

    def _goes_anyway(self, path: str) -> bool:
        """Something around it is exchanged or removed."""
        folder = self._folder_at(path)
        exchanges = self.work.exchanges.get(folder.path, ()) if folder else ()
        return any(path.startswith(f"{exchange.destination}/") for exchange in exchanges)

    # -- executables ----------------------------------------------------------------------------------------------

    def needs_bins(self, path: PackagePath, bin_folder: str) -> bool:
        """Whether a package's links in a ``.bin`` folder must be made: it changes, or the folder did."""
        return path in self._placed or self._is_fresh(path) or bin_folder in self.installed.changed_bins

    def placement_of(self, path: PackagePath) -> PlacementNumber | None:
        """The placement that fills a location, if it is part of this run."""
        return self._placed.get(path)

    # -- modules folders ------------------------------------------------------------------------------------------

    def _is_fresh(self, path: PackagePath) -> bool:
        return self._folder_of(path).fresh

    def _folder_of(self, path: PackagePath) -> ModulesFolder:
        return self.folders[f"{self.wanted.project}/{modules_folder_of(path)}"]

    def _folder_at(self, path: str) -> ModulesFolder | None:
        relative = os.path.relpath(path, self.wanted.project)
        return self.folders.get(f"{self.wanted.project}/{modules_folder_of(relative)}")


def holder_of(path: PackagePath) -> PackagePath:
    """The folder whose node_modules the location lies in."""
    split = split_installed(path)
    assert split is not None, f"{path} is not in a node_modules folder"
    return split[0]


def modules_folder_of(path: str) -> str:
    """The topmost node_modules folder that a location lies in, relative to the project."""
    head, separator, _ = f"/{path}".partition("/node_modules/")
    assert separator, f"{path} lies in no node_modules folder"
    return f"{head}/node_modules".removeprefix("/")


def _leads_to(link: str, target: str) -> bool:
    try:
        return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link))) == target
    except OSError:
        return False
