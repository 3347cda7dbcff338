"""What a resolution makes, on its way from the resolve process to the main one: in a file, because it may be large."""

from __future__ import annotations

import os

import msgspec

from pmpipe.system.whole_file import write_new
from stages.entries.store_trouble import store_error


class Made(msgspec.Struct, frozen=True, array_like=True):
    """A lock, and the package.json files that belong to it.

    Attributes:
        lock: the lockfile's text, which the tree follows from.
        manifests: the package.json files that differ from the disk's, by path relative to the project.
        saves_lock: the lockfile is to be written.
        saves_manifests: the package.json files are.
        yarn_lock: of the project's yarn.lock, if npm would write that, too; else empty.
        packages: how many are in the tree.
        unavailable: locations of optional packages that cannot be installed, as something that they need is not there.
        has_extraneous: there are packages that nothing needs.
        never_built: locations of packages that say that node-gyp does not build them (``gypfile``).
        old_lock: the text of version 1 that is to be written instead, which says too little to install from; or empty.
    """

    lock: bytes
    manifests: dict[str, bytes] = {}
    saves_lock: bool = True
    saves_manifests: bool = True
    yarn_lock: bytes = b""
    packages: int = 0
    unavailable: tuple[str, ...] = ()
    has_extraneous: bool = False
    never_built: tuple[str, ...] = ()
    old_lock: bytes = b""

    @property
    def is_saved(self) -> bool:
        """Whether all of it will be on the disk."""
        return self.saves_lock and not self.old_lock and (self.saves_manifests or not self.manifests)


def write_made(made: Made, staging: str) -> str:
    """Write it to a new file in the staging folder; the file's absolute path.

    Raises:
        StoreError: it cannot be written.
    """
    path = f"{staging}/made-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        write_new(path, msgspec.msgpack.encode(made))
    except OSError as error:
        raise store_error(path, error) from error
    return path


def take_made(path: str) -> Made:
    """Read it, and remove the file.

    Raises:
        StoreError: it cannot be read or removed.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
    except OSError as error:
        raise store_error(path, error, "take up") from error
    return msgspec.msgpack.decode(data, type=Made)
