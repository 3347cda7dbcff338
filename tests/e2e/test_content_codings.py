"""Tarballs and packuments under a Content-Encoding that nobody has asked for, beside npm."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.packages import make_package
from support.project import Project
from support.registry import PackageRegistry, faults

ALPHA = make_package("alpha", "1.0.0", {"index.js": b"module.exports = 1\n"})
Coding = Callable[[bytes], bytes]


def _raw_deflate(content: bytes) -> bytes:
    return zlib.compress(content)[2:-4]


#: How the server says that it has coded a tarball, and what it has really done.
CODINGS: dict[str, tuple[str, Coding]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", _raw_deflate),
    "only said": ("gzip", bytes),
    "identity": ("identity", bytes),
}


def coded(name: str) -> faults.Fault:
    """Answer under a coding."""
    said, code = CODINGS[name]

    def apply(response: Any) -> Any:
        return replace(response, body=code(response.body)).with_header("Content-Encoding", said)

    return apply


def lock_and_tree(project: Project) -> tuple[str, object]:
    return (project.folder / "package-lock.json").read_text(), project.tree()


def start_again(project: Project, *, with_lock: bool = False) -> None:
    shutil.rmtree(project.folder / "node_modules")
    if not with_lock:
        (project.folder / "package-lock.json").unlink()


@pytest.mark.npm
@pytest.mark.parametrize("coding", [name for name in CODINGS if name != "only said"])
def test_a_tarball_of_the_registry_is_taken_as_by_npm(project: Project, registry: PackageRegistry, coding: str) -> None:
    project.declare(ALPHA, dependencies={"alpha": "1"})
    registry.misbehave("*.tgz", coded(coding))
    project.succeeds("install")
    ours = lock_and_tree(project)
    start_again(project)
    project.npm("install")
    assert lock_and_tree(project) == ours


@pytest.mark.npm
@pytest.mark.parametrize("coding", CODINGS)
def test_a_tarball_of_a_url_is_locked_as_by_npm(project: Project, registry: PackageRegistry, coding: str) -> None:
    registry.misbehave("*.tgz", coded(coding))
    project.declare(dependencies={"alpha": registry.serve("/alpha.tgz", ALPHA.tarball)})
    project.succeeds("install")
    ours = lock_and_tree(project)
    start_again(project)
    project.npm("install")
    assert lock_and_tree(project) == ours
    start_again(project, with_lock=True)
    project.store = project.base / "another-store"
    project.succeeds("ci")
    assert lock_and_tree(project) == ours


def test_a_tarball_that_is_as_expected_is_left_as_it_came(project: Project, registry: PackageRegistry) -> None:
    # npm takes off the coding and then the digest is another one
    project.declare(ALPHA, dependencies={"alpha": "1"})
    registry.misbehave("*.tgz", coded("only said"))
    project.succeeds("install")
    project.assert_installed({"node_modules/alpha": ALPHA})


@pytest.mark.parametrize("said", ["br", "gzip, gzip", "gzip", "deflate"])
def test_a_coding_that_cannot_be_taken_off_is_named(project: Project, registry: PackageRegistry, said: str) -> None:
    project.want({"node_modules/alpha": ALPHA}, dependencies={"alpha": "1"})
    registry.misbehave("*.tgz", faults.corrupt(at=0), faults.header("Content-Encoding", said))
    told = project.fails("ci").stderr
    assert "error[PM_INTEGRITY]: integrity mismatch for alpha@1.0.0" in told
    assert f"it came under the content coding {said}, which was not asked for" in told
    assert "a cache before it" in told


def test_a_tarball_of_a_url_that_cannot_be_read_names_the_coding(project: Project, registry: PackageRegistry) -> None:
    registry.misbehave("*.tgz", faults.header("Content-Encoding", "br"))
    project.declare(dependencies={"alpha": registry.serve("/alpha.tgz", b"what brotli makes of it")})
    told = project.fails("install").stderr
    assert "PM_ARCHIVE" in told
    assert "it came under the content coding br, which was not asked for" in told


@pytest.mark.parametrize("said", ["br", "deflate", "gzip, gzip"])
def test_a_packument_under_another_coding_than_gzip_is_refused(
    project: Project, registry: PackageRegistry, said: str
) -> None:
    project.declare(ALPHA, dependencies={"alpha": "1"})
    registry.misbehave("/alpha", faults.header("Content-Encoding", said), first=1)
    told = project.fails("install").stderr
    assert f"answered under the content coding {said}, which was not asked for" in told
    assert f"url: {registry.url}/alpha (1 attempt)" in told
    project.succeeds("install")
