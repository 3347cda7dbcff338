"""npm's arborist in a process of its own, and a fixture that keeps one for a module's tests."""

from __future__ import annotations

import json
import os
import select
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


#: what `Arborist.lock` says of a question for which npm finds no end
ENDLESS = {"error": "endless"}
PATIENCE_S = 15.0


class Arborist:
    """npm's arborist in a process of its own, which is replaced if it gets lost."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.process = self._start()

    def lock(self, folder: Path, registry_url: str, config: dict[str, Any]) -> dict[str, str]:
        """The lock that arborist would write, or the error's code; `ENDLESS` if it takes too long."""
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
        if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
            self.close()
            self.process = self._start()
            return ENDLESS
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        npm = shutil.which("npm")
        assert npm is not None, "tests marked npm need npm on the PATH"
        modules = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(npm))), "node_modules")
        command = ["node", os.path.join(HERE, "ask_arborist.cjs"), modules]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")


@pytest.fixture(scope="module")
def arborist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arborist]:
    process = Arborist(tmp_path_factory.mktemp("cache"))
    yield process
    process.close()
