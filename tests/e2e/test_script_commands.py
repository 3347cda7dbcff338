"""`install-scripts` and its aliases, which say whose scripts may run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project

#: Notes in the project's folder what runs, in its order.
NOTE = "echo $npm_lifecycle_event $npm_package_name >> $INIT_CWD/ran"
EVENTS = dict.fromkeys(("preinstall", "install", "postinstall"), NOTE)

BUILT = make_package("built", "1.0.0", {"index.js": b"1"}, scripts={"postinstall": NOTE})
OTHER = make_package("@scope/other", "2.0.0", scripts={"install": NOTE, "prepare": "never"})
PLAIN = make_package("plain", "1.0.0")
PACKAGES = {"node_modules/@scope/other": OTHER, "node_modules/built": BUILT, "node_modules/plain": PLAIN}


def ran(project: Project) -> list[str]:
    """What has run so far."""
    return (project.folder / "ran").read_text().splitlines()


def manifest(project: Project) -> dict[str, Any]:
    return json.loads((project.folder / "package.json").read_text())


def allowed(project: Project) -> object:
    return manifest(project).get("allowScripts")


def allow(project: Project, entries: object) -> None:
    project.write("package.json", json.dumps({**manifest(project), "allowScripts": entries}, indent=2) + "\n")


@pytest.fixture
def locked(project: Project) -> Project:
    """A project with two packages that have scripts, not installed yet."""
    project.write("ran", "")
    project.want(PACKAGES)
    return project


@pytest.fixture
def installed(locked: Project) -> Project:
    """The same, installed; nothing has run."""
    locked.succeeds("ci")
    return locked


# -- listing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["install-scripts", "ls"], ["install-scripts", "list"], ["approve-scripts", "--allow-scripts-pending"]]
)
def test_what_nobody_has_decided_about_is_listed_with_its_scripts(installed: Project, words: list[str]) -> None:
    lines = installed.succeeds(*words).stdout.splitlines()
    assert lines == [
        "2 packages have install scripts that nobody has approved or denied:",
        f"  @scope/other@2.0.0 (install: {NOTE})",
        f"  built@1.0.0 (postinstall: {NOTE})",
    ]
    allow(installed, {"built": True, "@scope/other": False})
    assert installed.succeeds(*words).stdout.startswith("no package has install scripts")


def test_a_list_as_a_document(installed: Project) -> None:
    assert installed.succeeds("install-scripts", "ls", "--json").report == {
        "allowScripts": [
            {"name": "@scope/other", "changes": [{"key": "@scope/other@2.0.0", "change": "pending"}]},
            {"name": "built", "changes": [{"key": "built@1.0.0", "change": "pending"}]},
        ]
    }


def test_the_lockfile_is_enough(locked: Project) -> None:
    run = locked.succeeds("install-scripts", "ls")
    assert "  built@1.0.0 (install: (not known before it is installed))" in run.stdout
    locked.succeeds("install-scripts", "approve", "built")
    assert allowed(locked) == {"built@1.0.0": True}


def test_the_tree_is_enough(installed: Project) -> None:
    (installed.folder / "package-lock.json").unlink()
    assert "built@1.0.0" in installed.succeeds("install-scripts", "ls").stdout
    installed.succeeds("approve-scripts", "built")
    assert allowed(installed) == {"built@1.0.0": True}


def test_neither_lockfile_nor_tree_is_not_enough(locked: Project) -> None:
    (locked.folder / "package-lock.json").unlink()
    run = locked.fails("install-scripts", "ls")
    assert "there is no package-lock.json" in run.stderr
    assert "pmpipe install" in run.stderr


def test_a_tree_that_package_json_has_outgrown_will_do(installed: Project) -> None:
    document = manifest(installed)
    document["dependencies"]["new"] = "^1.0.0"
    installed.write("package.json", json.dumps(document))
    installed.succeeds("approve-scripts", "built")
    assert allowed(installed) == {"built@1.0.0": True}


# -- deciding -----------------------------------------------------------------------------------------------------


def test_what_is_approved_runs_with_the_next_install(installed: Project) -> None:
    run = installed.succeeds("install-scripts", "approve", "built")
    assert run.stdout == "approved built:\n  added built@1.0.0\n"
    assert "pmpipe install" in run.stderr
    assert ran(installed) == []
    installed.succeeds("install")
    assert ran(installed) == ["postinstall built"]


def test_all_that_nobody_has_decided_about_is_approved_or_denied(installed: Project) -> None:
    installed.succeeds("deny-scripts", "built")
    installed.succeeds("approve-scripts", "--all")
    assert allowed(installed) == {"built": False, "@scope/other@2.0.0": True}
    assert "no package has install scripts" in installed.succeeds("deny-scripts", "-a").stdout


def test_without_a_pin_all_versions_are_approved(installed: Project) -> None:
    allow(installed, {"built@0.9.0": True})
    installed.succeeds("install-scripts", "approve", "built", "--no-allow-scripts-pin")
    assert allowed(installed) == {"built": True}
    installed.write(".npmrc", "allow-scripts-pin=false\n")
    installed.succeeds("install-scripts", "approve", "--all")
    assert allowed(installed) == {"built": True, "@scope/other": True}


def test_an_approval_is_told_as_a_document(installed: Project) -> None:
    allow(installed, {"built": True})
    run = installed.succeeds("approve-scripts", "built@1", "--json")
    changes = [{"key": "built@1.0.0", "change": "added"}, {"key": "built", "change": "replaced-by-pin"}]
    assert run.report == {"allowScripts": [{"name": "built", "changes": changes}]}
    assert run.stderr == ""


def test_what_is_denied_is_not_approved(installed: Project) -> None:
    allow(installed, {"built": False})
    run = installed.succeeds("install-scripts", "approve", "built")
    assert '"built" is denied' in run.stderr
    assert run.stdout == "nothing to approve: allowScripts stays as it is\n"
    assert allowed(installed) == {"built": False}


def test_package_json_keeps_its_layout(installed: Project) -> None:
    text = json.dumps({**manifest(installed), "allowScripts": {}, "zzz": [1]}, indent="\t").replace("\n", "\r\n")
    installed.write("package.json", text)
    installed.succeeds("install-scripts", "deny", "built")
    expected = text.replace('"allowScripts": {}', '"allowScripts": {\r\n\t\t"built": false\r\n\t}')
    assert (installed.folder / "package.json").read_bytes().decode() == expected + "\r\n"


def test_a_workspace_s_folder_is_a_way_to_the_project(project: Project) -> None:
    project.declare(BUILT, workspaces=["packages/*"])
    workspace = {"name": "one", "version": "1.0.0", "dependencies": {"built": "1.0.0"}, "scripts": EVENTS}
    project.write("packages/one/package.json", json.dumps(workspace))
    project.write("ran", "")
    project.succeeds("install", "--ignore-scripts", alone=False)
    project.succeeds("approve-scripts", "--all", cwd=project.folder / "packages/one")
    assert allowed(project) == {"built@1.0.0": True}
    assert "no package of this project is called one" in project.fails("deny-scripts", "one").stderr


def test_bundled_packages_cannot_be_approved(project: Project) -> None:
    inner = json.dumps({"name": "inner", "version": "1.0.0", "scripts": {"install": NOTE}}).encode()
    files = {"node_modules/inner/package.json": inner}
    outer = make_package("outer", "1.0.0", files, dependencies={"inner": "1.0.0"}, bundleDependencies=["inner"])
    project.declare(outer, dependencies={"outer": "1.0.0"})
    project.succeeds("install")
    assert "no package has install scripts" in project.succeeds("install-scripts", "ls").stdout
    assert "called inner" in project.fails("install-scripts", "approve", "inner").stderr


def test_a_name_that_nothing_has_is_told_with_those_that_have_scripts(installed: Project) -> None:
    run = installed.fails("install-scripts", "approve", "built", "bult", "built@2")
    assert "no package of this project is called bult, built@2" in run.stderr
    assert "with install scripts: @scope/other@2.0.0, built@1.0.0" in run.stderr
    assert allowed(installed) is None


@pytest.mark.parametrize(
    "words",
    [
        ["install-scripts"],
        ["install-scripts", "allow"],
        ["install-scripts", "approve"],
        ["install-scripts", "deny"],
        ["install-scripts", "approve", "built", "--all"],
        ["install-scripts", "ls", "built"],
        ["install-scripts", "ls", "--all"],
        ["install-scripts", "prune", "built"],
        ["approve-scripts"],
        ["approve-scripts", "built", "--allow-scripts-pending"],
        ["deny-scripts", "--allow-scripts-pending"],
        ["install-scripts", "ls", "--global"],
        ["approve-scripts", "built", "--global"],
    ],
    ids=" ".join,
)
def test_wrong_usage(installed: Project, words: list[str]) -> None:
    assert "error[PM_USAGE]" in installed.fails(*words, status=2).stderr


def test_a_dry_run_writes_nothing(installed: Project) -> None:
    assert "would have approved built" in installed.succeeds("approve-scripts", "built", "--dry-run").stdout
    assert allowed(installed) is None


# -- pruning ------------------------------------------------------------------------------------------------------


def test_entries_without_effect_go(installed: Project) -> None:
    allow(installed, {"built@1.0.0": True, "built@0.9.0": True, "plain": False, "gone": True})
    run = installed.succeeds("install-scripts", "prune", "--dry-run")
    expected = "would remove 3 entries that have no effect from allowScripts:\n"
    assert run.stdout == (
        f"{expected}  built@0.9.0 (no such package)\n  plain (no install scripts)\n  gone (no such package)\n"
    )
    assert len(allowed(installed)) == 4
    report = installed.succeeds("install-scripts", "prune", "--json").report["allowScripts"]
    assert report["dryRun"] is False
    assert report["removed"][0] == {"key": "built@0.9.0", "value": True, "reason": "not-installed"}
    assert allowed(installed) == {"built@1.0.0": True}
    assert "every entry" in installed.succeeds("install-scripts", "prune").stdout


def test_the_field_goes_with_its_last_entry(installed: Project) -> None:
    allow(installed, {"gone": True})
    installed.succeeds("install-scripts", "prune")
    assert "allowScripts" not in manifest(installed)
