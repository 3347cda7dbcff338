"""Invented registries, resolved by npm's own arborist and by the resolver: the same bytes, or the same refusal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inventing import invent_case
from lockcheck.codes import CODES
from playing import lock_text, publish, resolve, write_project
from support.registry import PackageRegistry

from pmpipe.errors import PmpipeError

HERE = os.path.dirname(os.path.abspath(__file__))
SEEDS = 60
OPTIONS = {
    "force": "force",
    "legacy-peer-deps": "legacyPeerDeps",
    "strict-peer-deps": "strictPeerDeps",
    "prefer-dedupe": "preferDedupe",
    "lockfile-version": "lockfileVersion",
}


class Arborist:
    """npm's arborist in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], cache: Path) -> None:
        self.process = process
        self.cache = cache

    def lock(self, folder: Path, registry_url: str, config: dict[str, Any]) -> dict[str, str]:
        """The lock that arborist would write, or the error's code."""
        question = {
            "folder": str(folder),
            "registry": f"{registry_url}/",
            "cache": str(self.cache),
            "options": {OPTIONS[key]: value for key, value in config.items()},
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def arborist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arborist]:
    npm = shutil.which("npm")
    assert npm is not None, "tests marked npm need npm on the PATH"
    modules = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(npm))), "node_modules")
    command = ["node", os.path.join(HERE, "ask_arborist.cjs"), modules]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        yield Arborist(process, tmp_path_factory.mktemp("cache"))
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.npm
@pytest.mark.timeout(30)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_resolves_an_invented_registry_as_arborist_does(
    seed: int, tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    case = invent_case(seed)
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
@pytest.mark.parametrize("seed", range(SEEDS, SEEDS + 25))
def test_writes_locks_of_version_2_as_arborist_does(
    seed: int, tmp_path: Path, registry: PackageRegistry, arborist: Arborist
) -> None:
    case = invent_case(seed)
    case["config"] = {**case["config"], "lockfile-version": 2}
    publish(case, registry)
    compare({key: value for key, value in case.items() if key != "before"}, tmp_path, registry.url, arborist, None)
