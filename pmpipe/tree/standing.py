"""Is everything as the last install left it? Answered without reading the lockfile's entries or starting a process.

At the end of an install a record of the project goes into the store: what the tree followed from (`tree_key` and
`Inputs`), the hidden lockfile's identity, and every folder and link that was in place. If all of it is still the same,
and no folder is newer than the hidden lockfile, there is nothing to do: an added, removed or exchanged package would
have made its parent folder newer. It is the comparison that npm makes with its hidden lockfile, for one ``lstat`` per
package. What was edited in place is found by `pmpipe verify`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pmpipe.project.project_files import HIDDEN_LOCKFILE
from pmpipe.system.whole_file import write_by_way_of
from pmpipe.tree.memory import Inputs, read_sealed, sealed
from pmpipe.tree.wanted import WantedTree

if TYPE_CHECKING:
    from pmpipe.project.workspace_folders import FindFolders

#: Changes with the store's layout; another version lives beside this one.
STORE_VERSION = "v1"

#: The folder of the store's version in which the records of projects are.
PROJECTS = "projects"

#: npm's tolerance: writing the file itself makes its folder a little newer.
TOLERANCE_NS = 10_000_000


#: A file's inode, size and modification time (ns).
FileIdentity: TypeAlias = tuple[int, int, int]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """How an install left a project.

    Attributes:
        key: what the tree is remembered under.
        inputs: what it followed from besides.
        with_bins: executables were linked.
        hidden_lockfile: inode, size and modification time (ns).
        folders: every package, scope, ``.bin`` and node_modules folder, relative to the project.
        links: path of each linked package -> the link's text.
        absent: workspaces' node_modules folders that did not exist.
        packages: how many were in place, see `WantedTree.count`.
    """

    key: str
    inputs: Inputs
    with_bins: bool
    hidden_lockfile: FileIdentity
    folders: tuple[str, ...]
    links: dict[str, str]
    absent: tuple[str, ...]
    packages: int


_decoder = msgspec.msgpack.Decoder(Record)


def count_standing(
    store: str, project: str, key: str, *, with_bins: bool, find: FindFolders | None = None
) -> int | None:
    """How many packages there are, if the project is as the last install with this key left it; else None.

    Args:
        store: absolute path of the store's version folder.
        project: absolute path of the project.
        key: from `pmpipe.tree.memory.tree_key`.
        with_bins: executables are to be linked.
        find: who knows the folders of workspace patterns; by default they are looked for.

    Raises:
        FilesystemError: a package.json cannot be read.
    """
    try:
        record = _decoder.decode(read_sealed(project_file(store, project)))
    except (OSError, ValueError):
        return None  # no record that can be used: the tree itself is looked at
    if (record.key, record.with_bins) != (key, with_bins) or not record.inputs.hold(project, find=find):
        return None
    return record.packages if _is_unchanged(project, record) else None


def recorded_links(store: str, project: str) -> dict[str, str]:
    """The links that the last install left: path -> the link's text; nothing if there is no record."""
    try:
        return _decoder.decode(read_sealed(project_file(store, project))).links
    except (OSError, ValueError):
        return {}


def _is_unchanged(project: str, record: Record) -> bool:
    try:
        if hidden_lockfile_identity(project) != record.hidden_lockfile:
            return False
        newest = record.hidden_lockfile[2] + TOLERANCE_NS
        lstat, is_folder = os.lstat, stat.S_ISDIR
        for folder in record.folders:
            found = lstat(f"{project}/{folder}")
            if found.st_mtime_ns > newest or not is_folder(found.st_mode):
                return False
        if any(os.readlink(f"{project}/{path}") != text for path, text in record.links.items()):
            return False
    except OSError:
        return False
    return not any(os.path.lexists(f"{project}/{path}") for path in record.absent)


def write_record(store: str, project: str, key: str, inputs: Inputs, tree: WantedTree, *, with_bins: bool) -> None:
    """Note how an install has left the project; the store must be writable.

    Raises:
        OSError: the record cannot be written, or the tree is not there.
    """
    links = [package.location for package in tree.packages if package.link_target is not None]
    workspaces = [f"{path}/node_modules" for path in tree.workspaces]
    record = Record(
        key,
        inputs,
        with_bins,
        hidden_lockfile_identity(project),
        tuple(sorted(_folders(project, tree, with_bins=with_bins))),
        {path: os.readlink(f"{project}/{path}") for path in links},
        tuple(path for path in workspaces if not os.path.lexists(f"{project}/{path}")),
        tree.count(),
    )
    os.makedirs(f"{store}/{PROJECTS}", exist_ok=True)
    # not by the process id alone: containers that share a store may count alike
    partial = f"{store}/staging/project-{os.getpid()}-{os.urandom(6).hex()}"
    write_by_way_of(partial, project_file(store, project), sealed(msgspec.msgpack.encode(record)))


def forget(store: str, project: str) -> None:
    """Drop the record, if there is one, before the project is changed.

    Raises:
        OSError: it is there and cannot be removed.
    """
    from stages.remove import remove_tree

    remove_tree(project_file(store, project))


def _folders(project: str, tree: WantedTree, *, with_bins: bool) -> set[str]:
    """All folders whose modification times tell that something was added, removed or exchanged in them."""
    # these may be missing: a bundled package that its tarball lacks, executables without a target, ...
    doubtful = {"node_modules", *(f"{path}/node_modules" for path in tree.workspaces)}
    doubtful.update(package.location for package in tree.packages if package.in_bundle)
    if with_bins:
        doubtful.update(bins.bin_folder for bins in tree.bins)
    folders = {folder for folder in doubtful if os.path.isdir(f"{project}/{folder}")}
    for package in tree.packages:
        if package.link_target is None and not package.in_bundle:
            folders.add(package.location)
        folders.add(package.location.rpartition("/")[0])
    return folders


def hidden_lockfile_identity(project: str) -> FileIdentity:
    """Of the hidden lockfile of a project at an absolute path.

    Raises:
        OSError: there is none, or the system does not say.
    """
    found = os.stat(f"{project}/{HIDDEN_LOCKFILE}")
    return found.st_ino, found.st_size, found.st_mtime_ns


def project_file(store: str, project: str) -> str:
    """Where a store's version folder keeps what it remembers of the project at an absolute path."""
    return f"{store}/{PROJECTS}/{hashlib.sha256(os.fsencode(os.path.realpath(project))).hexdigest()}"
