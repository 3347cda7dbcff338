"""What lies in a folder, down to the last bit, and what should lie there."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path

import xxhash

from stages.entries.entry import INDEX_NAME, read_index
from support.packages import Package

#: Path within the folder -> type, permissions, and digest of the bytes or target of the link.
Snapshot = dict[str, str]


def snapshot(folder: Path | str) -> Snapshot:
    """Everything below a folder; empty if there is none. A link in its own place is one entry, and not followed."""
    found: Snapshot = {}
    base = os.fsencode(folder)
    if os.path.islink(base):
        return {".": f"link {os.fsdecode(os.readlink(base))}"}
    for parent, folders, files in os.walk(base):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            found[os.fsdecode(os.path.relpath(path, base))] = _describe(path)
    return found


def _describe(path: bytes) -> str:
    status = os.lstat(path)
    permissions = f"{stat.S_IMODE(status.st_mode):03o}"
    if stat.S_ISLNK(status.st_mode):
        return f"link {os.fsdecode(os.readlink(path))}"
    if stat.S_ISDIR(status.st_mode):
        return f"folder {permissions}"
    if not stat.S_ISREG(status.st_mode):
        return f"special {status.st_mode:o}"
    with open(path, "rb") as file:
        return file_of(file.read(), permissions)


def file_of(content: bytes, permissions: str = "644") -> str:
    """How a snapshot shows a regular file."""
    return f"file {permissions} {len(content)} {hashlib.sha1(content).hexdigest()}"


def tree_of(packages: Mapping[str, Package | Mapping[str, object]]) -> Snapshot:
    """What a project's node_modules holds when these lockfile entries are installed, without the hidden lockfile.

    Read from the tarballs by the standard library, so that it shares no code with what is tested.
    """
    found: Snapshot = {}
    for path, package in packages.items():
        within = path.removeprefix("node_modules/")
        if isinstance(package, Package):
            _add_package(found, within, package)
        elif package.get("link"):
            _add_folders(found, os.path.dirname(within))
            target = os.path.relpath(str(package["resolved"]), os.path.dirname(path))
            found[within] = f"link {target}"
    return found


def _add_package(found: Snapshot, within: str, package: Package) -> None:
    _add_folders(found, within)
    bins = package.manifest.get("bin", {})
    bins = {package.name.rpartition("/")[2]: bins} if isinstance(bins, str) else bins
    targets = {os.path.normpath(target) for target in bins.values()}
    plain = gzip.decompress(package.tarball)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        for member in tar.getmembers():
            file = tar.extractfile(member)
            assert file is not None, "only well-behaved packages have a tree that is known beforehand"
            path = member.name.split("/", 1)[1]
            _add_folders(found, os.path.dirname(f"{within}/{path}"))
            permissions = "755" if member.mode & 0o100 or path in targets else "644"
            found[f"{within}/{path}"] = file_of(file.read(), permissions)
    head, name = os.path.split(within)
    above = os.path.dirname(head) if os.path.basename(head).startswith("@") else head
    for name, target in bins.items():
        folder = os.path.join(above, ".bin")
        _add_folders(found, folder)
        relative = os.path.relpath(f"{within}/{os.path.normpath(target)}", folder)
        found[f"{folder}/{name}"] = f"link {relative}"


def _add_folders(found: Snapshot, path: str) -> None:
    while path:
        found[path] = "folder 755"
        path = os.path.dirname(path)


def differences(expected: Snapshot, found: Snapshot) -> list[str]:
    """What differs between two snapshots, one line each."""
    return [
        f"{path}: {expected.get(path, 'nothing')} became {found.get(path, 'nothing')}"
        for path in sorted(expected.keys() | found.keys())
        if expected.get(path) != found.get(path)
    ]


def faults_of_store(store: Path) -> list[str]:
    """What is wrong with a store: entries that are not whole, or not what their index says."""
    faults = []
    version = store / "v1"
    for entry in sorted(version.glob("*/??/*")):
        if entry.parts[len(version.parts)] != "staging":
            faults += [f"{entry}: {fault}" for fault in _faults_of_entry(entry)]
    return faults


def _faults_of_entry(entry: Path) -> list[str]:
    index = read_index(str(entry))
    expected = {INDEX_NAME: None} | {os.fsdecode(path): None for path in index.paths}
    faults = []
    for number, path in enumerate(index.paths):
        file = entry / os.fsdecode(path)
        if file.is_symlink() or not file.is_file():
            faults.append(f"{file} is no file")
            continue
        digest = index.digests[16 * number : 16 * number + 16]
        if xxhash.xxh3_128_digest(file.read_bytes()) != digest:
            faults.append(f"{file} has other bytes")
        if bool(file.stat().st_mode & 0o100) != index.executable[number]:
            faults.append(f"{file} has another mode")
    present = {str(path.relative_to(entry)) for path in entry.rglob("*") if not path.is_dir()}
    return faults + [f"{path} is in no index" for path in sorted(present - set(expected))]
