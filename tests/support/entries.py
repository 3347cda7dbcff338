"""Store entries made on the spot, and what lies in a folder, for the tests of the stages."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import xxhash

from pmpipe.store import Store
from stages.entries.entry import INDEX_NAME, EntryIndex, encode_index
from support.packages import Files, PackedFile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store that is in use."""
    one = Store(f"{tmp_path}/store")
    one.open()
    yield one
    one.close()


def make_entry(folder: Path, files: Files, *, has_install_script: bool = False) -> str:
    """Write a store entry as extract leaves it: the files, their folders, and the index; return its path."""
    packed = {path: file if isinstance(file, PackedFile) else PackedFile(file) for path, file in files.items()}
    folder.mkdir(parents=True)
    folders: dict[str, None] = {}
    for path in packed:
        parts = path.split("/")[:-1]
        folders.update(("/".join(parts[: depth + 1]), None) for depth in range(len(parts)))
    for path in folders:
        (folder / path).mkdir()
        (folder / path).chmod(0o755)
    for path, file in packed.items():
        (folder / path).write_bytes(file.content)
        (folder / path).chmod(file.mode)
    index = EntryIndex(
        folders=tuple(os.fsencode(path) for path in folders),
        paths=tuple(os.fsencode(path) for path in packed),
        sizes=tuple(len(file.content) for file in packed.values()),
        executable=tuple(bool(file.mode & 0o100) for file in packed.values()),
        digests=b"".join(xxhash.xxh3_128_digest(file.content) for file in packed.values()),
        has_install_script=has_install_script,
        integrity="sha512-test",
    )
    (folder / INDEX_NAME).write_bytes(encode_index(index))
    return str(folder)


def tree(folder: Path) -> dict[str, str | bytes]:
    """What lies below a folder: path -> content of a file, ``-> target`` of a link, ``/`` for a folder; no index."""
    found: dict[str, str | bytes] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            relative = str(path.relative_to(folder))
            if path.is_symlink():
                found[relative] = f"-> {os.readlink(path)}"
            else:
                found[relative] = "/" if path.is_dir() else path.read_bytes()
    return {path: found[path] for path in sorted(found) if path != INDEX_NAME}


def modes(folder: Path) -> Mapping[str, int]:
    """The permission bits of everything below a folder that is no link."""
    paths = [path for path in folder.rglob("*") if not path.is_symlink() and path.name != INDEX_NAME]
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in paths}
