"""Which spec goes into a package.json once it is known what a dependency has come to.

Versions and dist-tags are saved as a range from the installed version on (``^1.2.3``), a range as it was typed where
that is narrower, repositories in their shortest form, paths relative to the package.json.

Source: npm's ``@npmcli/arborist``, ``lib/arborist/reify.js`` (``saveIdealTree``).
"""

from __future__ import annotations

import msgspec

from pmpipe.npm.semver.relations import subset
from pmpipe.npm.specs.local_path import relative_path
from pmpipe.npm.specs.spec import parse_spec
from pmpipe.npm.specs.spec_types import AliasSpec, DirectorySpec, FileSpec, GitSpec, RangeSpec, RegistrySpec, Spec


class FoundPackage(msgspec.Struct, frozen=True):
    """What a dependency finds in the finished tree.

    Attributes:
        name, version: the package's own; the version is empty if it has none.
        is_workspace: it is the project's own dependency on one of its workspaces.
    """

    name: str
    version: str
    is_workspace: bool = False


class SavedSpec(msgspec.Struct, frozen=True):
    """A spec for package.json; `is_local` says that it stands for a folder or a file."""

    text: str
    is_local: bool = False


def spec_to_save(name: str, spec: str, found: FoundPackage, folder: str, *, prefix: str = "^", home: str) -> SavedSpec:
    """The spec to save for a dependency.

    Args:
        name: of the dependency.
        spec: that was asked for: typed, or in the package.json before.
        found: what it has come to.
        folder: absolute path of the package.json's folder.
        prefix: npm's ``save-prefix``; empty to save versions as they are.
        home: the absolute path of the user's home folder.

    Raises:
        InvalidSpecError: the spec cannot be read.
    """
    wanted = parse_spec(name, spec, folder, home=home or None)
    if isinstance(wanted, (DirectorySpec, FileSpec)):
        if found.is_workspace:
            return SavedSpec(_from_version(found.version, prefix), is_local=True)
        return SavedSpec(f"file:{relative_path(folder, wanted.fetch_spec)}", is_local=True)
    if isinstance(wanted, RegistrySpec | AliasSpec):
        target = wanted.sub_spec if isinstance(wanted, AliasSpec) else wanted
        text = _range_to_save(target, _from_version(found.version, prefix))
        installed = found.name or name
        return SavedSpec(text if installed == name else f"npm:{installed}@{text}")
    return SavedSpec(_as_written(wanted))


def _from_version(version: str, prefix: str) -> str:
    return f"{prefix}{version}" if version else "*"


def _range_to_save(wanted: RegistrySpec, from_version: str) -> str:
    """A range that was typed is kept if the usual one would allow versions that it does not."""
    typed = wanted.raw_spec
    if not isinstance(wanted, RangeSpec) or typed == "*" or subset(from_version, typed):
        return from_version
    return typed


def _as_written(wanted: Spec) -> str:
    if isinstance(wanted, GitSpec):
        hosted = wanted.hosted
        if hosted is None:
            return wanted.save_spec
        # an address with a password is of no use without it
        return hosted.https_url if hosted.auth else hosted.shortcut
    return wanted.raw_spec
