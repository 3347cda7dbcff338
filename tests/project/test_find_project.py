"""Where the project is, and whether a command is about the workspace that it was given in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pmpipe.project.find_project import find_root, ignored_settings


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, a workspace of the project in ``tmp_path``."""
    folder = tmp_path / "packages/one"
    folder.mkdir(parents=True)
    (tmp_path / "package.json").write_text(json.dumps({"workspaces": ["packages/*"]}))
    (folder / "package.json").write_text(json.dumps({"name": "one"}))
    monkeypatch.chdir(folder)
    return folder


def test_a_workspace_s_folder_means_that_workspace_of_the_project(workspace: Path, tmp_path: Path) -> None:
    assert find_root({}) == (str(tmp_path), str(workspace))


@pytest.mark.parametrize("off", [False, "false"])
def test_without_workspaces_it_is_a_project_of_its_own(workspace: Path, off: object) -> None:
    assert find_root({"workspaces": off}) == (str(workspace), "")


def test_settings_of_a_workspace_are_said_to_be_ignored(workspace: Path) -> None:
    assert ignored_settings(str(workspace)) == []
    (workspace / ".npmrc").write_text("omit=dev\n")
    assert ignored_settings(str(workspace)) == [f"{workspace}/.npmrc is ignored: the project's .npmrc counts"]
    assert ignored_settings("") == []
