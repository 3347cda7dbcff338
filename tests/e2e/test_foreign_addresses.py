"""Locks of other package managers whose packages are at another registry than the project's."""

from __future__ import annotations

import shutil

from support.packages import Package, make_package
from support.project import Project

LEAF = make_package("leaf", "1.0.0")


def elsewhere(project: Project, package: Package, integrity: str = "") -> None:
    """Write a yarn.lock that has a package at another registry than the project's."""
    address = f"{project.registry.url.replace('127.0.0.1', 'localhost')}{package.tarball_path}"
    project.declare(package, dependencies={package.name: "1"})
    project.write(
        "yarn.lock",
        f'# yarn lockfile v1\n\n\n{package.name}@1:\n  version "{package.version}"\n  resolved "{address}"\n'
        f"  integrity {integrity or package.integrity}\n",
    )


def test_a_tarball_of_a_foreign_lock_that_the_store_has_is_not_fetched_to_look_into_it(project: Project) -> None:
    elsewhere(project, LEAF)
    project.succeeds("install")
    lock = (project.folder / "package-lock.json").read_bytes()
    since = len(project.registry.requests)
    shutil.rmtree(project.folder / "node_modules")
    (project.folder / "package-lock.json").unlink()
    project.succeeds("install", "--package-lock-only")
    assert (project.folder / "package-lock.json").read_bytes() == lock
    assert project.registry.requests[since:] == []


def test_another_tarball_than_a_foreign_lock_has_is_refused_before_a_lock_is_made(project: Project) -> None:
    elsewhere(project, LEAF, make_package("leaf", "9.0.0").integrity)
    run = project.fails("install", "--package-lock-only")
    assert "PM_INTEGRITY" in run.stderr
    assert "leaf" in run.stderr
    assert not (project.folder / "package-lock.json").exists()


def test_no_registry_is_asked_for_a_package_that_a_yarn_lock_has_elsewhere(project: Project) -> None:
    elsewhere(project, LEAF)
    project.succeeds("install", "--package-lock-only")
    assert [request.path for request in project.registry.requests] == [LEAF.tarball_path]
