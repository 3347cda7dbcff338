"""`--no-save`: node_modules becomes what the package.json files ask for, and the lock is not written, as with npm."""

from __future__ import annotations

import json

import pytest
from support.packages import make_package
from support.project import Project


@pytest.fixture
def unlocked(project: Project) -> Project:
    """A project without a lock."""
    project.declare(make_package("alpha", "1.0.0"), make_package("beta", "1.0.0"), dependencies={"alpha": "1"})
    return project


def depend_on_beta(project: Project) -> str:
    """Change package.json so that the lock does not satisfy it; the lock's text."""
    manifest = json.loads((project.folder / "package.json").read_text())
    manifest["dependencies"]["beta"] = "1"
    project.write("package.json", json.dumps(manifest, indent=2) + "\n")
    return (project.folder / "package-lock.json").read_text()


def test_no_lock_is_made(unlocked: Project) -> None:
    unlocked.succeeds("install", "--no-save")
    assert (unlocked.folder / "node_modules/alpha/package.json").is_file()
    assert not (unlocked.folder / "package-lock.json").exists()
    unlocked.succeeds("install", "--no-save")
    unlocked.succeeds("install")
    assert "node_modules/alpha" in unlocked.lock["packages"]


@pytest.mark.parametrize("flag", ["--no-save", "--no-package-lock"])
def test_without_a_lock_the_hidden_one_has_no_name(unlocked: Project, flag: str) -> None:
    # npm has it from the lockfile that it has read or is about to write
    unlocked.succeeds("install", flag)
    hidden = unlocked.folder / "node_modules/.package-lock.json"
    assert [*json.loads(hidden.read_text())] == ["lockfileVersion", "requires", "packages"]
    unlocked.succeeds("install")
    assert [*json.loads(hidden.read_text())] == ["name", "version", "lockfileVersion", "requires", "packages"]


@pytest.mark.parametrize("command", ["install", "prune"])
def test_a_lock_that_does_not_fit_stays_as_it_is(unlocked: Project, command: str) -> None:
    unlocked.succeeds("install")
    before = depend_on_beta(unlocked)
    unlocked.succeeds(command, "--no-save")
    assert (unlocked.folder / "node_modules/beta/package.json").is_file()
    assert (unlocked.folder / "package-lock.json").read_text() == before
    unlocked.succeeds("install")
    assert "node_modules/beta" in unlocked.lock["packages"]


def test_with_package_lock_only_nothing_is_written(unlocked: Project) -> None:
    unlocked.succeeds("install", "--no-save", "--package-lock-only")
    assert sorted(path.name for path in unlocked.folder.iterdir()) == ["package.json"]


@pytest.mark.parametrize("words", [("install", "beta"), ("uninstall", "alpha")])
@pytest.mark.parametrize(("indent", "newline"), [("\t", "\n"), ("  ", "\r\n")])
def test_the_hidden_lockfile_is_laid_out_like_package_json(
    unlocked: Project, words: tuple[str, ...], indent: str, newline: str
) -> None:
    text = json.dumps(json.loads((unlocked.folder / "package.json").read_text()), indent=indent)
    unlocked.write("package.json", text.replace("\n", newline).encode())
    unlocked.succeeds("install")
    unlocked.succeeds(*words, "--no-save")
    hidden = (unlocked.folder / "node_modules/.package-lock.json").read_bytes()
    assert hidden.startswith(f'{{{newline}{indent}"'.encode())
