"""A wanted tree is not worked out again as long as nothing that it follows from has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.limits import no_larger_files_than
from support.trees import wanted_package, wanted_tree

from pmpipe.errors import FilesystemError
from pmpipe.tree.memory import Inputs, Remembered, digest_of_file, digests_of, recall, remember, tree_key

TREE = wanted_tree(wanted_package("node_modules/a"), wanted_package("node_modules/b", in_bundle=True))


@pytest.fixture
def store(tmp_path: Path) -> str:
    (tmp_path / "store/staging").mkdir(parents=True)
    return str(tmp_path / "store")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two workspaces, found by a pattern."""
    folder = tmp_path / "project"
    for path in (".", "packages/x", "packages/y"):
        (folder / path).mkdir(parents=True, exist_ok=True)
        (folder / path / "package.json").write_text(f'{{"name": "{path}"}}')
    return folder


def inputs_of(project: Path) -> Inputs:
    manifests = ("package.json", "packages/x/package.json", "packages/y/package.json", "packages/none/package.json")
    return Inputs(digests_of(str(project), manifests), ("packages/*",), ("packages/x", "packages/y"))


def test_a_tree_is_recalled_while_nothing_changes(store: str, project: Path) -> None:
    remembered = Remembered(inputs_of(project), TREE)
    remember(store, "key", remembered)
    assert recall(store, "key", str(project)) == remembered


def test_nothing_is_recalled_that_was_not_remembered(store: str, project: Path) -> None:
    assert recall(store, "key", str(project)) is None
    remember(store, "key", Remembered(inputs_of(project), TREE))
    assert recall(store, "other", str(project)) is None


def test_a_tree_is_recalled_in_another_folder_with_the_same_inputs(store: str, project: Path, tmp_path: Path) -> None:
    remember(store, "key", Remembered(inputs_of(project), TREE))
    moved = project.rename(tmp_path / "moved")
    assert recall(store, "key", str(moved)) is not None


CHANGES: dict[str, Callable[[Path], Any]] = {
    "root package.json": lambda project: (project / "package.json").write_text("{}"),
    "workspace package.json": lambda project: (project / "packages/x/package.json").write_text("{}"),
    "workspace package.json gone": lambda project: (project / "packages/y/package.json").unlink(),
    "package.json that was absent": lambda project: (
        (project / "packages/none").mkdir(),
        (project / "packages/none/package.json").write_text("{}"),
    ),
    "new workspace folder": lambda project: (project / "packages/z").mkdir(),
    "workspace folder gone": lambda project: os.rename(project / "packages/y", project / "y"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tree_is_not_recalled_after_a_change_of(store: str, project: Path, change: str) -> None:
    remember(store, "key", Remembered(inputs_of(project), TREE))
    CHANGES[change](project)
    assert recall(store, "key", str(project)) is None


def test_a_folder_that_no_pattern_finds_is_no_change(store: str, project: Path) -> None:
    remember(store, "key", Remembered(inputs_of(project), TREE))
    (project / "elsewhere").mkdir()
    assert recall(store, "key", str(project)) is not None


@pytest.mark.parametrize("length", [0, 1, 30, -1])
def test_a_torn_tree_is_not_recalled(store: str, project: Path, length: int) -> None:
    remember(store, "key", Remembered(inputs_of(project), TREE))
    path = Path(store, "trees/key")
    path.write_bytes(path.read_bytes()[:length])
    assert recall(store, "key", str(project)) is None


def test_a_tree_with_another_byte_in_it_is_not_recalled(store: str, project: Path) -> None:
    remember(store, "key", Remembered(inputs_of(project), TREE))
    path = Path(store, "trees/key")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"node_modules/a", b"node_modules/c"))
    assert path.read_bytes() != content
    assert recall(store, "key", str(project)) is None


def test_a_store_that_is_a_file_recalls_nothing(tmp_path: Path, project: Path) -> None:
    (tmp_path / "file").write_text("")
    assert recall(f"{tmp_path}/file", "key", str(project)) is None


def test_remembering_leaves_nothing_in_the_staging_folder(store: str, project: Path) -> None:
    remember(store, "key", Remembered(inputs_of(project), TREE))
    assert os.listdir(f"{store}/staging") == []


def test_a_tree_that_cannot_be_written_leaves_nothing_in_the_staging_folder(store: str, project: Path) -> None:
    with no_larger_files_than(100), pytest.raises(OSError, match="File too large"):
        remember(store, "key", Remembered(inputs_of(project), TREE))
    assert os.listdir(f"{store}/staging") == []


def test_remembering_again_replaces(store: str, project: Path) -> None:
    remember(store, "key", Remembered(inputs_of(project), wanted_tree()))
    remember(store, "key", Remembered(inputs_of(project), TREE))
    recalled = recall(store, "key", str(project))
    assert recalled is not None
    assert recalled.tree == TREE


def test_the_trees_remembered_longest_ago_are_forgotten(store: str, project: Path) -> None:
    inputs = inputs_of(project)
    for number in range(70):
        remember(store, f"key{number}", Remembered(inputs, TREE))
        os.utime(f"{store}/trees/key{number}", ns=(number, number))
    remember(store, "newest", Remembered(inputs, TREE))
    assert sorted(os.listdir(f"{store}/trees")) == sorted([*(f"key{number}" for number in range(7, 70)), "newest"])


def test_what_another_run_leaves_in_the_staging_folder_is_not_overwritten(store: str, project: Path) -> None:
    """In containers that share a store, two runs may have the same process id."""
    remember(store, "key", Remembered(inputs_of(project), TREE))
    Path(store, f"staging/tree-{os.getpid()}").write_text("another run's")
    remember(store, "key", Remembered(inputs_of(project), TREE))
    assert Path(store, f"staging/tree-{os.getpid()}").read_text() == "another run's"


def test_equal_inputs_have_equal_keys() -> None:
    assert tree_key(b"lock", {"a": 1, "b": ["x"]}) == tree_key(b"lock", {"b": ["x"], "a": 1})


def test_each_byte_of_the_lock_and_each_setting_counts() -> None:
    keys = {
        tree_key(b"lock", {"a": 1}),
        tree_key(b"lock ", {"a": 1}),
        tree_key(b"lock", {"a": 2}),
        tree_key(b"lock", {"a": "1"}),
        tree_key(b"lock", {"b": 1}),
        tree_key(b"lock", {}),
    }
    assert len(keys) == 6


def test_the_digest_of_no_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert digest_of_file(f"{tmp_path}/none") == ""
    assert digest_of_file(f"{tmp_path}/file/none") == ""
    assert len(digest_of_file(f"{tmp_path}/file")) == 64


def test_an_input_that_cannot_be_read_is_named(store: str, project: Path) -> None:
    remember(store, "key", Remembered(inputs_of(project), TREE))
    (project / "packages/x/package.json").unlink()
    (project / "packages/x/package.json").mkdir()
    with pytest.raises(FilesystemError, match=r"cannot read .*/packages/x/package\.json"):
        recall(store, "key", str(project))
