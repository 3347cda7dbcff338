"""What is believed about a node_modules folder that is already there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.trees import age, wanted_link, wanted_package, wanted_tree

from pmpipe.tree.installed import Installed, Standing, survey, survey_early
from pmpipe.tree.transaction import JOURNAL, Journal, ModulesFolder
from pmpipe.tree.wanted import WantedTree

TREE = wanted_tree(
    wanted_package("node_modules/a", integrity="sha512-a", resolved="https://registry.example/a.tgz"),
    wanted_package("node_modules/a/node_modules/b", in_bundle=True),
    wanted_package("node_modules/@s/c", "2.0.0"),
    wanted_link("node_modules/x", "packages/x"),
    wanted_package("packages/x/node_modules/d"),
    workspaces=("packages/x",),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as an install has left it long ago, without a hidden lockfile."""
    for package in TREE.packages:
        if package.link_target is None:
            folder = tmp_path / package.location
            folder.mkdir(parents=True)
            (folder / "package.json").write_text(json.dumps({"name": package.name, "version": package.version}))
    (tmp_path / "node_modules/x").symlink_to("../packages/x")
    (tmp_path / "node_modules/.bin").mkdir()
    age(tmp_path)
    return tmp_path


@pytest.fixture
def listed(project: Path) -> Path:
    """The same with a hidden lockfile."""
    packages: dict[str, Any] = {}
    for package in TREE.packages:
        if package.link_target is not None:
            packages[package.location] = {"resolved": package.link_target, "link": True}
            continue
        entry = {"version": package.version, "resolved": package.resolved, "integrity": package.integrity}
        packages[package.location] = {key: value for key, value in entry.items() if value}
        if package.in_bundle:
            packages[package.location]["inBundle"] = True
    packages["packages/x"] = {"version": "1.0.0"}
    document = {"name": "app", "lockfileVersion": 3, "requires": True, "packages": packages}
    (project / "node_modules/.package-lock.json").write_text(json.dumps(document))
    age(project)
    return project


def modules_folders(project: Path, *paths: str) -> list[ModulesFolder]:
    return [ModulesFolder(f"{project}/{path}", fresh=False) for path in paths]


def look(project: Path, tree: WantedTree = TREE) -> Installed:
    folders = modules_folders(project, "node_modules", "packages/x/node_modules")
    found = survey(str(project), folders, tree)
    # who looked before it was known what is wanted comes to the same
    assert survey(str(project), folders, tree, survey_early(str(project))) == found
    return found


LOCATIONS = [package.location for package in TREE.packages]


def test_what_the_hidden_lockfile_lists_is_believed(listed: Path) -> None:
    found = look(listed)
    assert found.trusted
    assert list(found.packages) == LOCATIONS
    assert found.packages[LOCATIONS[0]] == Standing("a", "1.0.0", "sha512-a", "https://registry.example/a.tgz")
    assert found.packages[LOCATIONS[1]] == Standing("b", "1.0.0", in_bundle=True)
    assert (found.doubtful, found.extraneous) == (set(), [])


def test_folders_outside_of_node_modules_are_not_packages(listed: Path) -> None:
    assert "packages/x" not in look(listed).packages


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lockfileVersion": 99}'])
def test_a_hidden_lockfile_that_cannot_be_read_is_none(listed: Path, text: str) -> None:
    (listed / "node_modules/.package-lock.json").write_text(text)
    assert not look(listed).trusted


def test_without_a_hidden_lockfile_the_folders_tell(project: Path) -> None:
    found = look(project)
    assert not found.trusted
    assert {path: standing.version for path, standing in found.packages.items()} == {
        "node_modules/a": "1.0.0",
        "node_modules/a/node_modules/b": "1.0.0",
        "node_modules/@s/c": "2.0.0",
        "node_modules/x": "",
        "packages/x/node_modules/d": "1.0.0",
    }
    # nothing says that their files are as they were unpacked
    assert found.doubtful == set(LOCATIONS) - {"node_modules/x"}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"name": 1}'])
def test_a_folder_whose_package_json_says_nothing_is_not_believed(project: Path, text: str) -> None:
    (project / "node_modules/a/package.json").write_text(text)
    assert "node_modules/a" not in look(project).packages


def test_a_folder_that_changed_since_is_doubtful(listed: Path) -> None:
    os.utime(listed / "node_modules/@s/c")
    assert look(listed).doubtful == {"node_modules/@s/c"}


def test_a_link_that_changed_since_is_not_doubtful(listed: Path) -> None:
    os.utime(listed / "node_modules/x", follow_symlinks=False)
    assert look(listed).doubtful == set()


@pytest.mark.parametrize("location", ["node_modules/a", "node_modules/x"])
def test_what_is_gone_is_not_believed(listed: Path, location: str) -> None:
    os.rename(listed / location, listed / "moved")
    assert location not in look(listed).packages


def test_a_link_in_the_place_of_a_folder_is_not_believed(listed: Path) -> None:
    os.rename(listed / "node_modules/a", listed / "moved")
    (listed / "node_modules/a").symlink_to("../moved")
    assert "node_modules/a" not in look(listed).packages


def test_a_folder_in_the_place_of_a_link_is_not_believed(listed: Path) -> None:
    (listed / "node_modules/x").unlink()
    (listed / "node_modules/x").mkdir()
    assert "node_modules/x" not in look(listed).packages


# -- journals -----------------------------------------------------------------------------------------------------


def leave_journal(folder: Path, journal: Journal) -> None:
    folder_state = ModulesFolder(str(folder), fresh=journal.everything)
    folder_state._write_journal(journal)


def test_what_a_journal_names_is_not_believed(listed: Path) -> None:
    leave_journal(listed / "node_modules", Journal(locations=("node_modules/a",)))
    assert set(look(listed).packages) == set(LOCATIONS) - {"node_modules/a"}


def test_nothing_of_a_folder_that_was_being_built_is_believed(listed: Path) -> None:
    leave_journal(listed / "node_modules", Journal(everything=True))
    assert list(look(listed).packages) == ["packages/x/node_modules/d"]


def test_a_torn_journal_stands_for_everything(listed: Path) -> None:
    (listed / "packages/x/node_modules" / JOURNAL).write_text("{")
    assert "packages/x/node_modules/d" not in look(listed).packages
    assert "node_modules/a" in look(listed).packages


def test_what_a_cut_off_run_was_to_remove_is_extraneous(listed: Path) -> None:
    (listed / "node_modules/gone").mkdir()
    (listed.parent / "outside/node_modules/b").mkdir(parents=True)
    age(listed)
    # it may have come with the project
    outside = ("../outside", "../outside/node_modules/b")
    leave_journal(listed / "node_modules", Journal(locations=("node_modules/gone", *outside, "node_modules/a")))
    assert look(listed).extraneous == [f"{listed}/node_modules/gone"]


# -- what nothing lists -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "node_modules/new",
        "node_modules/@s/new",
        "node_modules/@new/one",
        "node_modules/a/node_modules/new",
        "packages/x/node_modules/new",
    ],
)
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_package_that_nothing_lists_is_extraneous(listed: Path, path: str, kind: str) -> None:
    (listed / path).parent.mkdir(exist_ok=True)
    if kind == "folder":
        (listed / path).mkdir()
    else:
        (listed / path).symlink_to("nowhere")
    assert look(listed).extraneous == [f"{listed}/{path}"]


@pytest.mark.parametrize("name", ["odd-\udcff", "@odd-\udcff/x"])
def test_a_folder_whose_name_is_not_utf8_is_no_package(listed: Path, name: str) -> None:
    (listed / "node_modules" / name).mkdir(parents=True)
    assert look(listed).extraneous == []


def test_a_link_that_looks_like_a_scope_is_extraneous(listed: Path) -> None:
    (listed / "node_modules/@new").symlink_to("nowhere")
    assert look(listed).extraneous == [f"{listed}/node_modules/@new"]


@pytest.mark.parametrize("name", [".cache", ".vite", "README", "@s/.hidden"])
def test_dot_folders_and_files_are_no_packages(listed: Path, name: str) -> None:
    path = listed / "node_modules" / name
    if name == "README":
        path.write_text("mine")
    else:
        path.mkdir()
    assert look(listed).extraneous == []


# -- executables --------------------------------------------------------------------------------------------------


def test_executables_that_are_missing_or_newer_have_changed(listed: Path) -> None:
    missing = {f"{listed}/{path}/node_modules/.bin" for path in ("packages/x", "node_modules/a")}
    assert look(listed).changed_bins == missing
    os.utime(listed / "node_modules/.bin")
    assert look(listed).changed_bins == {*missing, f"{listed}/node_modules/.bin"}


def test_what_was_seen_early_counts_as_long_as_it_is_about_the_same(listed: Path) -> None:
    early = survey_early(str(listed))
    assert early is not None
    folders = modules_folders(listed, "node_modules", "packages/x/node_modules")
    assert survey(str(listed), folders, TREE, early) is early.installed
    # another folder has to be looked into, too
    assert survey(str(listed), [*folders, *modules_folders(listed, "other/node_modules")], TREE, early) == look(listed)
    # another run, or npm, has written another one
    hidden = listed / "node_modules/.package-lock.json"
    text = hidden.read_text()
    hidden.unlink()
    hidden.write_text(text.replace("sha512-a", "sha512-z"))
    found = survey(str(listed), folders, TREE, early)
    assert found.packages[LOCATIONS[0]].integrity == "sha512-z"
    hidden.unlink()
    assert not survey(str(listed), folders, TREE, early).trusted


@pytest.mark.parametrize("change", ["newer folder", "missing folder", "journal", "no hidden lockfile"])
def test_what_is_not_as_it_was_left_has_to_be_looked_at_later(listed: Path, change: str) -> None:
    folder = listed / "node_modules/a"
    if change == "newer folder":
        (folder / "new").touch()
    elif change == "missing folder":
        shutil.rmtree(folder)
    elif change == "journal":
        (listed / "node_modules" / JOURNAL).write_bytes(msgspec.json.encode(Journal(["node_modules/a"])))
    else:
        (listed / "node_modules/.package-lock.json").unlink()
    assert survey_early(str(listed)) is None
