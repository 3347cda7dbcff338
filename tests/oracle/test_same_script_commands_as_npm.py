"""npm and pmpipe make the same package.json of a decision about install scripts, and rebuild the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.packages import PackedFile, make_package
from support.project import Project
from support.registry import PackageRegistry
from support.snapshot import snapshot

pytestmark = pytest.mark.npm

NOTE = "echo $npm_lifecycle_event $npm_package_name >> $INIT_CWD/ran"
EVENTS = dict.fromkeys(("preinstall", "install", "postinstall", "prepare", "prepublish"), NOTE)


@pytest.fixture
def project(tmp_path: Path, registry: PackageRegistry) -> Project:
    """What can be allowed and denied in all its kinds, installed by npm; nothing has run."""
    one = Project(tmp_path / "p", registry)
    inner = json.dumps({"name": "inner", "version": "1.0.0", "scripts": EVENTS}).encode()
    one.registry.publish(
        make_package("built", "1.0.0", scripts=EVENTS),
        make_package("built", "2.0.0", scripts=EVENTS),
        make_package("@scope/other", "1.0.0-beta.1", scripts=EVENTS, bin={"other": "index.js"}),
        make_package("user", "1.0.0", dependencies={"built": "2.0.0"}, scripts=EVENTS),
        make_package("native", "1.0.0", {"binding.gyp": b"{}"}),
        make_package("plain", "1.0.0"),
        make_package("node-gyp", "9.9.9", {"cli": PackedFile(b"#!/bin/sh\necho gyp >> $INIT_CWD/ran\n", 0o755)}),
        make_package(
            "outer",
            "1.0.0",
            {"node_modules/inner/package.json": inner},
            dependencies={"inner": "1.0.0"},
            bundleDependencies=["inner"],
        ),
    )
    manifest = {
        "name": "app",
        "version": "1.0.0",
        "workspaces": ["packages/*"],
        "scripts": EVENTS,
        "dependencies": {
            "user": "1.0.0",
            "built": "1.0.0",
            "alias": "npm:@scope/other@1.0.0-beta.1",
            "native": "1.0.0",
            "outer": "1.0.0",
            "plain": "1.0.0",
            "folder": "file:libs/beside",
            "tarball": "file:tarball.tgz",
        },
    }
    one.write("package.json", json.dumps(manifest, indent=2) + "\n")
    one.write("tarball.tgz", make_package("tarball", "3.0.0", scripts=EVENTS).tarball)
    for path in ("libs/beside", "packages/workspace"):
        document = {"name": Path(path).name, "version": "1.0.0", "scripts": EVENTS}
        one.write(f"{path}/package.json", json.dumps(document))
    one.npm("install")
    return one


def changed_by_both(project: Project, *words: str, allowed: object = None) -> Any:
    """The package.json after the same command of npm and of pmpipe, which must agree."""
    path = project.folder / "package.json"
    document = json.loads(path.read_text())
    if allowed is not None:
        project.write("package.json", json.dumps({**document, "allowScripts": allowed}, indent=2) + "\n")
    before = path.read_text()
    project.npm(*words)
    with_npm = path.read_text()
    path.write_text(before)
    project.succeeds(*words)
    assert path.read_text() == with_npm
    return json.loads(with_npm).get("allowScripts")


@pytest.mark.parametrize(
    "words",
    [
        "approve --all",
        "approve --all --no-allow-scripts-pin",
        "deny --all",
        "approve built",
        "approve built@1",
        "approve built --no-allow-scripts-pin",
        "deny built",
        "deny built@2.0.0 @scope/other",
        "approve native plain",
        "approve @scope/other",
        "approve folder",
        "deny beside tarball",
        "prune",
    ],
)
@pytest.mark.parametrize(
    "allowed",
    [
        None,
        {"built@1.0.0": True, "built@0.5.0": True, "gone": True, "plain": False, "native": True},
        {"built": False, "user": True, "@scope/other@1.0.0-beta.1 || 2.0.0": True, "file:../libs/beside": True},
    ],
    ids=["nothing", "pins", "names"],
)
def test_package_json_becomes_the_same(project: Project, words: str, allowed: object) -> None:
    changed_by_both(project, "install-scripts", *words.split(), allowed=allowed)


@pytest.mark.parametrize("words", [["approve-scripts", "--all"], ["deny-scripts", "user", "built"]])
def test_the_aliases_do_the_same(project: Project, words: list[str]) -> None:
    assert changed_by_both(project, *words)


@pytest.mark.parametrize("words", [[], ["built"], ["user", "workspace"], ["built@2"], ["folder"], ["nothing"]])
def test_a_rebuild_runs_the_same_scripts(project: Project, words: list[str]) -> None:
    document = json.loads((project.folder / "package.json").read_text())
    names = ("built", "user", "@scope/other", "file:tarball.tgz")
    allowed = {**dict.fromkeys(names, True), "native": False}
    project.write("package.json", json.dumps({**document, "allowScripts": allowed}))
    logs = []
    for run in (project.npm, project.succeeds):
        project.write("ran", "")
        for link in (project.folder / "node_modules/.bin").glob("*"):
            link.unlink()
        if run == project.npm:
            project.npm("rebuild", *words, "--foreground-scripts", scripts=True)
        else:
            project.start("rebuild", *words, "--foreground-scripts", alone=False).wait()
        bins = sorted(path for path in snapshot(project.folder) if path.startswith("node_modules/.bin/"))
        # nobody can allow what comes bundled, so here it does not run
        ran = [line for line in (project.folder / "ran").read_text().splitlines() if not line.endswith(" inner")]
        logs.append((ran, bins))
    assert logs[0] == logs[1]
