"""Which files an entry gets: npm's rules for the paths in a tarball, applied before anything is written.

The first segment of every path is stripped, whatever it is; what stands outside any folder is dropped. An absolute
path loses its root. A ``.gitignore`` becomes ``.npmignore`` unless there is one. Of two members of one name the last
gives the content and the first the mode, as when npm writes one over the other. Folders exist only as the parents of
files. Where npm would leave out a single member with a warning (``..``, a name that no filesystem takes) or end up with
an arbitrary one of two (a file where a folder is), the whole package is rejected: a part of a package is none.

Source: pacote's fetcher, node-tar's unpack.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec

from pmpipe.errors import ArchiveError
from pmpipe.npm.texts.text import printable
from stages.entries.entry import INDEX_NAME

#: What tells the content of one file: a member of an archive, or a file in a folder.
SourceT = TypeVar("SourceT")

#: node-tar's default.
MAXIMUM_DEPTH = 1024

#: What every Linux filesystem takes at most, in bytes.
_MAXIMUM_COMPONENT = 255

#: How much of a path goes into a message.
_SHOWN = 200

#: No component of a path of this length is too long.
_SHORT = _MAXIMUM_COMPONENT

_INDEX_NAME = INDEX_NAME.encode()
#: Numbers are looked for in bytes faster than bytes are.
_DOT, _BACKSLASH, _COLON = b".\\:"

_GITIGNORE = b".gitignore"
_NPMIGNORE = b".npmignore"

#: What node-tar takes for the root of an absolute path, on every platform: slashes, and Windows' drives and shares.
_ROOT = re.compile(
    rb"""(?: /(?!/\?/) | [\\/]{2} [^\\/]+ [\\/]+ [^\\/]+ (?:[\\/]|\Z) | [\\/] | [A-Za-z]: [\\/]? )+""", re.VERBOSE
)


class Layout(msgspec.Struct, Generic[SourceT]):
    """Where each file of a package goes; built by `add`, checked by `finish`.

    Attributes:
        maximum_entries: cap on files and folders together; deep paths make many folders out of few files.
        folders: all and only the parents of `files`, relative to the package, parents before children.
        files: path relative to the package -> where its content is.
        executable: those of `files` that get mode 755.
        warnings: what was odd but harmless, one line each.
    """

    maximum_entries: int
    folders: dict[bytes, None] = msgspec.field(default_factory=dict)
    files: dict[bytes, SourceT] = msgspec.field(default_factory=dict)
    executable: set[bytes] = msgspec.field(default_factory=set)
    warnings: list[str] = msgspec.field(default_factory=list)
    _npmignores: set[bytes] = msgspec.field(default_factory=set)
    #: folder in the archive whose name is in order -> where its files go, with a slash at the end unless it is empty
    _prefixes: dict[bytes, bytes] = msgspec.field(default_factory=dict)

    def add(self, name: bytes, source: SourceT, *, executable: bool) -> None:
        """Place one file.

        Args:
            name: its path in the archive, with the first segment that is to be stripped.
            source: where its content is.
            executable: whether the owner may execute it.

        Raises:
            ArchiveError: the path may not be unpacked.
        """
        folder, _, base = name.rpartition(b"/")
        prefix = self._prefixes.get(folder)
        # most files lie beside one whose folder has been looked at, and have a name like any other
        if (
            prefix is None
            or not base
            or base[0] == _DOT
            or _BACKSLASH in base
            or _COLON in base
            or 0 in base
            or len(name) > _SHORT
        ):
            self._add_carefully(name, source, executable=executable)
            return
        path = prefix + base
        if executable and path not in self.files:
            self.executable.add(path)
        self.files[path] = source

    def _add_carefully(self, name: bytes, source: SourceT, *, executable: bool) -> None:
        name = self._renamed(name)
        if not name:
            return
        path = name.partition(b"/")[2]
        plain = len(path) <= _SHORT and not _is_odd(name, path)
        if not plain:
            path = self._tidied(name)
        if not path:
            return
        folder = path.rpartition(b"/")[0]
        if folder and folder not in self.folders:
            self._add_folder(folder)
        if plain:
            self._prefixes[name.rpartition(b"/")[0]] = folder + b"/" if folder else b""
        if executable and path not in self.files:
            self.executable.add(path)
        self.files[path] = source

    def place(self, path: bytes, source: SourceT) -> None:
        """Place a file, not executable, at a path within the package that no archive has named.

        Raises:
            ArchiveError: no filesystem takes the path, or there are too many.
        """
        if len(path) > _SHORT and any(len(part) > _MAXIMUM_COMPONENT for part in path.split(b"/")):
            raise ArchiveError(f"{_shown(path)} has a name that is too long")
        folder = path.rpartition(b"/")[0]
        if folder and folder not in self.folders:
            self._add_folder(folder)
        self.files[path] = source

    def check_folder(self, name: bytes) -> None:
        """Look at a folder's name; it is not made on its own.

        Raises:
            ArchiveError: the path may not be unpacked.
        """
        if b".." in name:
            _refuse_parent_segments(name, name)

    def finish(self) -> None:
        """Check what can be known only of all files together.

        Raises:
            ArchiveError: a path is both a file and a folder, there is a file of the index's name, or no file at all.
        """
        if not self.files:
            raise ArchiveError("there are no files in it")
        both = self.files.keys() & self.folders.keys()
        if both:
            raise ArchiveError(f"{_shown(min(both))} is both a file and a folder")
        if _INDEX_NAME in self.files or _INDEX_NAME in self.folders:
            raise ArchiveError(f"{INDEX_NAME} is a reserved name")

    def _add_folder(self, folder: bytes) -> None:
        parent = folder.rpartition(b"/")[0]
        missing = [folder]
        while parent and parent not in self.folders:
            missing.append(parent)
            parent = parent.rpartition(b"/")[0]
        self.folders.update(dict.fromkeys(reversed(missing)))
        if len(self.folders) + len(self.files) > self.maximum_entries:
            raise ArchiveError(f"there are more than {self.maximum_entries:,} files and folders, which is the limit")

    def _renamed(self, name: bytes) -> bytes:
        """The path that an ignore file gets in the archive, or nothing when it is to be left out; others keep theirs.

        npm looks at the path as the archive has it, before anything in it is put in order.
        """
        folder, slash, base = name.rpartition(b"/")
        if base == _NPMIGNORE:
            self._npmignores.add(name)
        elif base == _GITIGNORE:
            name = folder + slash + _NPMIGNORE
            return b"" if name in self._npmignores else name
        return name

    def _tidied(self, name: bytes) -> bytes:
        """The path within the package of a name that is not plainly ``folder/path``; empty if it has none."""
        if 0 in name:
            raise ArchiveError(f"{_shown(name)} has a NUL in its name")
        first, _, path = name.partition(b"/")
        root = _ROOT.match(path)
        if root or (not first and path):
            path = path[root.end() :] if root else path
            self.warnings.append(f"{_shown(name)} is absolute, it was unpacked inside the package")
        _refuse_parent_segments(name, path)
        if path.count(b"/") >= MAXIMUM_DEPTH:
            raise ArchiveError(f"{_shown(name)} is more than {MAXIMUM_DEPTH:,} folders deep")
        components = [component for component in path.split(b"/") if component not in (b"", b".")]
        if any(len(component) > _MAXIMUM_COMPONENT for component in components):
            raise ArchiveError(f"{_shown(name)} has a name of more than {_MAXIMUM_COMPONENT} bytes in it")
        return b"/".join(components)


def _is_odd(name: bytes, path: bytes) -> bool:
    """Whether a name needs a closer look; nearly none does, so this decides what the average file costs."""
    return (
        b"//" in name
        or b"/." in name
        or _BACKSLASH in name
        or 0 in name
        or path[1:2] == b":"
        or name[:1] in b"./"
        or path[-1:] in b"/"
    )


def _refuse_parent_segments(name: bytes, path: bytes) -> None:
    # also in what is left when a root is gone: C:../x
    if any(b".." in one.replace(b"\\", b"/").split(b"/") for one in (name, path)):
        raise ArchiveError(f"{_shown(name)} leaves the package: there is a .. in it")


def _shown(path: bytes) -> str:
    return printable(path, _SHOWN)
