"""The comparison of two trees finds every kind of difference, and nothing where there is none."""

import json
import os
import shutil
from pathlib import Path

import pytest
from comparison.difference import Difference, compare, count
from comparison.hidden import compare_hidden
from comparison.installers import Verdict, copy_project
from comparison.report import Comparison
from comparison.snapshot import Kind, take_snapshot


@pytest.fixture
def trees(tmp_path):
    """Two equal trees of which the second may be changed."""
    expected, actual = tmp_path / "expected", tmp_path / "actual"
    package = expected / "node_modules" / "@scope" / "left"
    (package / "lib").mkdir(parents=True)
    (package / "index.js").write_bytes(b"left\n")
    (package / "lib" / "cli.js").write_bytes(b"#!/usr/bin/env node\n")
    (package / "lib" / "cli.js").chmod(0o755)
    (expected / "node_modules" / ".bin").mkdir()
    (expected / "node_modules" / ".bin" / "left").symlink_to("../@scope/left/lib/cli.js")
    shutil.copytree(expected, actual, symlinks=True)
    return expected, actual


PACKAGE = "node_modules/@scope/left"


def findings_of(trees, *, all_modes=False):
    expected, actual = (take_snapshot(str(tree)) for tree in trees)
    return [(one.path, one.difference) for one in compare(expected, actual, all_modes=all_modes)]


def test_finds_nothing_in_equal_trees(trees):
    assert findings_of(trees, all_modes=True) == []


def test_finds_a_missing_file(trees):
    (trees[1] / PACKAGE / "index.js").unlink()
    assert findings_of(trees) == [(f"{PACKAGE}/index.js", "missing")]


def test_finds_an_extra_file_and_an_empty_folder(trees):
    (trees[1] / PACKAGE / "more.js").write_bytes(b"")
    (trees[1] / PACKAGE / "empty").mkdir()
    assert findings_of(trees) == [(f"{PACKAGE}/empty", "extra"), (f"{PACKAGE}/more.js", "extra")]


def test_finds_bytes_that_differ_in_files_of_equal_length(trees):
    (trees[1] / PACKAGE / "index.js").write_bytes(b"lift\n")
    assert findings_of(trees) == [(f"{PACKAGE}/index.js", "bytes")]


@pytest.mark.parametrize("mode", [0o755, 0o744])
def test_finds_an_executable_bit_too_many(trees, mode):
    (trees[1] / PACKAGE / "index.js").chmod(mode)
    assert findings_of(trees) == [(f"{PACKAGE}/index.js", "executable")]


def test_finds_an_executable_bit_too_few(trees):
    (trees[1] / PACKAGE / "lib" / "cli.js").chmod(0o644)
    assert findings_of(trees) == [(f"{PACKAGE}/lib/cli.js", "executable")]


def test_finds_other_permission_bits_only_when_asked(trees):
    (trees[1] / PACKAGE / "index.js").chmod(0o600)
    assert findings_of(trees) == []
    assert findings_of(trees, all_modes=True) == [(f"{PACKAGE}/index.js", "mode")]


def test_finds_permission_bits_of_a_folder_when_asked(trees):
    (trees[1] / PACKAGE).chmod(0o700)
    assert findings_of(trees, all_modes=True) == [(PACKAGE, "mode")]


def test_finds_another_link_target(trees):
    link = trees[1] / "node_modules" / ".bin" / "left"
    link.unlink()
    link.symlink_to("../@scope/left/./lib/cli.js")
    assert findings_of(trees) == [("node_modules/.bin/left", "target")]


def test_finds_a_file_where_a_link_to_the_same_bytes_should_be(trees):
    link = trees[1] / "node_modules" / ".bin" / "left"
    link.unlink()
    link.write_bytes(b"#!/usr/bin/env node\n")
    assert findings_of(trees) == [("node_modules/.bin/left", "type")]


def test_finds_a_link_to_a_folder_where_the_folder_should_be(trees):
    shutil.rmtree(trees[1] / PACKAGE)
    (trees[1] / PACKAGE).symlink_to(trees[0] / PACKAGE)
    assert findings_of(trees) == [
        (PACKAGE, "type"),
        (f"{PACKAGE}/index.js", "missing"),
        (f"{PACKAGE}/lib", "missing"),
        (f"{PACKAGE}/lib/cli.js", "missing"),
    ]


def test_finds_a_pipe_without_opening_it(trees):
    (trees[1] / PACKAGE / "index.js").unlink()
    os.mkfifo(trees[1] / PACKAGE / "index.js")
    assert findings_of(trees) == [(f"{PACKAGE}/index.js", "type")]


def test_names_that_are_not_utf8_are_compared(trees):
    with open(os.fsencode(trees[1] / PACKAGE) + b"/caf\xe9.js", "wb") as file:
        file.write(b"")
    assert findings_of(trees) == [(f"{PACKAGE}/caf\udce9.js", "extra")]


def test_what_is_left_out_is_not_compared(trees):
    (trees[1] / PACKAGE / "index.js").unlink()
    snapshots = [take_snapshot(str(tree), leave_out=lambda path: path == PACKAGE) for tree in trees]
    assert compare(*snapshots, all_modes=True) == []
    assert PACKAGE not in snapshots[0]


def test_every_difference_is_counted(trees):
    (trees[1] / PACKAGE / "index.js").unlink()
    expected, actual = (take_snapshot(str(tree)) for tree in trees)
    counts = count(compare(expected, actual, all_modes=False))
    assert counts == {difference.value: int(difference is Difference.MISSING) for difference in Difference}


# -- hidden lockfiles -------------------------------------------------------------------------------------------------


def write_hidden(folder: Path, text: str) -> None:
    (folder / "node_modules" / ".package-lock.json").write_text(text)


def test_equal_hidden_lockfiles_have_the_same_bytes(trees):
    for tree in trees:
        write_hidden(tree, '{"packages": {}}\n')
    assert compare_hidden(*map(str, trees)).same_bytes


def test_another_order_of_keys_has_the_same_meaning_only(trees):
    write_hidden(trees[0], '{"name": "a", "packages": {}}')
    write_hidden(trees[1], '{"packages": {}, "name": "a"}')
    found = compare_hidden(*map(str, trees))
    assert (found.same_bytes, found.same_meaning, found.differences) == (False, True, ())


def test_names_each_key_of_a_hidden_lockfile_that_differs(trees):
    write_hidden(trees[0], json.dumps({"packages": {"node_modules/a": {"version": "1.0.0", "peer": True}}}))
    write_hidden(trees[1], json.dumps({"packages": {"node_modules/a": {"version": "1.0.1"}}}))
    assert compare_hidden(*map(str, trees)).differences == (
        "packages > node_modules/a > peer: npm true, pmpipe (absent)",
        'packages > node_modules/a > version: npm "1.0.0", pmpipe "1.0.1"',
    )


def test_a_hidden_lockfile_that_only_one_wrote_is_a_difference(trees):
    write_hidden(trees[0], "{}")
    found = compare_hidden(*map(str, trees))
    assert (found.same_meaning, found.differences) == (False, ("only npm wrote one",))


# -- the whole comparison ---------------------------------------------------------------------------------------------


def comparison_of(trees) -> Comparison:
    expected, actual = (take_snapshot(str(tree)) for tree in trees)
    found = compare(expected, actual, all_modes=False)
    comparison = Comparison("project", 1, "ci", 1.0, 1.0, found, compare_hidden(*map(str, trees)))
    comparison.count(expected)
    return comparison


def test_equal_trees_are_equal_and_counted(trees):
    comparison = comparison_of(trees)
    assert comparison.is_equal()
    assert comparison.paths == {Kind.FILE: 2, Kind.FOLDER: 5, Kind.LINK: 1, Kind.OTHER: 0}
    assert comparison.bytes == len(b"left\n#!/usr/bin/env node\n")


def test_one_finding_makes_trees_unequal(trees):
    (trees[1] / PACKAGE / "index.js").unlink()
    assert not comparison_of(trees).is_equal()


@pytest.mark.parametrize("verdict", [Verdict(1, "", 0), Verdict(0, "extraneous", 0), Verdict(0, "", 1)])
def test_another_verdict_of_npm_makes_trees_unequal(trees, verdict):
    comparison = comparison_of(trees)
    comparison.npm_of_pmpipe = verdict
    assert not comparison.is_equal()
    assert not comparison.document()["equal"]


def test_a_project_is_copied_without_its_packages_and_writable(tmp_path):
    project = tmp_path / "project"
    (project / "packages" / "a" / "node_modules" / "left").mkdir(parents=True)
    (project / "node_modules").mkdir()
    (project / "package.json").write_text("{}")
    (project / "package.json").chmod(0o444)
    (project / "packages" / "a" / "cli.js").write_text("")
    (project / "packages" / "a" / "cli.js").chmod(0o755)
    (project / "link").symlink_to("packages")
    copy_project(str(project), str(tmp_path / "copy"))
    copied = take_snapshot(str(tmp_path / "copy"))
    assert sorted(copied) == ["link", "package.json", "packages", "packages/a", "packages/a/cli.js"]
    assert copied["package.json"].mode & 0o200
    assert (copied["package.json"].is_executable, copied["packages/a/cli.js"].is_executable) == (False, True)
    assert copied["link"].content == "packages"
