"""npm's arborist in a process of its own, and a fixture that keeps one for a module's tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
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
