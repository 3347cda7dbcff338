"""What a resolver asks for, and what it is fed in answer."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from pmpipe.errors import ManifestError, PmpipeError
from pmpipe.npm.packages.packument import Packument
from pmpipe.resolver.request import RequestKind


class NoManifestError(ManifestError):
    """A folder that is asked for has no package.json, or is not there."""


class AskPackument(msgspec.Struct, frozen=True):
    """Wanted: all versions of a package, from the registry that is responsible for its name.

    Attributes:
        name: of the package.
        abbreviated: in the form that leaves out what installing does not need, as npm asks for it where it completes
            an old lock. A full document does as well, but then the lock says more than npm's.
    """

    name: str
    abbreviated: bool = False


class AskManifest(msgspec.Struct, frozen=True):
    """Wanted: the package.json of something that no registry lists: a git commit, a tarball's URL or file, a folder.

    Attributes:
        kind, wanted: what it is and where; for folders and files the absolute path.
        git_commit, git_range: which commit of a repository. git_folder: which folder of it; empty for all.
        name: of the dependency, for messages.
        integrity: SRI that the tarball has to have, if it is known: the store may have it; or empty.
    """

    kind: RequestKind
    wanted: str
    git_commit: str
    git_range: str
    name: str
    git_folder: str = ""
    integrity: str = ""


class AskContents(msgspec.Struct, frozen=True):
    """Wanted: what a tarball has below its ``node_modules``, and its npm-shrinkwrap.json.

    Attributes:
        name, version: for messages.
        resolved, integrity: the tarball.
        wants_bundle, wants_shrinkwrap: which of the two.
    """

    name: str
    version: str
    resolved: str
    integrity: str
    wants_bundle: bool
    wants_shrinkwrap: bool


Ask: TypeAlias = AskPackument | AskManifest | AskContents


class FedManifest(msgspec.Struct, frozen=True):
    """The answer to `AskManifest`.

    Attributes:
        manifest: the decoded package.json.
        resolved: what the lockfile is to say: ``git+ssh://…#commit``, the URL, ``file:`` and the absolute path.
        integrity: SRI of the tarball; empty for git and folders.
    """

    manifest: dict[str, Any]
    resolved: str = ""
    integrity: str = ""


class FedContents(msgspec.Struct, frozen=True):
    """The answer to `AskContents`.

    Attributes:
        manifests: the package.json of every package in the tarball, by path (``node_modules/a/node_modules/b``).
        shrinkwrap: ``packages`` of the npm-shrinkwrap.json, or None.
    """

    manifests: dict[str, dict[str, Any]]
    shrinkwrap: dict[str, dict[str, Any]] | None = None


Fed: TypeAlias = Packument | FedManifest | FedContents | PmpipeError
