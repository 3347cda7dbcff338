"""Remembering wanted trees: the same inputs give the same tree, so it need not be worked out again.

Checking a lockfile against the package.json files, selecting and ordering takes longer than everything else that an
install with nothing to do does. Its outcome depends on the lockfile, the package.json files, some settings and the
platform. A tree is kept under a digest of those inputs that are known before anything is parsed; the others (the
package.json files that were read, and which folders the workspace patterns found) are kept with it and compared.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from pmpipe import __version__
from pmpipe.project.project_files import NO_CONTENTS, Contents, read_file
from pmpipe.system.whole_file import write_by_way_of
from pmpipe.tree.wanted import WantedTree

if TYPE_CHECKING:
    from pmpipe.project.workspace_folders import FindFolders

_CHECKSUM_BYTES = 4

#: Changes with what is remembered of a tree, and with how it is worked out.
_FORMAT = 11

#: The store's folder of remembered resolutions (`pmpipe.resolving.remembered`).
RESOLUTIONS = "resolutions"

#: Trees kept in one store; the ones that were worked out longest ago go first.
_KEPT = 64


class Inputs(msgspec.Struct, frozen=True, array_like=True):
    """What a tree depends on beside its key.

    Attributes:
        manifests: path of each package.json that was read or looked for, relative to the project -> its digest; empty
            if absent.
        patterns: the root's workspace patterns.
        found: the folders that they found.
    """

    manifests: dict[str, str]
    patterns: tuple[str, ...]
    found: tuple[str, ...]

    def hold(self, project: str, contents: Contents = NO_CONTENTS, find: FindFolders | None = None) -> bool:
        """Whether all of it is still the same.

        Args:
            project: absolute path of the project.
            contents: of files that are to be written yet.
            find: who knows the folders of workspace patterns; by default they are looked for.
        """
        if digests_of(project, self.manifests, contents) != self.manifests:
            return False
        if not self.patterns:
            return True
        if find is not None:
            return tuple(find(self.patterns)) == self.found
        from pmpipe.project.workspace_folders import find_folders

        return tuple(find_folders(project, self.patterns)) == self.found


class Remembered(msgspec.Struct, frozen=True, array_like=True):
    """A wanted tree.

    Attributes:
        inputs: what it depends on beside its key.
        tree: that tree.
        has_drifted: the lock would be written differently by now.
        is_checked: the lock was compared with the package.json files, and the tree holds all warnings that came of it;
            else it had just been made of them, and something may be off about it, as with npm's.
    """

    inputs: Inputs
    tree: WantedTree
    has_drifted: bool = False
    is_checked: bool = True


_decoder = msgspec.msgpack.Decoder(Remembered)


def sealed(content: bytes) -> bytes:
    """The content with a checksum in front, so that what a power cut or a bad disk made of it is not believed."""
    return _checksum(content) + content


def _checksum(content: bytes | memoryview) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def read_sealed(path: str) -> memoryview:
    """What was sealed in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: the checksum is wrong.
    """
    with open(path, "rb") as file:
        content = file.read()
    checksum, sealed_content = content[:_CHECKSUM_BYTES], memoryview(content)[_CHECKSUM_BYTES:]
    if checksum != _checksum(sealed_content):
        raise ValueError(f"{path} is torn")
    return sealed_content


def tree_key(lock: bytes, settings: Mapping[str, object]) -> str:
    """What a tree is kept under.

    Args:
        lock: the lockfile as it stands on the disk.
        settings: everything else that decides, apart from package.json files.
    """
    digest = hashlib.sha256(msgspec.json.encode([__version__, _FORMAT, {**settings}], order="sorted"))
    digest.update(lock)
    return digest.hexdigest()


def recall(
    store: str, key: str, project: str, contents: Contents = NO_CONTENTS, find: FindFolders | None = None
) -> Remembered | None:
    """The tree that was kept, if what it depends on is still the same.

    Args:
        store: absolute path of the store's version folder.
        key: from `tree_key`.
        project: absolute path of the project.
        contents: of package.json files that are to be written yet.
        find: who knows the folders of workspace patterns; by default they are looked for.

    Raises:
        FilesystemError: a package.json cannot be read.
    """
    path = f"{store}/trees/{key}"
    try:
        remembered = _decoder.decode(read_sealed(path))
    except (OSError, ValueError):
        return None  # not kept, or torn by a power cut: it is worked out again
    return remembered if remembered.inputs.hold(project, contents, find) else None


def remember(store: str, key: str, remembered: Remembered) -> None:
    """Keep a tree. The store must be writable.

    Raises:
        OSError: it cannot be written.
    """
    write_sealed(store, f"trees/{key}", msgspec.msgpack.encode(remembered), _KEPT)


def write_sealed(store: str, name: str, content: bytes, kept: int) -> None:
    """Keep something in one of the store's folders, under a checksum. The store must be writable.

    Args:
        store: absolute path of the store's version folder.
        name: of the file, with the folder's in front.
        content: what is kept.
        kept: so many files stay in the folder; those that were written longest ago go first.

    Raises:
        OSError: it cannot be written.
    """
    path = f"{store}/{name}"
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    # not by the process id alone: containers that share a store may count alike
    partial = f"{store}/staging/{os.path.basename(folder)}-{os.getpid()}-{os.urandom(6).hex()}"
    write_by_way_of(partial, path, sealed(content))
    _forget_oldest(folder, kept)


def _forget_oldest(folder: str, kept: int) -> None:
    names = os.listdir(folder)
    if len(names) <= kept:
        return
    paths = [f"{folder}/{name}" for name in names]
    try:
        paths.sort(key=lambda path: os.stat(path).st_mtime_ns)
        for path in paths[:-kept]:
            os.unlink(path)
    except FileNotFoundError:
        return  # another run is forgetting them


def digest_of_file(path: str) -> str:
    """A digest of the file's content; empty if there is no such file.

    Raises:
        FilesystemError: it exists, but cannot be read.
    """
    content = read_file("", path)
    return "" if content is None else _digest(content)


def digests_of(project: str, paths: Iterable[str], contents: Contents = NO_CONTENTS) -> dict[str, str]:
    """Digests of a project's files by their relative paths; `contents` are of files that are to be written yet."""
    return {
        path: _digest(contents[path]) if path in contents else digest_of_file(f"{project}/{path}") for path in paths
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
