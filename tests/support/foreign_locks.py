"""Locks that pnpm, yarn and bun have written for one and the same project (`PROJECT`, `WORKSPACE`)."""

from __future__ import annotations

from pathlib import Path

from pmpipe.npm.foreign.files import read_foreign_lock
from pmpipe.npm.foreign.pins import Pins

LOCKS = {
    "pnpm-5.4.yaml": "pnpm-lock.yaml",
    "pnpm-6.0.yaml": "pnpm-lock.yaml",
    "pnpm-9.0.yaml": "pnpm-lock.yaml",
    "bun-2.lock": "bun.lock",
    "yarn-berry.lock": "yarn.lock",
    "yarn-1.lock": "yarn.lock",
}
PROJECT = {
    "name": "app",
    "version": "1.0.0",
    "workspaces": ["packages/*"],
    "dependencies": {
        "a": "^1.0.0",
        "b": "*",
        "alias": "npm:b@^1.0.0",
        "p": "^1.0.0",
        "far": "https://registry.example/files/far-3.0.0.tgz",
    },
    "devDependencies": {"x": "latest"},
    "optionalDependencies": {"opt": "1.x"},
}
WORKSPACE = {
    "name": "w",
    "version": "1.0.0",
    "dependencies": {"@s/c": "^2.0.0", "p": "^2.0.0", "b": "^1.0.0"},
}


def read(lock: str) -> Pins:
    """The pins of one of `LOCKS`."""
    data = (Path(__file__).parent / "locks_of_others" / lock).read_bytes()
    return read_foreign_lock(data, LOCKS[lock])
