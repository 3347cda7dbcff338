"""What a spec can mean: one type for each kind of source that a package can come from.

A spec is the text behind a name in ``dependencies`` (``^18.2.0``), or both in one on the command line
(``react@^18.2.0``). Reading is in ``pmpipe.npm.specs.spec``.

Source: npm's ``npm-package-arg`` for all but `WorkspaceSpec`, `CatalogSpec` and ``link:``, which are pnpm's and yarn's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import msgspec

from pmpipe.npm.specs.names import PackageName

if TYPE_CHECKING:
    # most projects have no git dependency, and its patterns take a millisecond to compile
    from pmpipe.npm.specs.hosted_git import HostedGit


class _Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What all specs have.

    Attributes:
        name: under which the package is to be installed; None if only its own manifest will tell.
        raw: the whole text: the argument as it was typed, or ``name@raw_spec``.
        raw_spec: the text without the name.
    """

    name: PackageName | None
    raw: str
    raw_spec: str


class VersionSpec(_Spec, frozen=True, kw_only=True):
    """One version from the registry. `fetch_spec` is `raw_spec` without spaces around it."""

    type: ClassVar[Literal["version"]] = "version"

    fetch_spec: str


class RangeSpec(_Spec, frozen=True, kw_only=True):
    """A range of versions from the registry. `fetch_spec` is `raw_spec` without spaces around it; empty for any."""

    type: ClassVar[Literal["range"]] = "range"

    fetch_spec: str


class TagSpec(_Spec, frozen=True, kw_only=True):
    """The version that a dist-tag of the registry points to. `fetch_spec` is the dist-tag."""

    type: ClassVar[Literal["tag"]] = "tag"

    fetch_spec: str


RegistrySpec: TypeAlias = VersionSpec | RangeSpec | TagSpec


class AliasSpec(_Spec, frozen=True, kw_only=True):
    """A package from the registry that is installed under another name: ``npm:react@^18``.

    Attributes:
        sub_spec: what is installed; its name is never None.
    """

    type: ClassVar[Literal["alias"]] = "alias"

    sub_spec: RegistrySpec


class GitSpec(_Spec, frozen=True, kw_only=True):
    """A git repository.

    The part behind ``#`` may combine a commit-ish *or* a range with a path, separated by ``::``.

    Attributes:
        fetch_spec: the address for git, without the ``#``; None for shortcuts, which leave it to `hosted`.
        save_spec: as it is written to package.json.
        committish: a commit, tag or branch; None for the default branch. It may be empty, which is the same.
        semver_range: of the repository's tags, the highest version in this range is meant (``#semver:^1``).
        subdirectory: the package is in this folder of the repository (``#path:packages/x``); starts with a slash.
        hosted: the repository, if it is on a host that npm knows.
    """

    type: ClassVar[Literal["git"]] = "git"

    fetch_spec: str | None
    save_spec: str
    committish: str | None
    semver_range: str | None
    subdirectory: str | None
    hosted: HostedGit | None


class RemoteSpec(_Spec, frozen=True, kw_only=True):
    """A tarball at an http or https URL. `fetch_spec` is the URL; it is saved as it stands."""

    type: ClassVar[Literal["remote"]] = "remote"

    fetch_spec: str

    @property
    def save_spec(self) -> str:
        """As it is written to package.json."""
        return self.fetch_spec


class FileSpec(_Spec, frozen=True, kw_only=True):
    """A tarball in the file system.

    Attributes:
        where: the folder, absolute, that relative paths start from.
        fetch_spec: the file's absolute path.
        save_spec: as it is written to package.json: ``file:`` and the path, relative if it was.
    """

    type: ClassVar[Literal["file"]] = "file"

    where: str
    fetch_spec: str
    save_spec: str


class DirectorySpec(_Spec, frozen=True, kw_only=True):
    """A folder in the file system, which is linked to.

    Attributes:
        where: the folder, absolute, that relative paths start from.
        fetch_spec: the folder's absolute path.
        save_spec: as it is written to package.json: ``file:`` (or ``link:``) and the path, relative if it was.
    """

    type: ClassVar[Literal["directory"]] = "directory"

    where: str
    fetch_spec: str
    save_spec: str


class WorkspaceSpec(_Spec, frozen=True, kw_only=True):
    """A package of the same project: ``workspace:*``, ``workspace:^1.2``, ``workspace:other@^``, ``workspace:./lib``.

    Attributes:
        target_name: the name of the workspace, if it is installed under another one; None if it is `name`, or given by
            its path.
        requested_range: a range that the workspace's version must satisfy, or ``*``, ``^`` or ``~``, which any
            satisfies (they differ in what is published). None if there is a path.
        path: the workspace's folder, as it was written. None if there is a range.
    """

    type: ClassVar[Literal["workspace"]] = "workspace"

    target_name: PackageName | None
    requested_range: str | None
    path: str | None


class CatalogSpec(_Spec, frozen=True, kw_only=True):
    """A spec that stands in one of the project's catalogs, under the same name: ``catalog:``, ``catalog:react18``.

    Attributes:
        catalog: the catalog's name; ``default`` for the one without a name.
    """

    type: ClassVar[Literal["catalog"]] = "catalog"

    catalog: str


Spec: TypeAlias = (
    VersionSpec
    | RangeSpec
    | TagSpec
    | AliasSpec
    | GitSpec
    | RemoteSpec
    | FileSpec
    | DirectorySpec
    | WorkspaceSpec
    | CatalogSpec
)
