"""Projects with a file of code that repairs manifests: what the commands make of it, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project, wait_until

ALPHA = make_package("alpha", "1.0.0", dependencies={"beta": "1"})
BETA = make_package("beta", "1.0.0")
GAMMA = make_package("gamma", "1.0.0")
FILE = ".npm-extension.mjs"
CODE = """export function transformManifest (pkg, context) {
  if (pkg.name === 'alpha') {
    pkg.dependencies = { ...pkg.dependencies, gamma: '^1.0.0' }
    delete pkg.dependencies.beta
  }
  return pkg
}
"""
#: npm 12.2.1's, without addresses and digests
LOCK: dict[str, Any] = {
    "lockfileVersion": 4,
    "requires": True,
    "packages": {
        "": {
            "name": "app",
            "version": "1.0.0",
            "npmExtensionHash": (
                "sha512-GzKlorCEdvaB+MG8qilKMh+UGs/el4GgXD7lmwnihKscanaoSg7Ms2rIkXcIT7xL/RahpzuqGqxctUEyQY2MNw=="
            ),
            "packageExtensionsHash": (
                "sha512-f+UhnazN19wAI76PtTH642UWztOl1W2x1QRoYpHT0JvLbRMyvPONQSphMln2aqmV0N384KiFoQRp/gW213H6GQ=="
            ),
            "dependencies": {"alpha": "^1.0.0"},
        },
        "node_modules/alpha": {
            "version": "1.0.0",
            "dependencies": {"gamma": "^1.0.0"},
            "npmExtensionApplied": {"dependencies": ["beta", "gamma"], "extensionPoint": "transformManifest"},
        },
        "node_modules/gamma": {
            "version": "1.0.0",
            "packageExtensionsApplied": {"peerDependencies": ["alpha"], "selector": "gamma"},
            "peerDependencies": {"alpha": "*"},
        },
    },
}


def declare(project: Project, **fields: Any) -> None:
    given = {"name": "app", "version": "1.0.0", "dependencies": {"alpha": "^1.0.0"}, **fields}
    project.declare(ALPHA, BETA, GAMMA, **given)


@pytest.fixture
def repaired(project: Project) -> Project:
    """An installed project with code that gives alpha another dependency."""
    project.write(FILE, CODE)
    declare(project)
    project.succeeds("install")
    return project


def installed(project: Project) -> set[str]:
    return {path.name for path in (project.folder / "node_modules").iterdir() if path.name[0] != "."}


def test_the_lock_is_npms(project: Project) -> None:
    project.write(FILE, CODE)
    declare(project, packageExtensions={"gamma": {"peerDependencies": {"alpha": "*"}}})
    project.succeeds("install")
    lock = project.lock
    for entry in lock["packages"].values():
        entry.pop("resolved", None)
        entry.pop("integrity", None)
    assert json.dumps(lock) == json.dumps(LOCK)
    assert installed(project) == {"alpha", "gamma"}


def test_code_is_given_a_manifest_that_claims_another_version_than_it_is_listed_under(project: Project) -> None:
    declare(project)
    address = project.registry.tarball_url(ALPHA)
    manifest = {"name": "alpha", "version": "v1.0.0", "keywords": ["of alpha"], "dist": {"tarball": address}}
    packument = {"name": "alpha", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": manifest}}
    project.registry.serve("/alpha", json.dumps(packument).encode(), content_type="application/json")
    project.write(FILE, CODE.replace("gamma: '^1.0.0'", "[pkg.keywords[0] === 'of alpha' && 'gamma']: '^1.0.0'"))
    project.succeeds("install")
    assert installed(project) == {"alpha", "gamma"}


def test_the_next_run_has_nothing_to_do(repaired: Project) -> None:
    assert "nothing to do" in repaired.succeeds("install").stdout
    repaired.succeeds("ci")
    assert installed(repaired) == {"alpha", "gamma"}


def test_ci_does_not_run_it_and_needs_no_nodejs(repaired: Project) -> None:
    code = "throw new Error('it has run')\n"
    repaired.write(FILE, code)
    assert "Invalid: .npm-extension has changed since the lock file was made" in repaired.fails("ci").stderr
    repaired.write(FILE, CODE)
    repaired.environment["PATH"] = "/nowhere"
    repaired.succeeds("ci")
    assert "needs Node.js, which is not on the PATH" in repaired.fails("update").stderr


def test_code_that_has_changed_resolves_anew_what_it_concerns(repaired: Project) -> None:
    repaired.write(FILE, CODE.replace("delete", "// delete"))
    repaired.succeeds("install")
    assert installed(repaired) == {"alpha", "beta", "gamma"}
    (repaired.folder / FILE).unlink()
    assert "Invalid: lock file was made with .npm-extension, and there is none" in repaired.fails("ci").stderr
    repaired.succeeds("install")
    assert installed(repaired) == {"alpha", "beta"}
    assert "npmExtensionHash" not in repaired.lock["packages"][""]


@pytest.mark.parametrize("version", [1, 3])
def test_ci_refuses_a_lock_that_was_made_without_it(project: Project, version: int) -> None:
    declare(project)
    project.succeeds("install", f"--lockfile-version={version}")
    project.write(FILE, CODE)
    assert "Missing: .npm-extension from lock file" in project.fails("ci", "--ignore-scripts").stderr


@pytest.mark.parametrize("flag", ["--ignore-extension", "--ignore-scripts"])
def test_where_it_may_not_be_run_the_lock_stays_as_it_is(repaired: Project, flag: str) -> None:
    before = repaired.lock
    repaired.write(FILE, "throw new Error('it has run')\n")
    repaired.succeeds("install", flag)
    assert repaired.lock == before
    repaired.succeeds("add", "beta", flag)
    assert repaired.lock["packages"][""]["npmExtensionHash"] == before["packages"][""]["npmExtensionHash"]
    assert repaired.lock["packages"]["node_modules/alpha"] == before["packages"]["node_modules/alpha"]
    assert "cannot be loaded: it has run" in repaired.fails("install").stderr
    assert "has changed" in repaired.fails("ci", flag).stderr


@pytest.mark.parametrize("kind", ["dependencies", "optionalDependencies"])
def test_what_it_may_not_do_ends_the_run(project: Project, kind: str) -> None:
    declare(project, **{"dependencies": {}, kind: {"alpha": "1"}})
    project.write(FILE, "export function transformManifest (pkg) { return { ...pkg, license: 'none' } }\n")
    refused = project.fails("install").stderr
    assert "error[PM_REPAIR]: .npm-extension.mjs: transformManifest, called for alpha@1.0.0, has changed lic" in refused


def test_what_it_prints_is_no_output(project: Project) -> None:
    declare(project)
    project.write(FILE, f"console.log('printed')\n{CODE}")
    run = project.succeeds("install", "--json")
    assert run.report
    assert "printed" in run.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_code_that_never_ends_ends_with_the_run(project: Project, number: int) -> None:
    declare(project)
    # not into the project: a run that is stopped leaves that as it was
    written = project.base / "pid"
    writing = f"fs.writeFileSync({json.dumps(str(written))}, `${{process.pid}}\\n`)"
    project.write(FILE, f"import fs from 'node:fs'\n{writing}\nwhile (true);\n")
    running = project.start("install")
    wait_until(lambda: written.exists() and written.read_text().endswith("\n"), "the code runs")
    if number == signal.SIGKILL:
        running.kill_all()
    else:
        running.signal(number)
    assert running.wait().status == (-number if number == signal.SIGKILL else 128 + number)
    process = Path(f"/proc/{written.read_text().strip()}")
    wait_until(lambda: not process.exists() or " Z " in (process / "stat").read_text(), "the code has ended")


# -- which file it is ---------------------------------------------------------------------------------------------


def test_another_file_may_be_named_by_the_project_and_on_the_command_line(project: Project) -> None:
    declare(project)
    project.write("tools/repairs.cjs", "exports.transformManifest = pkg => ({ dependencies: {} })\n")
    project.write(".npmrc", "extension-file=tools/repairs.cjs\n")
    project.succeeds("install")
    assert installed(project) == {"alpha"}
    (project.folder / ".npmrc").unlink()
    assert "there is none" in project.fails("ci").stderr
    project.succeeds("ci", "--extension-file=./tools/repairs.cjs")


def test_nobody_else_may_name_one(project: Project) -> None:
    declare(project)
    project.write("x.mjs", CODE)
    project.environment["npm_config_extension_file"] = "x.mjs"
    refused = project.fails("install").stderr
    assert "environment variable npm_config_extension_file: extension-file may not be set here" in refused
    del project.environment["npm_config_extension_file"]
    (project.base / "home").mkdir(exist_ok=True)
    (project.base / "home/.npmrc").write_text("extension-file=x.mjs\n")
    assert "extension-file may not be set here" in project.fails("install").stderr
    # what counts more is in order
    project.succeeds("install", "--extension-file=x.mjs")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("x.js", "it must be a .mjs or .cjs file in the project's folder"),
        ("../x.mjs", "it must be a .mjs or .cjs file in the project's folder"),
        ("none.mjs", "there is no such file"),
    ],
)
def test_a_file_that_cannot_be_it_is_refused(project: Project, name: str, what: str) -> None:
    declare(project)
    project.write("x.js", CODE)
    assert what in project.fails("install", f"--extension-file={name}").stderr


def test_two_files_are_refused(repaired: Project) -> None:
    repaired.write(".npm-extension.cjs", "")
    for command in ("install", "ci"):
        assert "there are .npm-extension.mjs and .npm-extension.cjs in" in repaired.fails(command).stderr


def test_a_link_that_leads_nowhere_is_no_file(project: Project) -> None:
    declare(project)
    os.symlink("nowhere", project.folder / FILE)
    project.succeeds("install")
    assert installed(project) == {"alpha", "beta"}


def test_that_of_a_workspace_is_ignored_with_a_warning(project: Project) -> None:
    project.write("packages/w/package.json", json.dumps({"name": "w", "version": "1.0.0"}))
    project.write("packages/w/.npm-extension.cjs", "throw new Error('it has run')\n")
    declare(project, workspaces=["packages/*"])
    for command in ("install", "ci"):
        told = project.succeeds(command).stderr
        assert told.count("packages/w/.npm-extension.cjs is ignored") == 1
