"""Which files of a folder make up its package: npm-packlist's rules, for the checkout of a git dependency.

What ``npm pack`` takes depends on ``files`` in package.json, on .npmignore or else .gitignore in every folder, and on
two lists of npm's own, one that can be overruled and one that cannot. All of them are ignore rules in the manner of
.gitignore, but matched by minimatch and asked in the opposite direction: a file is first put to the rules of the
outermost folder, and each folder below may change the verdict.

Source: npm-packlist 10, ignore-walk 8, npm-bundled.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pmpipe.errors import ArchiveError, StoreError
from pmpipe.npm.minimatch import Pattern, compile_pattern
from pmpipe.npm.text import printable
from stages.messages import ArchiveLimits
from stages.package_json import PackageManifest, bin_targets, decode_manifest

#: An ignore file or a package.json with more bytes is not read.
_MAXIMUM_RULE_BYTES = 4 << 20

#: Each level asks the rules of all levels above; a deeper folder is refused.
_MAXIMUM_DEPTH = 200

_MANIFEST = "package.json"
_NPMIGNORE = ".npmignore"
_GITIGNORE = ".gitignore"
#: Places in the order of rules for npm's own lists.
_DEFAULTS = "defaults"
_STRICT = "strict"

_DEFAULT_RULES = (
    ".npmignore",
    ".gitignore",
    "**/.git",
    "**/.svn",
    "**/.hg",
    "**/CVS",
    "**/.git/**",
    "**/.svn/**",
    "**/.hg/**",
    "**/CVS/**",
    "/.lock-wscript",
    "/.wafpickle-*",
    "/build/config.gypi",
    "npm-debug.log",
    "**/.npmrc",
    ".*.swp",
    ".DS_Store",
    "**/.DS_Store/**",
    "._*",
    "**/._*/**",
    "*.orig",
    "/archived-packages/**",
)
_STRICT_RULES = ("/.git",)
_STRICT_PACKAGE_RULES = (
    *_STRICT_RULES,
    "!/package.json",
    "!/readme{,.*[^~$]}",
    "!/copying{,.*[^~$]}",
    "!/license{,.*[^~$]}",
    "!/licence{,.*[^~$]}",
    "/.git",
    "/node_modules",
    ".npmrc",
    "/package-lock.json",
    "/yarn.lock",
    "/pnpm-lock.yaml",
    "/bun.lockb",
)

#: Whose rules are asked, in this order, in a package's own folder; in the folders below; in a bundled package's.
_PACKAGE_ORDER = (_DEFAULTS, _MANIFEST, _NPMIGNORE, _GITIGNORE, _STRICT)
_FOLDER_ORDER = (_DEFAULTS, _NPMIGNORE, _GITIGNORE, _STRICT)
_BUNDLED_ORDER = (_MANIFEST, _STRICT)

_LINE_END = re.compile("\r?\n")


@dataclass(frozen=True, slots=True)
class PackedFile:
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


@dataclass(slots=True)
class _Folder:
    """A folder on the way, with its rules.

    Attributes:
        path: relative to the root of the walk, empty or with a slash at its end.
        name: the last segment.
        parent: the folder whose rules are asked first, None for a package's own folder.
        order: whose rules are asked here.
        exact: a rule above names this folder, so its files need not pass the rules above on their own.
        required: files in it that a ``files`` above names.
        rules: by the names in `order`.
    """

    path: str
    name: str
    parent: _Folder | None
    order: Sequence[str]
    exact: bool = False
    required: list[str] = field(default_factory=list)
    rules: dict[str, Sequence[Pattern]] = field(default_factory=dict)

    def takes(self, entry: str, *, partial: bool = False, base: str = "") -> bool:
        """Whether an entry passes the rules of this folder and of those above.

        Args:
            entry: its path relative to this folder; with a slash at its end it is asked for as a folder.
            partial: whether something below the entry may pass.
            base: the entry's own name, when a folder below asks.
        """
        included = True
        if self.parent is not None:
            included = self.parent.takes(f"{self.name}/{entry}", partial=partial, base=base or entry)
            if not included and not self.exact:
                return False
        parts = re.split("/+", entry)
        for name in self.order:
            for rule in self.rules.get(name, ()):
                # a rule can only turn the verdict round
                if rule.negated != included and _applies(rule, parts, base, partial=partial):
                    included = rule.negated
        return included


def _applies(rule: Pattern, parts: Sequence[str], base: str, *, partial: bool) -> bool:
    rooted = ["", *parts]
    if rule.matches(rooted) or rule.matches(parts):
        return True
    return partial and (
        _applies_to_folder(rule, rooted, parts)
        or (bool(base) and rule.is_relative and _applies_to_folder(rule, ["", base], [base]))
    )


def _applies_to_folder(rule: Pattern, rooted: Sequence[str], parts: Sequence[str]) -> bool:
    if rule.matches([*rooted, ""]) or rule.matches([*parts, ""]):
        return True
    return rule.negated and (rule.matches(rooted, partial=True) or rule.matches(parts, partial=True))


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
            folder = _Folder(path, posixpath.basename(path.rstrip("/")), None, order)
            folder.rules[_DEFAULTS] = _compiled(_DEFAULT_RULES)
            below = _PACKAGE_ORDER if manifest.workspaces is not None and not path else _FOLDER_ORDER
            self._folder(folder, manifest, below, 0)
            waiting.extend((bundled, _BUNDLED_ORDER) for bundled in self._bundled(path, manifest))

    def _folder(self, folder: _Folder, manifest: PackageManifest | None, below: Sequence[str], depth: int) -> None:
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
                child = _Folder(f"{path}/", entry, folder, below, exact=as_file or folder.takes(f"{entry}/"))
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

    def _read_rules(self, folder: _Folder, entries: Iterable[str], manifest: PackageManifest | None) -> None:
        rules = folder.rules
        if manifest is None:
            rules[_DEFAULTS] = _compiled(_DEFAULT_RULES)
            rules[_STRICT] = _compiled((*_STRICT_RULES, *(f"!{file}" for file in folder.required)))
        for entry in entries:
            if entry not in folder.order:
                continue
            if entry == _MANIFEST and manifest is not None:
                self._read_manifest_rules(folder, manifest)
            else:
                content = _read_regular(self._absolute(folder.path + entry), _MAXIMUM_RULE_BYTES)
                rules[entry] = _compiled(_LINE_END.split(content.decode("utf-8", "replace")))
        # files in package.json overrules both ignore files, and .npmignore overrules .gitignore
        if _MANIFEST in rules:
            rules.pop(_NPMIGNORE, None)
        if _MANIFEST in rules or _NPMIGNORE in rules:
            rules.pop(_GITIGNORE, None)

    def _read_manifest_rules(self, folder: _Folder, manifest: PackageManifest) -> None:
        strict = list(_STRICT_PACKAGE_RULES)
        if isinstance(manifest.files, list):
            included = ["*"]
            for given in manifest.files:
                if isinstance(given, str):
                    self._include(given, folder, included, strict)
            folder.rules[_MANIFEST] = _compiled(included)
        strict += [f"!/{path}" for path in (manifest.browser, manifest.main) if path and isinstance(path, str)]
        strict += [f"!/{target.decode()}" for target in bin_targets(manifest)]
        folder.rules[_STRICT] = _compiled(strict)

    def _include(self, given: str, folder: _Folder, included: list[str], strict: list[str]) -> None:
        """Turn one member of ``files`` into rules."""
        wanted = given.removeprefix(".") if given.startswith("./") else given
        if wanted.endswith("/*"):
            wanted += "*"
        try:
            mode = os.lstat(self._absolute(posixpath.normpath(folder.path + wanted.lstrip("!").lstrip("/")))).st_mode
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
            wanted = set(dependencies) if given is True else set(_names(given))
            dependencies = [name for name in dependencies if name in wanted]
        for name in dependencies:
            found = self._resolve(path, name)
            if found is not None:
                yield found

    def _resolve(self, path: str, name: str) -> str | None:
        """Where Node would find a dependency of the package at `path`, within the root."""
        if ".." in name.split("/") or not name.strip("./"):
            return None
        while True:
            found = f"{path}node_modules/{name}/"
            location = self._absolute(found.rstrip("/"))
            if os.path.isdir(location) and not os.path.islink(location):
                return found
            if not path:
                return None
            path = path[: path.rindex("node_modules/", 0, len(path) - 1)]

    def _manifest(self, path: str) -> PackageManifest:
        try:
            return decode_manifest(_read_regular(self._absolute(path + _MANIFEST), _MAXIMUM_RULE_BYTES))
        except FileNotFoundError:
            return PackageManifest()

    def _absolute(self, path: str) -> str:
        return f"{self._root}/{path}"


def _names(given: object) -> list[str]:
    return [name for name in given if isinstance(name, str)] if isinstance(given, list | dict) else []


def _compiled(lines: Iterable[str]) -> list[Pattern]:
    texts = (line.strip() for line in lines)
    return [compile_pattern(text) for text in texts if text and not text.startswith("#")]


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
