"""What a dependency's spec asks for, as far as resolving must tell the kinds apart.

The grammar itself is `pmpipe.npm.specs.spec`'s; nearly all specs are registry ranges, and these are recognised here
first, without a parse, because a large project has some ten thousand.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.locks.package_path import is_package_name
from pmpipe.npm.semver import Range, parse_range, parse_version
from pmpipe.npm.specs.hosted_git import HostedGit
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.specs.spec_types import (
    AliasSpec,
    DirectorySpec,
    FileSpec,
    GitSpec,
    RangeSpec,
    RemoteSpec,
    Spec,
    TagSpec,
    VersionSpec,
    WorkspaceSpec,
)
from pmpipe.npm.texts.text import printable

if TYPE_CHECKING:
    from pmpipe.resolver.package import Dependency

_SHOWN_CHARACTERS = 200
_TARBALL_SUFFIXES = (".tgz", ".tar.gz", ".tar")


class RequestKind(Enum):
    """What kind of thing a spec means."""

    VERSION = "version"
    RANGE = "range"
    TAG = "tag"
    FOLDER = "directory"
    TARBALL_FILE = "file"
    TARBALL_URL = "remote"
    GIT = "git"


class Request(msgspec.Struct, frozen=True):
    """A spec that has been read.

    Attributes:
        kind: see there; an alias has the kind of what it stands for.
        name: the package to look up in the registry: the dependency's, or that of the alias; empty if there is none.
        wanted: version, range or tag without the name; the absolute path; the URL.
        range: the range, where there is one.
        is_alias: whether the spec was ``npm:…``.
        git_range: of ``#semver:``, or empty. git_commit: the part behind ``#``, or empty.
        git_folder: of ``#path:``, without a slash in front, or empty.
        repository: of a git request, if it is on a host that npm knows.
        raw: the spec as it stood.
        integrity: SRI that the tarball at the URL has to have, with a digest that a lock may end up with; or empty.
    """

    kind: RequestKind
    name: str
    wanted: str
    range: Range | None = None
    is_alias: bool = False
    git_range: str = ""
    git_commit: str = ""
    git_folder: str = ""
    repository: HostedGit | None = None
    raw: str = ""
    integrity: str = ""

    @property
    def is_registry(self) -> bool:
        """Whether the registry's packument is to be asked."""
        return self.kind in (RequestKind.VERSION, RequestKind.RANGE, RequestKind.TAG)


@lru_cache(maxsize=1 << 16)
def read_request(name: str, spec: str, folder: str = "") -> Request:
    """Read a spec.

    Args:
        name: of the dependency.
        spec: as it stands in the manifest.
        folder: absolute path from which ``file:`` specs are to be read.

    Raises:
        InvalidSpecError: the name is none, the spec cannot be read, or what it means is not known here (``catalog:``).
    """
    if not is_package_name(name):
        raise InvalidSpecError(
            f"{printable(name, _SHOWN_CHARACTERS)!r} is no name that a package can have",
            hint="correct the name in the package.json that depends on it",
        )
    text = spec.strip()
    if ":" not in text and "/" not in text and not text.startswith((".", "~/")):
        wanted_range = parse_range(text)
        if wanted_range is not None:
            kind = RequestKind.RANGE if parse_version(text) is None else RequestKind.VERSION
            return Request(kind, name, text, wanted_range, raw=spec)
    return request_from_spec(name, spec, parse_spec(name, spec, folder or None, home="/"))


def request_of(dependency: Dependency) -> Request | None:
    """What a dependency asks for, whoever asks; None if that depends on the folder of its package.

    Raises:
        InvalidSpecError: see `read_request`.
    """
    request = dependency.request
    if request is None and not is_about_a_place(dependency.spec):
        request = dependency.request = read_request(dependency.name, dependency.spec)
    return request


def is_about_a_place(spec: str) -> bool:
    """Whether a spec may mean different things to different packages, because it may be a relative path."""
    if ":" in spec or "/" in spec:
        return not spec.startswith("npm:")
    return spec.endswith(_TARBALL_SUFFIXES) or spec.lstrip().startswith(".")


def same_repository(request: Request, resolved: str, *, compare_commits: bool) -> bool:
    """Whether a git request and what a package came from are one folder of one repository, and one commit if asked."""
    try:
        there = parse_spec("any", resolved) if resolved else None
    except InvalidSpecError:
        return False
    if not isinstance(there, GitSpec) or (there.subdirectory or "").strip("/") != request.git_folder:
        return False
    if there.hosted is None:
        return there.fetch_spec == request.wanted
    if request.repository is None:
        return False
    if compare_commits and request.git_commit != there.committish:
        return False
    return request.repository.ssh_url.partition("#")[0] == there.hosted.ssh_url.partition("#")[0]


def request_from_spec(name: str, spec: str, read: Spec) -> Request:
    """What a spec that has been read asks for.

    Args:
        name: of the dependency; empty if only the package's own manifest will tell.
        spec: the text that was read.
        read: what it means.

    Raises:
        InvalidSpecError: what it means is not known here.
    """
    if isinstance(read, AliasSpec):
        meant = request_from_spec(read.sub_spec.name or name, spec, read.sub_spec)
        return msgspec.structs.replace(meant, is_alias=True)
    if isinstance(read, (VersionSpec, RangeSpec, TagSpec)):
        return Request(
            RequestKind(read.type), read.name or name, read.fetch_spec, parse_range(read.fetch_spec), raw=spec
        )
    if isinstance(read, (FileSpec, DirectorySpec, RemoteSpec)):
        return Request(RequestKind(read.type), name, read.fetch_spec, raw=spec)
    if isinstance(read, GitSpec):
        return Request(
            RequestKind.GIT,
            name,
            read.fetch_spec or (read.hosted.ssh_url.partition("#")[0] if read.hosted is not None else ""),
            git_range=read.semver_range or "",
            git_commit=read.committish or "",
            git_folder=(read.subdirectory or "").strip("/"),
            repository=read.hosted,
            raw=spec,
        )
    if isinstance(read, WorkspaceSpec) and read.requested_range is not None:
        wanted = "*" if read.requested_range in ("^", "~") else read.requested_range
        return Request(RequestKind.RANGE, read.target_name or name, wanted, parse_range(wanted), raw=spec)
    raise InvalidSpecError(
        f"{name}@{spec} cannot be resolved: {read.type} specs are not understood here",
        hint="write a range, or file: and the folder's path",
    )
