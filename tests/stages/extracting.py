"""Runs the extract stage's handler on tarballs made on the spot, and asks npm to unpack the same."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from npm.asking_npm import ask_npm

from stages.entries.entry import INDEX_NAME, read_index
from stages.extract import make_handler
from stages.messages import (
    ArchiveLimits,
    Damaged,
    Extract,
    Extracted,
    Failed,
    IntegrityText,
    JobId,
    PackageFolder,
    SharedBytes,
    Source,
    TarballFile,
)

LIMITS = ArchiveLimits(entries=10_000, one_file=64 << 20, all_files=256 << 20, ratio=1000)

#: path -> content and whether the owner may execute it
Found = dict[bytes, tuple[bytes, bool]]


class Extractor:
    """A handler with a store of its own below a folder.

    Attributes:
        store: the version folder.
        checks: look at what every job leaves; not possible where `os.walk` cannot go.
    """

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store" / "v1"
        self._folder = folder
        self.checks = True
        self._serial = 0

    def run(self, tarball: bytes, **fields) -> Extracted | Failed:
        """Extract from an arena that holds the tarball somewhere in the middle."""
        offset = mmap.PAGESIZE
        with mmap.mmap(-1, offset + len(tarball) + mmap.PAGESIZE) as arena:
            arena[:] = b"\xaa" * len(arena)
            arena[offset : offset + len(tarball)] = tarball
            return self._run(arena, SharedBytes(offset, len(tarball)), fields)

    def run_source(self, source: Source, **fields) -> Extracted | Failed | Damaged:
        """Extract from a file or a folder."""
        with mmap.mmap(-1, mmap.PAGESIZE) as arena:
            return self._run(arena, source, fields)

    def run_file(self, path: Path, **fields) -> Extracted | Failed:
        """Extract from a file."""
        return self.run_source(TarballFile(str(path)), **fields)

    def run_folder(self, path: Path, **fields) -> Extracted | Failed:
        """Pack a folder as that of a git dependency."""
        return self.run_source(PackageFolder(str(path)), **{"key": "ab" * 20, **fields})

    def entries(self) -> list[str]:
        """What is visible in the store, as paths relative to it."""
        return sorted(
            str(path.relative_to(self.store)) for path in self.store.glob("*/*/*") if "staging" not in str(path)
        )

    def leftovers(self) -> list[str]:
        """What is in the staging area."""
        staging = self.store / "staging"
        return os.listdir(staging) if staging.exists() else []

    def unpacked_by_npm(self, tarballs: Sequence[bytes], bins: Sequence[str] = ()) -> list[Found | str]:
        """What npm makes of each tarball, or its error."""
        paths = []
        for tarball in tarballs:
            self._serial += 1
            paths.append(self._folder / f"for-npm-{self._serial}.tgz")
            paths[-1].write_bytes(tarball)
        return self.installed_by_npm(paths, bins)

    def installed_by_npm(self, paths: Sequence[Path], bins: Sequence[str] = ()) -> list[Found | str]:
        """What npm makes of tarballs, and of folders that it packs first."""
        questions = []
        for path in paths:
            self._serial += 1
            destination = self._folder / f"by-npm-{self._serial}"
            questions.append(
                {
                    "tarball": str(path),
                    "destination": str(destination),
                    "cache": str(self._folder / "npm-cache"),
                    "bins": list(bins),
                }
            )
        answers = ask_npm(os.path.join(os.path.dirname(__file__), "ask_pacote.cjs"), questions)
        return [
            files_of(question["destination"]) if answer is None else answer
            for question, answer in zip(questions, answers, strict=True)
        ]

    def _run(self, arena: mmap.mmap, source: Source, fields: dict) -> Extracted | Failed | Damaged:
        values = {
            "job": JobId(7),
            "label": "p@1.0.0",
            "source": source,
            "integrity": IntegrityText(""),
            "store": str(self.store),
            "key": "",
            "limits": LIMITS,
            "durable": False,
        }
        handle = make_handler(arena)
        (result,) = list(handle(Extract(**{**values, **fields})))
        assert result.job == values["job"]
        assert isinstance(result, Extracted | Failed | Damaged)
        if self.checks:
            if isinstance(result, Extracted):
                assert_whole(result)
            assert not self.leftovers()
        return result


def assert_whole(result: Extracted) -> None:
    """The entry holds what its index lists, and nothing else."""
    index = read_index(result.entry)
    found = files_of(result.entry)
    assert dict(zip(index.paths, index.executable, strict=True)) == {path: found[path][1] for path in found}
    assert list(index.sizes) == [len(found[path][0]) for path in index.paths]
    assert set(index.folders) == folders_of(result.entry)
    assert (result.files, result.unpacked_bytes) == (len(index.paths), sum(index.sizes))


def files_of(folder: str) -> Found:
    """All regular files below a folder but the index; asserts that there are no links or the like, and no odd modes."""
    found: Found = {}
    root = os.fsencode(folder)
    for parent, _, names in os.walk(root):
        for name in names:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            assert stat.S_ISREG(status.st_mode), path
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = (file.read(), bool(status.st_mode & 0o100))
    found.pop(INDEX_NAME.encode(), None)
    return found


def folders_of(folder: str) -> set[bytes]:
    """All folders below a folder."""
    root = os.fsencode(folder)
    return {os.path.relpath(os.path.join(parent, name), root) for parent, names, _ in os.walk(root) for name in names}


def contents_of(result: Extracted | Failed) -> dict[bytes, bytes]:
    """The files of an entry without their modes."""
    assert isinstance(result, Extracted), result
    return {path: content for path, (content, _) in files_of(result.entry).items()}
