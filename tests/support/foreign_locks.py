"""Locks that pnpm, yarn and bun have written for one and the same project (`PROJECT`, `WORKSPACE`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

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
#: The digests in the locks; the same files under another zlib, or another Python's gzip, have others.
INTEGRITIES = {
    "@s/c@2.0.0": "sha512-UYgFON6P3AVCF8747c58HRvdw/l+BdRXNj/aVe6DoR8JWYyUk2+lldBqiuvEsx4TbK4bU86nlBtv8pggUd8xHQ==",
    "a@1.0.0": "sha512-BkRaeDWogtX2lgDDyeH3VhVnvr0BILRW5JfTaGsIUxt9ZXIV98ojQxNQTXPlcZnIjVYicblqYpU8HKj4v8NrHA==",
    "b@1.0.0": "sha512-WsR9b7wNgx3+K/9CEZLAuI9CM+NSnUTDbS/loVrn8jMDvYLjcMta6T6/iutQCopEdgYLkSdmM9HotBXi0jCxJw==",
    "b@2.0.0": "sha512-JXYu3IPLdB8/ljBH4hGF0WTlWrmLhNmjRAGMGhZGnp0c8/RK0BuH94wnytoaUUOGxruGYR9qvo1+PeWA1MTGZA==",
    "far@3.0.0": "sha512-cWI37PmsLqHED7CPzGRHTZvpYKwUm+eVBtMvEpftRKOpLjAo9RBeztU4eb0GaK5zQvJf9VmX2AqhD96pOz5vEw==",
    "leaf@1.0.0": "sha512-kQXqxTKVLfFCdu9Yu4H8bOev8fjWiwLNOntuxtEj4vpMOQ3kH8IdRm9Jcu4/S+/TUUJdlAwYv4zzdJcATmi1LA==",
    "opt@1.0.0": "sha512-QSP8AFPHqMyOCAEOSKqFCy/fNRS7eULKgl4RWhvjivNWO5ZZd5II+ON5Z9a8tdutV3SSSyfJEzvczkO+TzUlKg==",
    "p@1.0.0": "sha512-r2hwDouURrTA2j11u/3kV2+iQlqoO/M7cp1zRo7b7raTAnknnThYo9PIsoJWMitSdUhawekHciEBhTQXG+eb+w==",
    "p@2.0.0": "sha512-opFtV9UlQpeHOiYj6vM8qT9nuy+jNBiIZa1pnZvjcEQcz8uoioPdLl13+KCG3IRiu4lHSFBWZh15eBKo2cDY7w==",
    "x@1.0.0": "sha512-WTD5Ti2bbXn6S4ep0b/I3uKeZp6AUghAwC171ZQUTVHhRgyXjd/fmruUrbtzqPyYOAwNsU6VKgjiOjgz2bniLQ==",
}


def read(lock: str, integrities: Mapping[str, str] = MappingProxyType({})) -> Pins:
    """The pins of one of `LOCKS`.

    Args:
        lock: which.
        integrities: other digests for these packages, by name and version.
    """
    text = (Path(__file__).parent / "locks_of_others" / lock).read_text()
    for package, integrity in integrities.items():
        text = text.replace(INTEGRITIES[package], integrity)
    return read_foreign_lock(text.encode(), LOCKS[lock])
