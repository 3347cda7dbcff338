"""npm and pmpipe run the same scripts in the same order, and leave the same tree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.packages import PackedFile, make_package
from support.project import Project
from support.registry import PackageRegistry
from support.snapshot import differences, snapshot

pytestmark = pytest.mark.npm

CHANGE_EVENTS = ("predependencies", "dependencies", "postdependencies")

NOTE = "echo $npm_lifecycle_event $npm_package_name >> $INIT_CWD/ran"

#: What depends on who runs the script, not on what is run.
OTHERS = (
    *("npm_config_user_agent=", "npm_config_store_dir=", "npm_config_cache=", "npm_config_allow_scripts="),
    *("PYTHON", "PMPIPE_AT_WORK_IN=", "PMPIPE_USES_STORE=", "_="),
)


@pytest.fixture
def project(tmp_path: Path, registry: PackageRegistry) -> Project:
    return Project(tmp_path / "p", registry)


def both(project: Project, *words: str) -> tuple[dict[str, object], dict[str, object]]:
    """Run npm and pmpipe on the same files in the same place; what the project's folder holds after each."""
    former = project.base / "former"
    shutil.rmtree(former, ignore_errors=True)
    shutil.copytree(project.folder, former, symlinks=True)
    project.npm(*words, scripts=True)
    with_npm = snapshot(project.folder)
    environments = {path.name: path.read_text() for path in project.folder.rglob("*.env")}
    shutil.rmtree(project.folder)
    shutil.copytree(former, project.folder, symlinks=True)
    assert project.start(*words, "--no-audit", "--no-fund", alone=False).wait().status == 0
    with_pmpipe = snapshot(project.folder)
    for path in project.folder.rglob("*.env"):
        seen, expected = _settled(path.read_text()), _settled(environments.pop(path.name))
        assert expected <= seen
        # npm tells of package.json what it has at hand, which is less where it installs from a lock
        assert all(line.startswith("npm_package_") for line in seen - expected)
    assert not environments
    return _without_environments(with_npm), _without_environments(with_pmpipe)


def _settled(environment: str) -> set[str]:
    # npm has JavaScript's word for nothing in the environment of linked folders
    lines = (line for line in environment.split("\n") if not line.endswith("=null"))
    return {line for line in lines if not line.startswith(OTHERS)}


def _without_environments(found: dict[str, object]) -> dict[str, object]:
    return {path: what for path, what in found.items() if not path.endswith((".env", ".package-lock.json"))}


@pytest.mark.parametrize("command", ["install", "ci"])
def test_the_same_scripts_run(project: Project, command: str) -> None:
    events = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
    every = dict.fromkeys(events, NOTE)
    tool = make_package("tool", "1.0.0", {"cli": PackedFile(b"#!/bin/sh\necho tool\n", 0o755)}, bin={"tool": "cli"})
    outer = make_package(
        "outer",
        "1.2.0-beta.1",
        scripts={**every, "postinstall": f"{NOTE}; tool > said; env > outer.env"},
        dependencies={"tool": "1.0.0"},
        config={"a": {"b": [True, False, None, 1.5, "x"]}},
        engines={"node": ">=1"},
        bin={"one": "index.js", "two": "./made.js"},
    )
    allowed = {"outer": True}
    project.write("ran", "")
    project.registry.publish(tool, outer)
    manifest = {
        "name": "root",
        "version": "1.0.0",
        "workspaces": ["packages/*"],
        "dependencies": {"outer": "^1.2.0-0"},
        "scripts": {**every, **dict.fromkeys(CHANGE_EVENTS, NOTE), "postinstall": f"{NOTE}; env > root.env"},
        "allowScripts": allowed,
        "config": {"port": 1},
    }
    project.write("package.json", json.dumps(manifest))
    maker = {
        "name": "maker",
        "version": "2.0.0",
        "bin": {"made": "dist/cli.sh"},
        "scripts": {
            **every,
            "prepare": f"{NOTE}; mkdir -p dist; printf '#!/bin/sh\\necho made\\n' > dist/cli.sh",
            "postinstall": f"{NOTE}; made > said; env > maker.env",
        },
    }
    project.write("packages/maker/package.json", json.dumps(maker))
    if command == "ci":
        project.npm("install", "--package-lock-only")
    with_npm, with_pmpipe = both(project, command)
    assert differences(with_npm, with_pmpipe) == []


def test_the_same_changes_run_the_scripts_that_are_for_them(project: Project) -> None:
    left, right = make_package("left", "1.0.0"), make_package("right", "1.0.0")
    scripts = dict.fromkeys((*CHANGE_EVENTS, "postinstall"), NOTE)
    project.declare(left, right, dependencies={"left": "1.0.0"}, scripts=scripts)
    project.write("ran", "")
    for words in (
        ("install",),
        ("install",),
        ("install", "right"),
        ("install", "right", "--save-dev"),
        ("uninstall", "right"),
        ("install", "right", "--ignore-scripts"),
        ("dedupe",),
        ("ci",),
        ("prune", "--omit=dev"),
        ("update",),
    ):
        with_npm, with_pmpipe = both(project, *words)
        assert differences(with_npm, with_pmpipe) == [], words


def test_an_optional_package_that_fails_is_left_out_alike(project: Project) -> None:
    failing = make_package(
        "failing", "1.0.0", scripts={"install": "exit 1"}, bin="index.js", dependencies={"helper": "1.0.0"}
    )
    helper = make_package("helper", "1.0.0", bin="index.js")
    kept = make_package("kept", "1.0.0", scripts={"postinstall": "echo > made"})
    project.declare(
        failing,
        helper,
        kept,
        dependencies={"kept": "1.0.0"},
        optionalDependencies={"failing": "1.0.0"},
        allowScripts={"failing": True, "kept": True},
    )
    with_npm, with_pmpipe = both(project, "install")
    assert differences(with_npm, with_pmpipe) == []
