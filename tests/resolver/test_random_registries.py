"""Invented registries, resolved by npm's own arborist and by the resolver: the same bytes, or the same refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from arborists import Arborist, arborist
from inventing import invent_bundled_circle, invent_bundling_case, invent_case
from lockcheck.codes import CODES
from playing import lock_text, publish, resolve, write_project
from support.registry import PackageRegistry

from pmpipe.errors import PmpipeError

__all__ = ["arborist"]
SEEDS = 60
#: where invented projects that bundle begin; npm knows an answer to all of them
BUNDLING_SEEDS = 5080


@pytest.mark.npm
@pytest.mark.timeout(30)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_resolves_an_invented_registry_as_arborist_does(
    seed: int, tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    compare_before_and_after(invent_case(seed), tmp_path, registry, arborist)


@pytest.mark.npm
@pytest.mark.timeout(30)
@pytest.mark.parametrize("seed", range(BUNDLING_SEEDS, BUNDLING_SEEDS + 25))
def test_resolves_a_project_that_bundles_as_arborist_does(
    seed: int, tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    compare_before_and_after(invent_bundling_case(seed), tmp_path, registry, arborist)


@pytest.mark.npm
@pytest.mark.timeout(30)
@pytest.mark.parametrize("seed", range(25))
def test_says_which_packages_are_bundled_in_circles_as_arborist_does(
    seed: int, tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    compare_before_and_after(invent_bundled_circle(seed), tmp_path, registry, arborist)


def compare_before_and_after(
    case: dict[str, Any], tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    """Resolve a case both ways; where it has an older project, that one first."""
    publish(case, registry)
    old: bytes | None = None
    if "before" in case:
        earlier = {key: value for key, value in case.items() if key != "before"} | {"project": case["before"]}
        old = compare(earlier, tmp_path, registry.url, arborist, None)
        if old is None:
            return
        (tmp_path / "package-lock.json").write_bytes(old)
    compare(case, tmp_path, registry.url, arborist, old)


def compare(case: dict[str, Any], folder: Path, url: str, arborist: Arborist, old: bytes | None) -> bytes | None:
    """Resolve a case both ways, with an old lock or none; the lock, or None if both refuse."""
    write_project(case, folder, url, before=False)
    answer = arborist.lock(folder, url, case["config"])
    if "error" in answer:
        with pytest.raises(PmpipeError) as refusal:
            resolve(case, str(folder), url, npms_old=old)
        assert CODES[refusal.value.code] == answer["error"]
        return None
    tree = resolve(case, str(folder), url, npms_old=old)
    assert lock_text(tree, case["config"].get("lockfile-version", 3)).decode() == answer["lock"]
    return answer["lock"].encode()


@pytest.mark.npm
@pytest.mark.timeout(30)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("seed", range(SEEDS, SEEDS + 25))
def test_writes_locks_of_older_versions_as_arborist_does(
    seed: int, version: int, tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    case = invent_case(seed)
    case["config"] = {**case["config"], "lockfile-version": version}
    publish(case, registry)
    compare({key: value for key, value in case.items() if key != "before"}, tmp_path, registry.url, arborist, None)
