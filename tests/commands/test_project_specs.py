"""Specs that name something of the project (`catalog:`, `workspace:`) survive the commands that change manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry

SPECS = {"b": "catalog:", "one": "workspace:*"}


@pytest.fixture
def project(tmp_path: Path, registry: PackageRegistry) -> Iterator[Project]:
    one = Project(tmp_path / "p", registry)
    registry.publish(make_package("b", "1.0.0"), make_package("b", "1.1.0"), make_package("c", "1.0.0"))
    root = {"name": "app", "workspaces": ["packages/*"], "catalog": {"b": "^1.0.0"}, "dependencies": SPECS}
    one.write("package.json", json.dumps(root, indent=2) + "\n")
    one.write("packages/one/package.json", '{\n  "name": "one",\n  "version": "1.0.0"\n}\n')
    one.succeeds("install", alone=False)
    yield one
    one.close()


def dependencies(project: Project) -> dict[str, str]:
    return json.loads((project.folder / "package.json").read_text())["dependencies"]


@pytest.mark.parametrize(
    "line", [["add", "c"], ["add", "b"], ["update"], ["update", "--save"], ["dedupe"], ["prune"], ["remove", "x"]]
)
def test_they_stay_and_the_lock_has_what_they_mean(project: Project, line: list[str]) -> None:
    project.succeeds(*line)
    assert SPECS.items() <= dependencies(project).items()
    locked = project.lock["packages"][""]["dependencies"]
    assert (locked["b"], locked["one"]) == ("^1.0.0", "file:packages/one")
    assert "nothing to do" in project.succeeds("install").stdout


def test_one_is_replaced_by_what_is_typed(project: Project) -> None:
    project.succeeds("add", "b@~1.0.0")
    assert dependencies(project)["b"] == "~1.0.0"


def test_one_may_be_typed(project: Project) -> None:
    project.succeeds("add", "-w", "one", "b@catalog:")
    inner = json.loads((project.folder / "packages/one/package.json").read_text())
    assert inner["dependencies"] == {"b": "catalog:"}
    assert project.lock["packages"]["packages/one"]["dependencies"] == {"b": "^1.0.0"}
