"""What is fetched before there is a plan."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from support.packages import make_lock, make_package
from support.trees import wanted_link, wanted_package

from pmpipe.npm.locks.lock_graph import LockGraph
from pmpipe.planning.certain import certain_packages, decode, encode, first_missing
from pmpipe.settings.config import Config
from pmpipe.tree.locked import read_locked_project
from pmpipe.tree.wanted import WantedPackage

REGISTRY = "https://registry.example"
DIGEST = "sha512-" + "A" * 86 + "=="


def read(folder: Path, packages: dict[str, Any], **root: Any) -> list[LockGraph]:
    """The graphs of locks that were found to fit: one, or none."""
    manifest = {"name": "app", "version": "1.0.0", **root}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "package-lock.json").write_text(json.dumps(make_lock(manifest, packages, REGISTRY)))
    environ = {"HOME": str(folder)}
    fitting: list[LockGraph] = []
    read_locked_project(str(folder), Config.load({}, environ, str(folder)), environ, None, fitting.append)
    return fitting


@pytest.fixture
def certain(tmp_path: Path) -> Any:
    """The certain ones of a lock whose only package, a, has these fields."""

    def find(omit: Collection[str] = (), **entry: Any) -> list[WantedPackage]:
        path = tmp_path / "package-lock.json"
        read(tmp_path, {"node_modules/a": make_package("a", "1.0.0")}, dependencies={"a": "1.0.0"})
        lock = json.loads(path.read_text())
        lock["packages"]["node_modules/a"].update(entry)
        path.write_text(json.dumps(lock))
        environ = {"HOME": str(tmp_path)}
        config = Config.load({"force": True}, environ, str(tmp_path))
        return list(certain_packages(read_locked_project(str(tmp_path), config, environ).graph, omit))

    return find


def test_a_package_that_every_host_needs_is_told_as_it_will_be_wanted(tmp_path: Path) -> None:
    (graph,) = read(tmp_path, {"node_modules/a": make_package("a", "1.0.0")}, dependencies={"a": "1.0.0"})
    environ = {"HOME": str(tmp_path)}
    tree = read_locked_project(str(tmp_path), Config.load({}, environ, str(tmp_path)), environ).tree
    assert tuple(certain_packages(graph, ())) == tree.packages


def test_without_resolved_the_version_says_where_it_is(certain: Any) -> None:
    assert [one.resolved for one in certain(resolved="")] == [""]


@pytest.mark.parametrize(
    "entry",
    [
        {"optional": True},
        {"devOptional": True},
        {"os": ["linux"]},
        {"cpu": ["x64"]},
        {"libc": ["glibc"]},
        {"resolved": f"git+https://git.example/a.git#{'0' * 40}"},
    ],
)
def test_what_depends_on_the_host_or_comes_otherwise_is_not_told(certain: Any, entry: dict[str, Any]) -> None:
    assert certain(**entry) == []


@pytest.mark.parametrize(("entry", "omit"), [({"dev": True}, "dev"), ({"peer": True}, "peer")])
def test_what_is_omitted_is_not_told(certain: Any, entry: dict[str, Any], omit: str) -> None:
    assert certain([omit], **entry) == []
    assert len(certain(["optional"], **entry)) == 1


def test_a_lock_that_would_be_written_anew_is_not_told(tmp_path: Path) -> None:
    packages = {name: make_package(name.rpartition("/")[2], "1.0.0") for name in ("node_modules/a", "node_modules/b")}
    assert read(tmp_path, packages, dependencies={"a": "1.0.0"}) == []


def test_packages_that_the_store_has_are_not_missing() -> None:
    a, b = (wanted_package(f"node_modules/{name}", integrity=DIGEST.replace("A", name, 1)) for name in "ab")
    assert first_missing([a, b], 2, lambda name: name in b.entries) == [a]


def test_links_and_packages_without_digests_are_not_missing() -> None:
    assert (
        first_missing([wanted_link("node_modules/a", "a"), wanted_package("node_modules/b")], 2, lambda _: False) == []
    )


@pytest.mark.parametrize(("count", "told"), [(1000, 256), (8000, 1000)])
def test_of_many_packages_only_some_are_told(count: int, told: int) -> None:
    packages = [wanted_package(f"node_modules/p{number}", integrity=DIGEST) for number in range(count)]
    assert first_missing(packages, count, lambda _: False) == packages[:told]


def test_packages_come_through_a_pipe_as_they_were() -> None:
    packages = [wanted_package("node_modules/a", integrity=DIGEST)]
    assert decode(encode(packages)) == packages
    assert decode(b"") == []
