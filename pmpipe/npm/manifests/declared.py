"""What a package says of itself, in a package.json or in a lockfile's entry: dependencies, platforms, engines, bins.

npm reads both with the same eyes, and both are old: the same field comes as a string, a list or a map. Well-formed
input is decoded straight into these types; `tolerant_fields` brings the rest into shape as npm does, or says which
field cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

DependencyMap: TypeAlias = dict[str, str]

_NO_DEPENDENCIES: DependencyMap = {}


class PeerMeta(msgspec.Struct, frozen=True, gc=False):
    """One member of ``peerDependenciesMeta``."""

    optional: bool = False


class Declared(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """The fields that package.json and lockfile entries share; None where a field is absent.

    Attributes:
        dependencies: name -> spec, as are the other maps of dependencies.
        engines: name of the engine -> range of versions; older packages have a list or a string, which npm ignores.
        os: as are `cpu` and `libc`, a list of names, a name with ``!`` in front is excluded.
        bin: a path, which is the executable of the package's own name, or name -> path.
        bundle_dependencies: names, or True for all dependencies.
        workspaces: patterns, or an object whose ``packages`` are the patterns. Only the project's own are looked at;
            another package's may be anything.
    """

    name: str | None = None
    version: str | None = None
    dependencies: DependencyMap | None = None
    dev_dependencies: DependencyMap | None = None
    optional_dependencies: DependencyMap | None = None
    peer_dependencies: DependencyMap | None = None
    peer_dependencies_meta: dict[str, PeerMeta] | None = None
    accept_dependencies: DependencyMap | None = None
    bundle_dependencies: list[str] | bool | None = None
    bin: dict[str, str] | str | None = None
    engines: dict[str, str] | list[Any] | str | None = None
    os: list[str] | str | None = None
    cpu: list[str] | str | None = None
    libc: list[str] | str | None = None
    workspaces: Any = None

    def bundled_names(self) -> Iterable[str]:
        """The names of the dependencies that come in the package's own tarball."""
        if self.bundle_dependencies is True:
            return self.dependencies or _NO_DEPENDENCIES
        return self.bundle_dependencies or ()


class UnusableFieldError(Exception):
    """A field has a type that npm cannot use either.

    Args:
        path: keys that lead to the value, from the object that was read.
        what: for example "must be a string".
    """

    def __init__(self, path: tuple[str, ...], what: str) -> None:
        super().__init__(f"{'.'.join(path)} {what}")
        self.path = path
        self.what = what


_MAPS = (
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "acceptDependencies",
)
_STRINGS = ("name", "version", "resolved", "integrity", "deprecated")
_FLAGS = (
    "link",
    "inBundle",
    "dev",
    "optional",
    "devOptional",
    "peer",
    "extraneous",
    "hasInstallScript",
    "hasShrinkwrap",
    "private",
)
_PLATFORMS = ("os", "cpu", "libc")


def tolerant_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the fields of an entry or a package.json into the shapes that `Declared` knows.

    Falsy values count as absent, flags are whatever is true in JavaScript, and what npm never looks at is left out.

    Raises:
        UnusableFieldError: npm would fail over this field as well.
    """
    fields: dict[str, Any] = {}
    for key in _STRINGS:
        value = given.get(key)
        if value and not isinstance(value, str):
            if key == "deprecated":
                value = "this version is deprecated"
            else:
                raise UnusableFieldError((key,), "must be a string")
        if value:
            fields[key] = value
    fields.update((key, True) for key in _FLAGS if given.get(key))
    for key in _MAPS:
        if given.get(key):
            fields[key] = _dependency_map(key, given[key])
    for key in _PLATFORMS:
        if given.get(key):
            fields[key] = _names(key, given[key])
    fields.update(_peer_meta(given))
    fields.update(_engines(given))
    fields.update(_bins(given))
    fields.update(_bundled(given))
    if given.get("workspaces"):
        fields["workspaces"] = given["workspaces"]
    return fields


def _dependency_map(key: str, value: Any) -> DependencyMap:
    if not isinstance(value, dict):
        raise UnusableFieldError((key,), "must be an object of names and specs")
    for name, spec in value.items():
        if not isinstance(spec, str):
            raise UnusableFieldError((key, name), "must be a string")
    return value


def _names(key: str, value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UnusableFieldError((key,), "must be a string or a list of strings")
    return names


def _peer_meta(given: Mapping[str, Any]) -> dict[str, Any]:
    value = given.get("peerDependenciesMeta")
    if not isinstance(value, dict):
        return {}
    meta = {name: {"optional": isinstance(one, dict) and bool(one.get("optional"))} for name, one in value.items()}
    return {"peerDependenciesMeta": meta}


def _engines(given: Mapping[str, Any]) -> dict[str, Any]:
    value = given.get("engines")
    if not isinstance(value, dict):
        return {}
    return {"engines": {name: wanted for name, wanted in value.items() if isinstance(wanted, str)}}


def _bins(given: Mapping[str, Any]) -> dict[str, Any]:
    value = given.get("bin")
    if isinstance(value, list):
        value = {one.rpartition("/")[2]: one for one in value if isinstance(one, str)}
    if isinstance(value, dict):
        return {"bin": {name: path for name, path in value.items() if isinstance(path, str)}}
    return {"bin": value} if isinstance(value, str) else {}


def _bundled(given: Mapping[str, Any]) -> dict[str, Any]:
    value = given.get("bundleDependencies", given.get("bundledDependencies"))
    if isinstance(value, bool):
        return {"bundleDependencies": value}
    # an object's keys are the names, as in npm
    return (
        {"bundleDependencies": [name for name in value if isinstance(name, str)]}
        if isinstance(value, (list, dict))
        else {}
    )
