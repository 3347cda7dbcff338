"""Which files of a folder make up its package: npm-packlist's rules, for git checkouts and folders that are copied.

What ``npm pack`` takes depends on ``files`` in package.json, on .npmignore or else .gitignore in every folder, and on
two lists of npm's own, one that can be overruled and one that cannot (`stages.unpacking.ignore_rules`). Packages that
are bundled go along, with rules of their own.

Source: npm-packlist 10, ignore-walk 8, npm-bundled.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pmpipe.errors import ArchiveError, StoreError
from pmpipe.npm.manifests.bins import bins_of_folder
from pmpipe.npm.texts.text import printable
from stages.messages import ArchiveLimits
from stages.unpacking.ignore_rules import (
    DEFAULT_RULES,
    DEFAULTS,
    GITIGNORE,
    MANIFEST,
    NPMIGNORE,
    STRICT,
    STRICT_PACKAGE_RULES,
    STRICT_RULES,
    RuledFolder,
    compile_rules,
    read_rules,
)
from stages.unpacking.package_json import PackageManifest, bin_folder, bin_targets, decode_manifest

#: An ignore file or a package.json with more bytes is not read.
_MAXIMUM_RULE_BYTES = 4 << 20

#: Each level asks the rules of all levels above; a deeper folder is refused.
_MAXIMUM_DEPTH = 100

#: Whose rules are asked, in this order, in a package's own folder; in the folders below; in a bundled package's.
_PACKAGE_ORDER = (DEFAULTS, MANIFEST, NPMIGNORE, GITIGNORE, STRICT)
_FOLDER_ORDER = (DEFAULTS, NPMIGNORE, GITIGNORE, STRICT)
_BUNDLED_ORDER = (MANIFEST, STRICT)


class PackedFile(msgspec.Struct, frozen=True):
    """A file that belongs to the package.

    Attributes:
        path: relative to the package, as bytes on disk.
        location: absolute path.
        executable: its owner may execute it.
    """

    path: bytes
    location: str
    executable: bool


def pack_folder(folder: str, limits: ArchiveLimits) -> list[PackedFile]:
    """The files that ``npm pack`` would put into the tarball of this folder, sorted by path. Links are left out.

    Args:
        folder: absolute path of the package.
        limits: caps on what is taken; `ratio` is not looked at.

    Raises:
        ArchiveError: a cap is exceeded.
        StoreError: the folder cannot be read.
    """
    walk = _PackWalk(folder, limits)
    try:
        walk.package("", _PACKAGE_ORDER)
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else folder
        raise StoreError(f"cannot read {printable(where)}: {error.strerror}") from error
    return [walk.files[path] for path in sorted(walk.files)]


def read_packed(file: PackedFile) -> bytes:
    """The content of a file that `pack_folder` found.

    Raises:
        StoreError: it cannot be read, or is no file any more.
    """
    try:
        return _read_regular(file.location, None, os.O_NOFOLLOW)
    except OSError as error:
        raise StoreError(f"cannot read {printable(file.location)}: {error.strerror}") from error


class _PackWalk:
    """Collects the files of a package and of those bundled with it.

    Attributes:
        files: path relative to the root -> file.
    """

    def __init__(self, root: str, limits: ArchiveLimits) -> None:
        self._root = root
        self._limits = limits
        self._bytes = 0
        self._packages: set[str] = set()
        self.files: dict[bytes, PackedFile] = {}

    def package(self, path: str, order: Sequence[str]) -> None:
        """Take the files of one package, and of the packages bundled with it.

        Args:
            path: of the package relative to the root, empty or with a slash at its end.
            order: whose rules count in its folder.
        """
        waiting = [(path, order)]
        while waiting:
            path, order = waiting.pop()
            if path in self._packages:
                continue
            self._packages.add(path)
            manifest = self._manifest(path)
            folder = RuledFolder(path, posixpath.basename(path.rstrip("/")), None, order)
            folder.rules[DEFAULTS] = compile_rules(DEFAULT_RULES)
            below = _PACKAGE_ORDER if manifest.workspaces is not None and not path else _FOLDER_ORDER
            self._folder(folder, manifest, below, 0)
            waiting.extend((bundled, _BUNDLED_ORDER) for bundled in self._bundled(path, manifest))

    def _folder(self, folder: RuledFolder, manifest: PackageManifest | None, below: Sequence[str], depth: int) -> None:
        """Take the files of a folder and of those in it; `manifest` is given for a package's own."""
        if depth > _MAXIMUM_DEPTH:
            raise ArchiveError(f"{printable(folder.path, 200)} is more than {_MAXIMUM_DEPTH} folders deep")
        entries = sorted(os.listdir(self._absolute(folder.path)))
        self._read_rules(folder, entries, manifest)
        for entry in entries:
            # npm refuses to pack it because Windows could not unpack it
            if "*" in entry:
                continue
            as_file, as_folder = folder.takes(entry), folder.takes(entry, partial=True)
            if not as_file and not as_folder:
                continue
            path = folder.path + entry
            status = os.lstat(self._absolute(path))
            if stat.S_ISREG(status.st_mode) and as_file:
                self._take(path, status)
            elif stat.S_ISDIR(status.st_mode) and as_folder:
                child = RuledFolder(f"{path}/", entry, folder, below, exact=as_file or folder.takes(f"{entry}/"))
                child.required = [
                    posixpath.basename(file) for file in folder.required if posixpath.dirname(file) == entry
                ]
                self._folder(child, None, below, depth + 1)

    def _take(self, path: str, status: os.stat_result) -> None:
        limits = self._limits
        self._bytes += status.st_size
        if status.st_size > limits.one_file or self._bytes > limits.all_files or len(self.files) >= limits.entries:
            raise ArchiveError(
                f"{printable(path, 200)} is too much: the limits are {limits.entries:,} files, "
                f"{limits.one_file:,} bytes in one and {limits.all_files:,} bytes in all of them"
            )
        name = os.fsencode(path)
        self.files[name] = PackedFile(name, self._absolute(path), bool(status.st_mode & stat.S_IXUSR))

    def _read_rules(self, folder: RuledFolder, entries: Iterable[str], manifest: PackageManifest | None) -> None:
        rules = folder.rules
        if manifest is None:
            rules[DEFAULTS] = compile_rules(DEFAULT_RULES)
            rules[STRICT] = compile_rules((*STRICT_RULES, *(f"!{file}" for file in folder.required)))
        for entry in entries:
            if entry not in folder.order:
                continue
            if entry == MANIFEST and manifest is not None:
                self._read_manifest_rules(folder, manifest)
            else:
                content = _read_regular(self._absolute(folder.path + entry), _MAXIMUM_RULE_BYTES)
                rules[entry] = read_rules(content)
        # files in package.json overrules both ignore files, and .npmignore overrules .gitignore
        if MANIFEST in rules:
            rules.pop(NPMIGNORE, None)
        if MANIFEST in rules or NPMIGNORE in rules:
            rules.pop(GITIGNORE, None)

    def _read_manifest_rules(self, folder: RuledFolder, manifest: PackageManifest) -> None:
        strict = list(STRICT_PACKAGE_RULES)
        # a text that is no list is one of its characters to npm: "lib" has it take the files l, i and b
        if isinstance(manifest.files, list) or (isinstance(manifest.files, str) and manifest.files):
            included = ["*"]
            for given in manifest.files:
                if isinstance(given, str):
                    self._include(given, folder, included, strict)
            folder.rules[MANIFEST] = compile_rules(included)
        strict += [f"!/{path}" for path in (manifest.browser, manifest.main) if path and isinstance(path, str)]
        strict += [f"!/{target.decode()}" for target in bin_targets(manifest)]
        strict += [f"!/{target}" for target in self._targets_in_folder(folder.path, manifest)]
        folder.rules[STRICT] = compile_rules(strict)

    def _targets_in_folder(self, path: str, manifest: PackageManifest) -> Iterable[str]:
        """What ``directories.bin`` of the package at `path` stands for."""
        inside = "" if manifest.bin else bin_folder(manifest).decode()
        base = f"{os.path.realpath(self._absolute(path))}/{inside}"
        # what lies behind a link is not packed
        if not inside or os.path.realpath(base) != base or not os.path.isdir(base):
            return ()
        return bins_of_folder(inside, _everything_below(base)).values()

    def _include(self, given: str, folder: RuledFolder, included: list[str], strict: list[str]) -> None:
        """Turn one member of ``files`` into rules."""
        wanted = given.removeprefix(".") if given.startswith("./") else given
        if wanted.endswith("/*"):
            wanted += "*"
        try:
            place = posixpath.normpath(folder.path + wanted.lstrip("!").lstrip("/"))
            # as on Windows, though in the rule itself npm takes a backslash for an escape
            mode = os.lstat(self._absolute(place.replace("\\", "/"))).st_mode
        except (OSError, ValueError):
            # no such file: a pattern
            included.append(f"!{wanted}")
            return
        if stat.S_ISREG(mode):
            strict.insert(0, f"!{wanted}")
            folder.required.append(wanted.removeprefix("/"))
        elif stat.S_ISDIR(mode):
            included += [f"!{wanted}", f"!{wanted}/**"]

    def _bundled(self, path: str, manifest: PackageManifest) -> Iterator[str]:
        """The folders of the packages that go into the tarball with this one."""
        dependencies = [*_names(manifest.dependencies), *_names(manifest.optional_dependencies)]
        if not path:
            given = manifest.bundle_dependencies or manifest.bundled_dependencies
            wanted = set(_names(manifest.dependencies if given is True else given))
            dependencies = [name for name in dependencies if name in wanted]
        for name in dependencies:
            found = self._resolve(path, name)
            if found is not None:
                yield found

    def _resolve(self, path: str, name: str) -> str | None:
        """Where Node would find a dependency of the package at `path`, within the root; links are passed over."""
        if ".." in name.split("/") or not name.strip("./"):
            return None
        while True:
            found = f"{path}node_modules/{name}/"
            if self._is_real_folder(found):
                return found
            if not path:
                return None
            path = path[: path.rindex("node_modules/", 0, len(path) - 1)]

    def _is_real_folder(self, path: str) -> bool:
        """Whether there is a folder that no link leads to: a repository must not make one of this machine a package."""
        location = os.path.normpath(f"{os.path.realpath(self._root)}/{path}")
        return os.path.isdir(location) and os.path.realpath(location) == location

    def _manifest(self, path: str) -> PackageManifest:
        try:
            return decode_manifest(_read_regular(self._absolute(path + MANIFEST), _MAXIMUM_RULE_BYTES))
        except FileNotFoundError:
            return PackageManifest()

    def _absolute(self, path: str) -> str:
        return f"{self._root}/{path}"


def _everything_below(folder: str) -> Iterator[str]:
    """Paths of files and folders relative to the folder; what is too deep to be packed is left out."""
    waiting = [""]
    while waiting:
        start = waiting.pop()
        with os.scandir(f"{folder}/{start}") as listing:
            for entry in listing:
                yield start + entry.name
                if entry.is_dir(follow_symlinks=False) and start.count("/") < _MAXIMUM_DEPTH:
                    waiting.append(f"{start}{entry.name}/")


def _names(given: object) -> list[str]:
    return [name for name in given if isinstance(name, str)] if isinstance(given, list | dict) else []


def _read_regular(path: str, limit: int | None, flags: int = 0) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: it cannot be read, is something else, or has more bytes than the limit.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    with open(fd, "rb", buffering=0) as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or (limit is not None and status.st_size > limit):
            raise OSError(0, "it is no regular file, or too long", path)
        return file.read()
