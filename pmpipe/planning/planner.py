"""From what is wanted and what is there to what is to be done.

The wanted tree is a selection of lockfile entries. In a fresh modules folder all of it is placed. In a patched one, a
location is kept if what stands there has the same name, version and integrity; everything else is built beside it, one
*unit* for each topmost location that changes, together with all that lies in its folder, and exchanged at commit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from pmpipe.npm.locks.package_path import PackagePath, is_installed
from pmpipe.npm.packages.registry import Registries
from pmpipe.plan import BinLinks, FolderLink, Link, Origin, Placement, PlacementNumber, Plan
from pmpipe.planning.bin_folder import bin_folder_beside, leads_to, links_to_packages
from pmpipe.planning.emptied import with_emptied_folders
from pmpipe.planning.package_list import PackageList
from pmpipe.project.patches import patched_names
from pmpipe.store import Store
from pmpipe.tree.installed import Installed
from pmpipe.tree.sources import origin_of
from pmpipe.tree.transaction import Exchange, ModulesFolder
from pmpipe.tree.wanted import WantedBins, WantedPackage, WantedTree, holder_of
from stages.messages import Preparation

#: Files to restore in one job: with the longest paths there are, they still fit in a datagram.
_REPAIR_LOT = 16

#: Names and targets of executables in one job; one pair alone is far below the datagram's 128 KiB.
_BIN_LOT_BYTES = 32 << 10

#: Locations that are planned between two pauses: two milliseconds' worth.
_LOCATIONS_PER_TURN = 256


class Wanted(msgspec.Struct, frozen=True):
    """The tree that is to stand at the end, in one project.

    Attributes:
        project: absolute path of the project.
        tree: what is to stand there.
        left_out_with: what is left out together with a location that cannot be had.
        required_by: the chain of packages that asks for a location, for messages.
    """

    project: str
    tree: WantedTree
    left_out_with: Callable[[str], frozenset[str]]
    required_by: Callable[[str], str]


class Means(msgspec.Struct, frozen=True):
    """What packages are made from.

    Attributes:
        store: where unpacked packages are kept.
        registries: where tarballs are fetched.
        clone_method: ``auto``, ``reflink``, ``hardlink`` or ``copy``.
        damaged: store entries that are known to hold wrong bytes.
        with_bins: executables are linked into ``.bin``.
        preparation: how packages that come from git and may prepare themselves do so.
    """

    store: Store
    registries: Registries
    clone_method: str
    damaged: frozenset[str] = frozenset()
    with_bins: bool = True
    preparation: Preparation | None = None

    def package_list(self, project: str) -> PackageList:
        """An empty list of packages that are made from these, for the project at an absolute path."""
        return PackageList(project, self.store, self.registries, self.damaged)


class Work(msgspec.Struct):
    """What one run does to a project.

    Attributes:
        plan: for the pipeline; its links too, if every folder is fresh.
        late_links: where a folder is patched, links are made after the commit: a relative link is right only where it
            will stand. Their `after` says whose placement must have come about.
        exchanges: what is put in place or removed at commit, by the modules folder that it lies in.
        kept: how many packages stay as they are; links are not counted, as among those that are placed.
        removed: locations and paths that go without replacement, also those of packages that lie in another one.
    """

    plan: Plan = msgspec.field(default_factory=Plan)
    late_links: list[Link] = msgspec.field(default_factory=list)
    exchanges: dict[str, list[Exchange]] = msgspec.field(default_factory=dict)
    kept: int = 0
    removed: list[str] = msgspec.field(default_factory=list)

    def is_nothing(self) -> bool:
        """Everything is as it should be already."""
        return not (self.plan.placements or self.plan.links or self.late_links or self.exchanges)

    def changed(self, folder: ModulesFolder, project: str) -> list[str]:
        """The locations that change in a modules folder, for its journal."""
        base = os.path.relpath(folder.path, project)
        built = [exchange.destination for exchange in self.exchanges.get(folder.path, ()) if exchange.staged]
        gone = [path for path in self.removed if modules_folder_of(path) == base]
        return [*(os.path.relpath(path, project) for path in built), *gone]


class Planner(msgspec.Struct):
    """Makes the plan of one run.

    Args:
        wanted: the tree at the end.
        means: store and registries.
        packages: those of a run that has begun before its plan, else none; the plan's are added.
        folders: the project's modules folders by absolute path; whether each is fresh is decided already.
        installed: what stands in the folders that are patched.
        repairs: files to restore in packages that stay, by location; paths within the package.
        pause: called every few milliseconds, for whatever else is going on.
    """

    wanted: Wanted
    means: Means
    packages: PackageList
    folders: Mapping[str, ModulesFolder]
    installed: Installed
    repairs: Mapping[PackagePath, Sequence[str]] = msgspec.field(default_factory=dict)
    pause: Callable[[], None] | None = None
    work: Work = msgspec.field(default_factory=Work)
    _packages_at: dict[PackagePath, WantedPackage] = msgspec.field(default_factory=dict)
    #: names of packages that the project patches
    _patched: frozenset[str] = frozenset()
    #: location -> its placement, all and only those planned so far
    _placed: dict[PackagePath, PlacementNumber] = msgspec.field(default_factory=dict)
    #: locations whose links are made anew
    _linked: set[PackagePath] = msgspec.field(default_factory=set)
    _links: list[Link] = msgspec.field(default_factory=list)
    #: location -> what is built for it; all and only the topmost locations that change in patched folders
    _units: dict[PackagePath, Exchange] = msgspec.field(default_factory=dict)
    #: absolute paths of what is exchanged or removed
    _going: set[str] = msgspec.field(default_factory=set)

    def make(self) -> Work:
        """The work. Nothing is written by this.

        Raises:
            LockfileError: an entry does not say where its package is to be had.
            ConfigError: a scope's registry cannot be used.
        """
        packages = self.wanted.tree.packages
        self._packages_at = {package.location: package for package in packages}
        self._patched = patched_names(self.wanted.project)
        replaced = self._replaced()
        for number, package in enumerate(packages):
            if package.link_target is None and not package.in_bundle:
                self._plan_location(package, replaced)
            if self.pause is not None and number % _LOCATIONS_PER_TURN == 0:
                self.pause()
        # before the executables: those of a linked folder are linked through its link, and the stage keeps the order
        for package in packages:
            if package.link_target is not None:
                self._plan_link(package, package.link_target)
        self._plan_removals()
        if self.means.with_bins:
            for bins in self.wanted.tree.bins:
                self._plan_bins(bins)
            self._plan_stale_bins()
        self._plan_emptied_folders()
        plan = self.work.plan
        plan.packages = self.packages.packages
        plan.preparation = self.means.preparation
        if self._is_all_fresh():
            plan.links = self._links
        else:
            self.work.late_links = self._links
        plan.origin_of = self._origin_of
        plan.left_out_with = self.wanted.left_out_with
        plan.required_by = self.wanted.required_by
        return self.work

    def _origin_of(self, location: str) -> Origin:
        return origin_of(self._packages_at[PackagePath(location)], self.means.registries, self.wanted.project)

    # -- what stays -----------------------------------------------------------------------------------------------

    def _replaced(self) -> set[PackagePath]:
        """Locations in patched folders that must be built anew by themselves."""
        replaced: set[PackagePath] = set()
        if self._is_all_fresh():
            return replaced
        installed = self.installed
        for package in self.wanted.tree.packages:
            if package.link_target is None and not self._is_fresh(package.location) and not stands(package, installed):
                # a bundled package comes in the tarball of the package it lies in
                replaced.add(self._bundler(package).location)
        return replaced

    def _bundler(self, package: WantedPackage) -> WantedPackage:
        while package.in_bundle:
            package = self._packages_at[package.holder]
        return package

    # -- what comes -----------------------------------------------------------------------------------------------

    def _plan_location(self, package: WantedPackage, replaced: set[PackagePath]) -> None:
        path = package.location
        folder = self._folder_of(path)
        destination = f"{self.wanted.project}/{path}"
        if not folder.fresh:
            unit = self._unit_of(path)
            if unit is None and path not in replaced:
                self.work.kept += 1
                self._plan_repair(package)
                return
            if unit is None:
                self._units[path] = folder.stage(destination)
                self._exchange(folder, self._units[path])
                destination = self._units[path].staged
            else:
                destination = self._units[unit].staged + path[len(unit) :]
        parent = self._placed_around(package)
        self._placed[path] = PlacementNumber(len(self.work.plan.placements))
        self._place(package, destination, parent)

    def _placed_around(self, package: WantedPackage) -> PlacementNumber | None:
        """The placement whose tarball brings the folder that a package lies in; it must not come after the package."""
        holder = self._packages_at.get(package.holder)
        return self._placed.get(self._bundler(holder).location) if holder is not None else None

    def _place(
        self, package: WantedPackage, destination: str, parent: PlacementNumber | None, only: tuple[str, ...] = ()
    ) -> None:
        placement = Placement(
            label=package.label,
            location=package.location,
            package=self.packages.number_of(package),
            destination=destination,
            parent=parent,
            optional=package.optional,
            # so that neither a script nor a patch is written into the store
            method="copy" if package.has_install_script or self._is_patched(package) else self.means.clone_method,
            only=only,
        )
        self.work.plan.placements.append(placement)

    def _is_patched(self, package: WantedPackage) -> bool:
        return bool(self._patched) and package.location.rpartition("node_modules/")[2] in self._patched

    def _plan_repair(self, package: WantedPackage) -> None:
        """Restore single files in a package that stays; a long list in lots that fit in a datagram."""
        files = self.repairs.get(package.location, ())
        for start in range(0, len(files), _REPAIR_LOT):
            lot = tuple(files[start : start + _REPAIR_LOT])
            self._place(package, f"{self.wanted.project}/{package.location}", None, lot)

    def _unit_of(self, path: PackagePath) -> PackagePath | None:
        """The unit that the location lies in."""
        above = path
        while is_installed(above):
            above = holder_of(above)
            if above in self._units:
                return above
        return None

    def _plan_link(self, package: WantedPackage, link_target: str) -> None:
        path = package.location
        link = f"{self.wanted.project}/{path}"
        target = os.path.normpath(f"{self.wanted.project}/{link_target}")
        if not self._is_fresh(path) and path in self.installed.packages and leads_to(link, target):
            return
        self._linked.add(path)
        self._links.append(FolderLink(path, link, target, self._placed_around(package)))

    # -- what goes ------------------------------------------------------------------------------------------------

    def _plan_removals(self) -> None:
        gone = [
            f"{self.wanted.project}/{path}"
            for path, have in self.installed.packages.items()
            # a bundled package that the lock does not list belongs to the files of the package around it
            if path not in self._packages_at and not have.in_bundle and not self._is_fresh(path)
        ]
        # a wanted package that nothing lists yet (its run was killed) is exchanged already, or linked
        unlisted = [path for path in self.installed.extraneous if self._relative(path) not in self._packages_at]
        around_units = {path for unit in self._units.values() for path in _folders_around(unit.destination)}
        for path in sorted([*gone, *unlisted]):
            folder = self._folder_at(path)
            if folder is None or folder.fresh:
                continue
            if self._goes_anyway(path):
                if self._relative(path) in self.installed.packages:
                    self.work.removed.append(self._relative(path))
                continue
            if path in around_units:
                continue  # no folder: the one that takes its place is wanted
            self.work.removed.append(self._relative(path))
            self._exchange(folder, Exchange(path, ""))

    def _goes_anyway(self, path: str) -> bool:
        """Something around it is exchanged or removed."""
        return any(around in self._going for around in _folders_around(path))

    def _exchange(self, folder: ModulesFolder, exchange: Exchange) -> None:
        self.work.exchanges.setdefault(folder.path, []).append(exchange)
        self._going.add(exchange.destination)

    # -- executables ----------------------------------------------------------------------------------------------

    def _plan_bins(self, bins: WantedBins) -> None:
        """Link a location's executables where it changes, the ``.bin`` folder has changed, or a link is lost.

        Some are lost with a package that had their name until now, a linked folder may have got new ones, and what was
        removed right after the last install shows in no folder's time.
        """
        bin_folder = f"{self.wanted.project}/{bins.bin_folder}"
        changes = bins.location in self._placed or bins.location in self._linked or self._is_fresh(bins.location)
        package = f"{self.wanted.project}/{bins.location}"
        links = ((f"{bin_folder}/{name}", os.path.normpath(f"{package}/{target}")) for name, target in bins.bins)
        if (
            changes
            or bin_folder in self.installed.changed_bins
            or not all(leads_to(link, target) for link, target in links)
        ):
            after = self._placed.get(bins.filled_by) if bins.filled_by is not None else None
            self._links += bin_links(bins, self.wanted.project, after)

    def _plan_stale_bins(self) -> None:
        """Remove executables that no package has any more from every ``.bin`` folder beside which something changes."""
        changes = [exchange.destination for exchanges in self.work.exchanges.values() for exchange in exchanges]
        project = self.wanted.project
        chosen = {f"{project}/{bins.bin_folder}/{name}" for bins in self.wanted.tree.bins for name, _ in bins.bins}
        for bin_folder in sorted(self.installed.changed_bins.union(map(bin_folder_beside, changes))):
            folder = self._folder_at(bin_folder)
            if folder is None or folder.fresh or self._goes_anyway(bin_folder):
                continue
            for link in links_to_packages(bin_folder):
                if link not in chosen:
                    self._exchange(folder, Exchange(link, ""))

    def _plan_emptied_folders(self) -> None:
        for folder, exchanges in self.work.exchanges.items():
            removals = [exchange.destination for exchange in exchanges if not exchange.staged]
            if removals:
                emptied = with_emptied_folders(removals, self._filled_folders().__contains__)
                built = [exchange for exchange in exchanges if exchange.staged]
                self.work.exchanges[folder] = [*built, *(Exchange(path, "") for path in emptied)]

    def _filled_folders(self) -> set[str]:
        """Absolute paths of all folders that something wanted lies in, and of the modules folders."""
        tree = self.wanted.tree
        filled = set(self.folders)
        waiting = [*(package.location for package in tree.packages), *(f"{bins.bin_folder}/" for bins in tree.bins)]
        for path in waiting:
            for folder in _folders_around(f"{self.wanted.project}/{path}"):
                if folder in filled:
                    break
                filled.add(folder)
        return filled

    # -- modules folders ------------------------------------------------------------------------------------------

    def _is_all_fresh(self) -> bool:
        return all(folder.fresh for folder in self.folders.values())

    def _is_fresh(self, path: PackagePath) -> bool:
        return self._folder_of(path).fresh

    def _folder_of(self, path: PackagePath) -> ModulesFolder:
        return self.folders[f"{self.wanted.project}/{modules_folder_of(path)}"]

    def _folder_at(self, path: str) -> ModulesFolder | None:
        return self.folders.get(f"{self.wanted.project}/{modules_folder_of(self._relative(path))}")

    def _relative(self, path: str) -> PackagePath:
        return PackagePath(os.path.relpath(path, self.wanted.project))


def stands(want: WantedPackage, installed: Installed) -> bool:
    """Whether a package is in place already, in a folder that is patched."""
    have = installed.packages.get(want.location)
    if have is None:
        return False
    if have.integrity or want.integrity:
        same_source = have.integrity == want.integrity or not (have.integrity and want.integrity)
    else:
        # two commits of a git repository often have the same version
        same_source = have.resolved == want.resolved
    if have.patch != (want.patch.integrity if want.patch is not None else "") and not want.in_bundle:
        return False
    return same_source and have.version == want.version and have.name == want.name


def bin_links(bins: WantedBins, project: str, after: PlacementNumber | None = None) -> list[BinLinks]:
    """The links of one location's executables.

    Args:
        bins: see there.
        project: absolute path of the project.
        after: the placement that must be complete first, if it is part of the same plan.
    """
    package, bin_folder = f"{project}/{bins.location}", f"{project}/{bins.bin_folder}"
    return [BinLinks(bins.location, package, bin_folder, lot, after) for lot in _lots(bins.bins)]


def _lots(bins: tuple[tuple[str, str], ...]) -> Iterator[tuple[tuple[str, str], ...]]:
    """The executables in portions that each fit in a datagram: nothing limits how many a package has."""
    start = size = 0
    for position, (name, target) in enumerate(bins):
        # a character has four bytes at most
        size += 4 * (len(name) + len(target))
        if position > start and size > _BIN_LOT_BYTES:
            yield bins[start:position]
            start, size = position, 4 * (len(name) + len(target))
    yield bins[start:]


def modules_folder_of(path: str) -> str:
    """The topmost node_modules folder that a location lies in, relative to the project."""
    if path.startswith("node_modules/"):
        return "node_modules"  # nearly all of them
    head, separator, _ = f"/{path}".partition("/node_modules/")
    assert separator, f"{path} lies in no node_modules folder"
    return f"{head}/node_modules".removeprefix("/")


def _folders_around(path: str) -> Iterator[str]:
    """The folders that an absolute path lies in, the nearest first."""
    while (around := os.path.dirname(path)) != path:
        yield around
        path = around
