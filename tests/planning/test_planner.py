"""From what is wanted and what is there to what is to be done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.entries import make_entry
from support.packages import integrity
from support.trees import wanted_link, wanted_package, wanted_tree
from support.work import counted_work

from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.plan import BinLinks, FolderLink
from pmpipe.planning.planner import Means, Planner, Wanted, Work, modules_folder_of
from pmpipe.settings.config import Config
from pmpipe.store import Store
from pmpipe.tree.installed import Installed, Standing
from pmpipe.tree.transaction import ModulesFolder
from pmpipe.tree.wanted import WantedBins, WantedPackage, WantedTree
from stages.entries.entry import entry_path

SRI = {name: integrity(name.encode()) for name in "abcd"}


@dataclass
class Case:
    """A project's node_modules as a planner sees it."""

    project: Path
    store: Store
    fresh: bool = False
    installed: Installed = field(default_factory=lambda: Installed(trusted=True))
    means: dict[str, Any] = field(default_factory=dict)
    repairs: Mapping[PackagePath, tuple[str, ...]] = field(default_factory=dict)

    def has(self, *packages: WantedPackage, **fields: Any) -> None:
        """These packages stand as they are wanted, but for `fields`."""
        for one in packages:
            preset: dict[str, Any] = {
                "name": one.name,
                "version": one.version,
                "integrity": one.integrity,
                "resolved": one.resolved,
                "is_link": one.link_target is not None,
                "in_bundle": one.in_bundle,
            }
            self.installed.packages[one.location] = Standing(**{**preset, **fields})

    def work(self, *packages: WantedPackage, **tree: Any) -> Work:
        return self.work_of(wanted_tree(*packages, **tree))

    def work_of(self, tree: WantedTree) -> Work:
        paths = {"node_modules", *(modules_folder_of(package.location) for package in tree.packages)}
        folders = {f"{self.project}/{path}": ModulesFolder(f"{self.project}/{path}", self.fresh) for path in paths}
        config = Config.load({"registry": "https://registry.example/"}, {"HOME": "/nonexistent"}, "/nonexistent")
        means = Means(self.store, config.registries, "hardlink", **self.means)
        wanted = Wanted(str(self.project), tree, lambda location: frozenset((location,)), str)
        return Planner(wanted, means, means.package_list(wanted.project), folders, self.installed, self.repairs).make()

    def relative(self, path: str) -> str:
        return os.path.relpath(path, self.project)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "app", Store(f"{tmp_path}/store"))


A = wanted_package("node_modules/a", integrity=SRI["a"])
B = wanted_package("node_modules/b", integrity=SRI["b"])
A_IN_B = wanted_package("node_modules/b/node_modules/a", integrity=SRI["a"])
SCRIPTED = wanted_package("node_modules/c", integrity=SRI["c"], has_install_script=True)
BUNDLED = wanted_package("node_modules/b/node_modules/d", in_bundle=True)
LINK = wanted_link("node_modules/x", "packages/x")
BINS = (WantedBins(A.location, "node_modules/.bin", (("a", "cli.js"),), A.location),)


def locations(work: Work) -> list[str]:
    return [placement.location for placement in work.plan.placements]


def exchanged(case: Case, work: Work) -> dict[str, bool]:
    """What is exchanged -> whether something takes its place."""
    return {
        case.relative(exchange.destination): bool(exchange.staged)
        for exchanges in work.exchanges.values()
        for exchange in exchanges
    }


# -- fresh --------------------------------------------------------------------------------------------------------


def test_in_a_fresh_folder_everything_is_placed_where_it_belongs(case: Case) -> None:
    case.fresh = True
    work = case.work(A, B, A_IN_B)
    assert {case.relative(one.destination) for one in work.plan.placements} == {
        "node_modules/a",
        "node_modules/b",
        "node_modules/b/node_modules/a",
    }
    assert [one.parent for one in work.plan.placements] == [None, None, 1]
    assert work.exchanges == {}


def test_one_tarball_is_one_package_however_many_places_want_it(case: Case) -> None:
    case.fresh = True
    work = case.work(A, B, A_IN_B)
    assert [one.label for one in work.plan.packages] == ["a@1.0.0", "b@1.0.0"]
    assert [one.package for one in work.plan.placements] == [0, 1, 0]


def test_without_digests_the_address_tells_packages_apart(case: Case) -> None:
    case.fresh = True
    same = [wanted_package(f"node_modules/{place}", name="a", resolved="https://registry.example/a") for place in "xy"]
    other = wanted_package("node_modules/z", name="a", resolved="https://registry.example/other")
    assert [one.package for one in case.work(*same, other).plan.placements] == [0, 0, 1]


def test_what_the_store_has_is_not_fetched(case: Case) -> None:
    case.fresh = True
    make_entry(Path(entry_path(case.store.folder, SRI["a"])), {"index.js": b"a"})
    stored, lacking = case.work(A, B).plan.packages
    assert (stored.stored, stored.entry) == (True, entry_path(case.store.folder, SRI["a"]))
    assert (lacking.stored, lacking.entry) == (False, "")


def test_an_entry_that_is_damaged_is_as_good_as_none(case: Case) -> None:
    case.fresh = True
    entry = make_entry(Path(entry_path(case.store.folder, SRI["a"])), {"index.js": b"a"})
    case.means["damaged"] = frozenset({entry})
    (package,) = case.work(A).plan.packages
    assert (package.stored, package.damaged) == (False, True)


def test_packages_with_scripts_are_copied(case: Case) -> None:
    case.fresh = True
    assert [one.method for one in case.work(A, SCRIPTED).plan.placements] == ["hardlink", "copy"]


def test_bundled_packages_come_with_the_one_around_them(case: Case) -> None:
    case.fresh = True
    assert locations(case.work(B, BUNDLED)) == ["node_modules/b"]


def test_links_are_made_with_everything_else_in_fresh_folders(case: Case) -> None:
    case.fresh = True
    work = case.work(A, LINK, bins=BINS)
    folder_link, bin_links = work.plan.links
    assert isinstance(folder_link, FolderLink)
    assert isinstance(bin_links, BinLinks)
    assert case.relative(folder_link.target) == "packages/x"
    assert bin_links.after == 0
    assert work.late_links == []


def test_executables_may_be_unwanted(case: Case) -> None:
    case.fresh = True
    case.means["with_bins"] = False
    assert case.work(A, bins=BINS).plan.links == []


def test_nothing_wanted_is_nothing_to_do(case: Case) -> None:
    case.fresh = True
    assert case.work().is_nothing()


# -- patch --------------------------------------------------------------------------------------------------------


def test_what_stands_stays(case: Case) -> None:
    case.has(A, B, A_IN_B, BUNDLED)
    work = case.work(A, B, A_IN_B, BUNDLED)
    assert work.is_nothing()
    assert work.kept == 3


@pytest.mark.parametrize(
    "fields", [{"version": "0.9.0"}, {"integrity": SRI["d"]}, {"name": "other"}], ids=lambda fields: next(iter(fields))
)
def test_another_version_digest_or_name_is_replaced(case: Case, fields: dict[str, str]) -> None:
    case.has(A, **fields)
    case.has(B)
    work = case.work(A, B)
    assert exchanged(case, work) == {"node_modules/a": True}
    assert "/.pmpipe-new/" in work.plan.placements[0].destination


def test_a_digest_that_became_known_changes_nothing(case: Case) -> None:
    case.has(A, integrity="")
    assert case.work(A).is_nothing()


def test_another_commit_of_the_same_version_is_replaced(case: Case) -> None:
    commits = [f"git+https://git.example/x.git#{digit * 40}" for digit in "12"]
    wanted = wanted_package("node_modules/g", resolved=commits[1])
    case.has(wanted, resolved=commits[0])
    assert exchanged(case, case.work(wanted)) == {"node_modules/g": True}


def test_a_package_is_replaced_with_all_that_lies_in_it(case: Case) -> None:
    case.has(A, A_IN_B)
    case.has(B, version="0.9.0")
    work = case.work(A, B, A_IN_B)
    assert exchanged(case, work) == {"node_modules/b": True}
    assert locations(work) == ["node_modules/b", "node_modules/b/node_modules/a"]
    first, second = (one.destination for one in work.plan.placements)
    assert second == f"{first}/node_modules/a"


def test_a_bundled_package_that_is_missing_has_the_one_around_it_replaced(case: Case) -> None:
    case.has(A, B)
    assert exchanged(case, case.work(A, B, BUNDLED)) == {"node_modules/b": True}


def test_what_is_not_wanted_any_more_goes(case: Case) -> None:
    case.has(A, B, A_IN_B, LINK)
    work = case.work(A)
    assert exchanged(case, work) == {"node_modules/b": False, "node_modules/x": False}


def test_a_package_counts_as_removed_also_where_it_goes_with_the_one_around_it(case: Case) -> None:
    case.has(A, B, A_IN_B, LINK)
    assert case.work(A).removed == ["node_modules/b", "node_modules/b/node_modules/a", "node_modules/x"]


def test_a_package_counts_as_removed_where_the_one_around_it_is_replaced(case: Case) -> None:
    case.has(A, A_IN_B)
    case.has(B, version="0.9.0")
    work = case.work(A, B)
    assert exchanged(case, work) == {"node_modules/b": True}
    assert work.removed == ["node_modules/b/node_modules/a"]


def test_what_nothing_lists_goes(case: Case) -> None:
    case.has(A)
    case.installed.extraneous.append(f"{case.project}/node_modules/stray")
    assert exchanged(case, case.work(A)) == {"node_modules/stray": False}


def test_a_link_in_the_place_of_a_scope_goes_for_the_packages_that_come_there_and_not_after_them(case: Case) -> None:
    scoped = wanted_package("node_modules/@s/c", integrity=SRI["c"])
    case.installed.extraneous.append(f"{case.project}/node_modules/@s")
    assert exchanged(case, case.work(scoped)) == {"node_modules/@s/c": True}


def test_a_bundled_package_that_the_lock_does_not_list_stays(case: Case) -> None:
    case.has(B, BUNDLED)
    assert case.work(B).is_nothing()


def test_a_link_that_leads_where_it_should_stays(case: Case) -> None:
    (case.project / "node_modules").mkdir(parents=True)
    (case.project / "node_modules/x").symlink_to("../packages/x")
    case.has(LINK)
    work = case.work(LINK)
    assert work.is_nothing()
    # a link that is made is not counted among the packages that are placed, either
    assert work.kept == 0


@pytest.mark.parametrize("text", ["../packages/y", None])
def test_a_link_that_leads_elsewhere_is_made_anew(case: Case, text: str | None) -> None:
    (case.project / "node_modules").mkdir(parents=True)
    if text:
        (case.project / "node_modules/x").symlink_to(text)
    case.has(LINK)
    work = case.work(LINK)
    assert [type(link) for link in work.late_links] == [FolderLink]
    assert work.plan.links == []


def test_executables_are_linked_anew_with_their_package(case: Case) -> None:
    case.has(A, version="0.9.0")
    (link,) = case.work(A, bins=BINS).late_links
    assert isinstance(link, BinLinks)
    assert link.package == f"{case.project}/node_modules/a"


def test_executables_of_a_changed_folder_are_linked_anew(case: Case) -> None:
    case.has(A)
    (case.project / "node_modules/.bin").mkdir(parents=True)
    (case.project / "node_modules/.bin/a").symlink_to("../a/cli.js")
    assert case.work(A, bins=BINS).is_nothing()
    case.installed.changed_bins.add(f"{case.project}/node_modules/.bin")
    assert len(case.work(A, bins=BINS).late_links) == 1


def test_executables_whose_name_another_package_leaves_behind_are_linked(case: Case) -> None:
    (case.project / "node_modules/.bin").mkdir(parents=True)
    (case.project / "node_modules/.bin/a").symlink_to("../b/cli.js")
    case.has(A, B)
    (link,) = case.work(A, bins=BINS).late_links
    assert isinstance(link, BinLinks)
    assert link.package == f"{case.project}/node_modules/a"


def test_single_files_are_restored_in_lots(case: Case) -> None:
    case.has(A)
    case.repairs = {A.location: tuple(f"file{number}" for number in range(40))}
    work = case.work(A)
    assert [len(one.only) for one in work.plan.placements] == [16, 16, 8]
    assert {case.relative(one.destination) for one in work.plan.placements} == {"node_modules/a"}
    assert work.exchanges == {}


def test_the_journal_names_what_changes(case: Case) -> None:
    case.has(A, version="0.9.0")
    case.has(B)
    work = case.work(A)
    folder = ModulesFolder(f"{case.project}/node_modules", fresh=False)
    assert sorted(work.changed(folder, str(case.project))) == ["node_modules/a", "node_modules/b"]


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("node_modules/a", "node_modules"),
        ("node_modules/a/node_modules/b", "node_modules"),
        ("packages/x/node_modules/@s/b/node_modules/c", "packages/x/node_modules"),
    ],
)
def test_the_topmost_modules_folder_is_the_one_that_changes(path: str, folder: str) -> None:
    assert modules_folder_of(path) == folder


def test_executables_without_number_are_linked_in_several_jobs() -> None:
    from pmpipe.planning.planner import _lots

    bins = tuple((f"tool-{number}", f"bin/tool-{number}.js") for number in range(5000))
    lots = list(_lots(bins))
    assert len(lots) > 1
    assert tuple(pair for lot in lots for pair in lot) == bins


def test_what_is_removed_is_planned_with_the_same_work_for_each(case: Case) -> None:
    def calls(count: int) -> int:
        names = [f"{number:04}" for number in range(count)]
        gone = [wanted_package(f"node_modules/gone{name}", integrity=SRI["a"]) for name in names]
        inner = [wanted_package(f"{one.location}/node_modules/c", integrity=SRI["c"]) for one in gone]
        new = [wanted_package(f"node_modules/new{name}", integrity=SRI["b"]) for name in names]
        case.installed.packages.clear()
        case.has(*gone, *inner)
        with counted_work() as seen:
            work = case.work(*new)
        assert len(work.removed) == 2 * count
        return seen["call"]

    calls(1)
    assert calls(200) < 2.2 * calls(100)
