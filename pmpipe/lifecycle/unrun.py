"""Which packages of a project have install scripts that have not run, because nobody has allowed them yet.

It is remembered in the store, so that the next `install` runs those that somebody has allowed meanwhile. Where it is
not remembered (another store, or one that cannot be written), a package is built when it is placed anew, as with npm.
"""

from __future__ import annotations

import os

import msgspec

from pmpipe.npm.locks.package_path import PackagePath
from pmpipe.system.whole_file import write_by_way_of
from pmpipe.tree.memory import read_sealed, sealed
from pmpipe.tree.standing import project_file
from pmpipe.tree.wanted import WantedPackage


class Unrun(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One package whose scripts have not run.

    Attributes:
        location: the lockfile's key.
        identity: what was placed there: integrity, or where it is from, or the version.
    """

    location: PackagePath
    identity: str

    @classmethod
    def of(cls, package: WantedPackage) -> Unrun:
        """What stands for a package as it is placed now."""
        return cls(package.location, package.integrity or package.resolved or package.version)


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered.

    Attributes:
        packages: those whose scripts have not run.
        policy: by which policy that was decided (`pmpipe.lifecycle.gate.ScriptGate.key`).
    """

    packages: frozenset[Unrun] = frozenset()
    policy: str = ""


_decoder = msgspec.msgpack.Decoder(Waiting)


def read_waiting(store: str, project: str) -> Waiting:
    """What is remembered of a project; nothing if that cannot be read.

    Args:
        store: absolute path of the store's version folder.
        project: absolute path of the project.
    """
    try:
        return _decoder.decode(read_sealed(_path(store, project)))
    except (OSError, ValueError):
        return Waiting()


def write_waiting(store: str, project: str, waiting: Waiting) -> None:
    """Remember it; the store must be writable.

    Raises:
        OSError: it cannot be written.
    """
    path = _path(store, project)
    if not waiting.packages:
        from stages.remove import remove_tree

        remove_tree(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = f"{store}/staging/scripts-{os.getpid()}-{os.urandom(6).hex()}"
    write_by_way_of(partial, path, sealed(msgspec.msgpack.encode(waiting, order="deterministic")))


def _path(store: str, project: str) -> str:
    return f"{project_file(store, project)}.scripts"
