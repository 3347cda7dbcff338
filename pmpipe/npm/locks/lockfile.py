"""Reading package-lock.json, npm-shrinkwrap.json and the hidden lockfile (versions 2 to 4).

The whole text is decoded at once into `Entry` objects that hold only what an install needs; what they do not hold is
still in `Lockfile.data`, from which the hidden lockfile is cut. A lock is data from somebody else: whatever could lead
out of the project is refused here, before anything is written, and everything that is wrong is reported together.

Source: npm's ``@npmcli/arborist``, ``lib/shrinkwrap.js`` and ``lib/arborist/load-virtual.js``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pmpipe.errors import LockfileError
from pmpipe.npm.locks.package_path import (
    ROOT,
    PackagePath,
    fault_in_path,
    is_installed,
    name_from_path,
    split_installed,
)
from pmpipe.npm.locks.patch_record import PatchRecord
from pmpipe.npm.manifests.declared import Declared, UnusableFieldError, tolerant_fields
from pmpipe.npm.texts.json_text import Place, conflict_in, explain, place_of, without_bom
from pmpipe.npm.texts.url import InvalidUrlError, parse_tarball_url

_OLDEST_VERSION = 2
_NEWEST_VERSION = 4
#: what a lock without a version is taken for, and what npm writes unless something needs more
_USUAL_VERSION = 3
#: Of the entries that cannot be used, so many are told one by one.
_MOST_FAULTS = 40
_HINT_CONFLICT = "`pmpipe install` brings both sides together, once package.json has none; or restore the file"
_HINT_NEW_LOCK = (
    "restore package-lock.json from version control, or write it anew with `npm install --package-lock-only`"
)


class Entry(Declared, frozen=True, kw_only=True, rename="camel", gc=False):
    """One member of a lockfile's ``packages``.

    Attributes:
        name: the package's own name where it differs from its folder's: aliases, workspaces.
        resolved: URL of the tarball or git repository, ``file:`` path of a tarball, or for links the target's path;
            None for bundled packages, and in locks that omit it.
        link: the entry stands for a symbolic link to the folder `resolved`.
        in_bundle: the package comes in the tarball of one of the packages it lies in.
        patched: the patch that npm 12 applies to it.
        dev: needed by devDependencies only; `optional`, `dev_optional` and `peer` accordingly.
    """

    resolved: str | None = None
    integrity: str | None = None
    link: bool = False
    in_bundle: bool = False
    patched: PatchRecord | None = None
    dev: bool = False
    optional: bool = False
    dev_optional: bool = False
    peer: bool = False
    extraneous: bool = False
    has_install_script: bool = False
    has_shrinkwrap: bool = False
    deprecated: str | None = None

    def comes_with(self, holder: Entry) -> bool:
        """Whether the package is in the tarball of the one that it lies in, although that one does not name it.

        What the project bundles is marked like what a tarball brings, but is fetched, with all that it needs; of such
        packages the lock knows where they are to be had.
        """
        if not self.in_bundle:
            return False
        return not holder.in_bundle or not (self.resolved or self.integrity or not holder.bundled_names())


class Lockfile(msgspec.Struct, frozen=True):
    """A lockfile that has been read and found harmless.

    Attributes:
        file: the file's name for messages.
        name: the project's name as the lock has it; `version` accordingly.
        lockfile_version: 2, 3 or 4.
        has_usual_head: its version, ``requires`` and the old ``dependencies`` are there, or not, as npm writes them.
        entries: path -> entry, in the file's order; the root's is under the empty path, unless the lock has none.
        data: the file's text, without byte order mark.
    """

    file: str
    name: str | None
    version: str | None
    lockfile_version: int
    has_usual_head: bool
    entries: Mapping[PackagePath, Entry]
    data: bytes

    def place(self, *path: str) -> Place:
        """Where a value stands in the file, for a message: ``lock.place("packages", "node_modules/a")``."""
        return place_of(self.data, path, self.file)

    def raw_entries(self) -> dict[PackagePath, msgspec.Raw]:
        """The entries' texts as they stand in the file."""
        return raw_entries(self.data)


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    name: str | None = None
    version: str | None = None
    lockfile_version: int | None = None
    requires: Any = None
    packages: dict[PackagePath, Entry] | None = None
    #: as text: it is not looked into, and an optional one is no type that msgspec decodes
    dependencies: msgspec.Raw = msgspec.Raw()

    @property
    def has_legacy_packages(self) -> bool:
        """Whether it lists packages as in version 1, maybe beside the others."""
        return _NONE_LISTED.fullmatch(bytes(self.dependencies)) is None


class _RawDocument(msgspec.Struct, frozen=True):
    packages: dict[PackagePath, msgspec.Raw] = {}


_NONE_LISTED = re.compile(rb'(?:null|false|0|""|\{\s*\}|\[\s*\])?')

_decoder = msgspec.json.Decoder(_Document)
_raw_decoder = msgspec.json.Decoder(_RawDocument)


def raw_entries(data: bytes) -> dict[PackagePath, msgspec.Raw]:
    """The texts of the entries of a lockfile that `read_lockfile` accepts.

    Args:
        data: the file's bytes, without byte order mark.
    """
    return _raw_decoder.decode(data).packages


def read_lockfile(data: bytes, file: str) -> Lockfile:
    """Read a lockfile.

    Args:
        data: the file's bytes; a byte order mark does not matter.
        file: the file's name for messages, ``package-lock.json`` for example.

    Raises:
        LockfileError: the text is not JSON or no lockfile, it is of version 1 (see `pmpipe.npm.locks.lock_v1`) or of
            one that is still unknown, or an entry has a path, target or source that is damaged or unsafe.

    Costs about 10 ms per 5,000 entries.
    """
    data = without_bom(data)
    try:
        document = _decode(data, file)
    except RecursionError as error:
        raise LockfileError(f"cannot read {file}: it is nested too deeply", hint=_HINT_NEW_LOCK) from error
    version = _supported_version(document, data, file)
    entries = document.packages or {}
    lock = Lockfile(file, document.name, document.version, version, _has_usual_head(document), entries, data)
    faults = list(_faults(lock.entries))
    if faults:
        what = "an entry that cannot be used" if len(faults) == 1 else f"{len(faults)} entries that cannot be used"
        # to find a place in the text takes as long as reading all of it
        lines = [f"{lock.place('packages', path)}: {fault}" for path, fault in faults[:_MOST_FAULTS]]
        more = [f"and {len(faults) - _MOST_FAULTS:,} more"] if len(faults) > _MOST_FAULTS else []
        raise LockfileError(f"{file} has {what}", details=[*lines, *more], hint=_HINT_NEW_LOCK)
    return lock


def link_target(entry: Entry) -> PackagePath:
    """The path of the folder that a link leads to; the project's own folder is the empty path."""
    target = posixpath.normpath(entry.resolved or ".")
    return ROOT if target == "." else PackagePath(target)


def installed_name(path: PackagePath) -> str:
    """The name that a package is found under: that of its folder in node_modules, or of the project's own folder."""
    split = split_installed(path)
    return split[1] if split is not None else name_from_path(path)


def package_name(path: PackagePath, entry: Declared) -> str:
    """The name that a package has on its registry, which differs from the folder's for aliases."""
    return entry.name or installed_name(path)


# -- decoding -----------------------------------------------------------------------------------------------------


def _decode(data: bytes, file: str) -> _Document:
    try:
        try:
            return _decoder.decode(data)
        except msgspec.ValidationError:
            # what comes after the odd value may still be no JSON
            return _decode_tolerantly(data, file)
    except msgspec.DecodeError as error:
        fault = explain(data, error, file)
        hint = _HINT_CONFLICT if conflict_in(data, file) is not None else fault.hint or _HINT_NEW_LOCK
        raise LockfileError(f"cannot read {fault.place}: {fault.what}", hint=hint) from error


def _decode_tolerantly(data: bytes, file: str) -> _Document:
    """Read a lock with values of odd types, at a tenth of the speed."""
    document = msgspec.json.decode(data)
    if not isinstance(document, dict):
        raise _unusable(data, file, (), "must be an object")
    packages = document.get("packages") or {}
    if not isinstance(packages, dict):
        raise _unusable(data, file, ("packages",), "must be an object")
    number = document.get("lockfileVersion")
    legacy = msgspec.Raw(msgspec.json.encode(document["dependencies"]) if "dependencies" in document else b"")
    entries = {PackagePath(path): _tolerant_entry(data, file, path, given) for path, given in packages.items()}
    texts = [text if isinstance(text := document.get(key), str) else None for key in ("name", "version")]
    try:
        version = int(number) if number else None
    except (TypeError, ValueError):
        raise _unusable(data, file, ("lockfileVersion",), "must be a number") from None
    stated = entries if "packages" in document else None
    return _Document(texts[0], texts[1], version, document.get("requires"), stated, legacy)


def _tolerant_entry(data: bytes, file: str, path: str, given: Any) -> Entry:
    if not isinstance(given, dict):
        raise _unusable(data, file, ("packages", path), "must be an object")
    try:
        return msgspec.convert({**tolerant_fields(given), **_patch_record(given.get("patched"))}, Entry)
    except UnusableFieldError as error:
        raise _unusable(data, file, ("packages", path, *error.path), error.what) from error


def _patch_record(value: Any) -> dict[str, dict[str, str]]:
    if not value:
        return {}
    record = value if isinstance(value, dict) else {}
    path, integrity = record.get("path"), record.get("integrity")
    if not (isinstance(path, str) and isinstance(integrity, str)):
        raise UnusableFieldError(("patched",), "must have the path of a patch and its integrity")
    return {"patched": {"path": path, "integrity": integrity}}


def _unusable(data: bytes, file: str, path: tuple[str, ...], what: str) -> LockfileError:
    subject = " > ".join(path) or "the lockfile"
    return LockfileError(f"cannot use {place_of(data, path, file)}: {subject} {what}", hint=_HINT_NEW_LOCK)


def _has_usual_head(document: _Document) -> bool:
    if not (document.requires is True and document.lockfile_version and document.lockfile_version >= _OLDEST_VERSION):
        return False
    if document.lockfile_version > _OLDEST_VERSION:
        return not bytes(document.dependencies)
    # only what lies in the project's own node_modules is listed
    has_packages = any(path.startswith("node_modules/") for path in document.packages or ())
    return document.has_legacy_packages == has_packages


def _supported_version(document: _Document, data: bytes, file: str) -> int:
    version = document.lockfile_version
    if version is not None and version > _NEWEST_VERSION:
        raise LockfileError(
            f"{place_of(data, ('lockfileVersion',), file)}: lockfileVersion {version} is not known, only 1 to 4 are",
            hint="a newer pmpipe may read it; do not write the lock anew: it may hold what only newer versions know of",
        )
    is_old = version is not None and version < _OLDEST_VERSION
    if document.packages is None and (is_old or document.has_legacy_packages):
        raise LockfileError(
            f"{file} has lockfileVersion {version or 1}, which only `ci` and commands that resolve can read",
            hint="`pmpipe install --package-lock-only` brings it up to date",
        )
    # npm takes a lock without a version for what it is by its "packages"
    return version if version is not None and not is_old else _USUAL_VERSION


# -- what makes an entry unsafe or useless ------------------------------------------------------------------------

_RESOLVED_URL = re.compile(r"https?://[^\s/?#]+(?:[/?#][^\s]*)?", re.IGNORECASE)
_RESOLVED_GIT = re.compile(r"git(?:\+(?:ssh|https?|file|rsync|git|ftp))?://[^\s#]+#(?P<commit>[^\s]*)", re.IGNORECASE)
_FULL_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})(?:::?path:[^\s]+)?", re.IGNORECASE)


def _faults(entries: Mapping[PackagePath, Entry]) -> Iterator[tuple[PackagePath, str]]:
    is_plain_url = _RESOLVED_URL.fullmatch
    for path, entry in entries.items():
        fault = fault_in_path(path)
        if fault is not None:
            yield path, f"the path {path!r} {fault}"
            continue
        if entry.link:
            fault = _fault_in_link(path, entry, entries)
        elif entry.resolved and is_plain_url(entry.resolved) is None:
            fault = _fault_in_resolved(path, entry.resolved)
        if fault is not None:
            yield path, fault


def _fault_in_link(path: PackagePath, entry: Entry, entries: Mapping[PackagePath, Entry]) -> str | None:
    target = link_target(entry)
    if not is_installed(path):
        return f"{path or 'the project'} is a link, but lies in no node_modules folder"
    fault = fault_in_path(target)
    if fault is not None:
        return f"the link {path} leads to {entry.resolved!r}, which {fault}"
    found = entries.get(target)
    if target != ROOT and (found is None or found.link):
        return f"the link {path} leads to {target}, which has no entry of its own"
    return None


def _fault_in_resolved(path: PackagePath, resolved: str) -> str | None:
    git = _RESOLVED_GIT.fullmatch(resolved)
    if git is not None:
        if _FULL_COMMIT.fullmatch(git["commit"]) is None:
            return f"{path} is resolved to {resolved!r}, which does not end in a full commit hash"
        return None
    if _is_web_address(resolved):
        return None
    if (resolved.startswith("file:") and len(resolved) > len("file:")) or not is_installed(path):
        # where a file may lie depends on who asks for it, see lock_check; for folders of the project nothing is fetched
        return None
    return f"{path} is resolved to {resolved!r}, which is no http, git or file address"


def _is_web_address(resolved: str) -> bool:
    # npm writes an address as the registry has it, blanks and backslashes included
    try:
        parse_tarball_url(resolved)
    except InvalidUrlError:
        return False
    return True
