"""The examples, and a package with native parts, installed from the real registry as npm installs them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from compare_with_npm import compare_project
from comparison.installers import Installers

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = [pytest.mark.registry, pytest.mark.npm]


@pytest.fixture
def installers(tmp_path):
    (tmp_path / "work").mkdir()
    return Installers(npm_cache=str(tmp_path / "npm-cache"), store=str(tmp_path / "store"), timeout_s=100)


def assert_equal(project: Path, work: Path, installers: Installers) -> Path:
    comparison = compare_project(str(project), str(work), installers)
    assert comparison.is_equal(), comparison.text(50)
    assert comparison.hidden.same_bytes
    return work / "pmpipe" / project.name


@pytest.mark.parametrize("name", ["express-server", "workspaces"])
def test_the_examples_are_installed_as_by_npm(name, tmp_path, installers):
    assert_equal(EXAMPLES / name, tmp_path / "work", installers)


def test_a_package_with_native_parts_is_installed_as_by_npm_and_runs(tmp_path, installers):
    project = tmp_path / "native"
    project.mkdir()
    manifest = {"name": "native", "version": "1.0.0", "dependencies": {"esbuild": "0.21.5"}}
    (project / "package.json").write_text(json.dumps(manifest))
    (project / "a.ts").write_text("export const a: number = 6 * 7\n")
    installers.lock(str(project))
    tree = assert_equal(project, tmp_path / "work", installers)
    esbuild = shutil.which("esbuild", path=str(tree / "node_modules" / ".bin"))
    assert esbuild is not None
    built = subprocess.run([esbuild, "a.ts"], cwd=tree, check=True, capture_output=True, text=True, timeout=60)
    assert built.stdout == "export const a = 6 * 7;\n"
