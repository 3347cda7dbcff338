"""Which packages npm 12 patches: the ``patchedDependencies`` of the root's package.json.

::

    "patchedDependencies": { "is-odd@3.0.1": "patches/is-odd@3.0.1.patch", "left-pad": "patches/left-pad.patch" }

A key is a name, or a name with a version or a range; the most exact one that fits a package decides. Names are those of
the folders in node_modules, so that an alias is patched under its own.

Source: npm 12's ``@npmcli/arborist``, ``lib/patched-dependencies.js``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from pmpipe.errors import PatchError
from pmpipe.npm.semver import satisfies, subset
from pmpipe.npm.semver.version import loose_version, strict_version

#: The field of package.json.
PATCHED_DEPENDENCIES = "patchedDependencies"


class PatchSelector(msgspec.Struct, frozen=True):
    """One member of ``patchedDependencies``.

    Attributes:
        key: as it stands there.
        name: of the packages.
        spec: a version or a range; None for all versions.
        path: of the patch, relative to the project.
    """

    key: str
    name: str
    spec: str | None
    path: str


class Patchable(msgspec.Struct, frozen=True):
    """A package in node_modules.

    Attributes:
        location: the lockfile's key.
        name: of its folder.
        version: its own.
        is_from_registry: tells whether all who depend on it ask a registry for it.
    """

    location: str
    name: str
    version: str
    is_from_registry: Callable[[], bool]


class Patched(msgspec.Struct, frozen=True):
    """What selectors make of a tree.

    Attributes:
        paths: location -> path of its patch.
        unused: the selectors that no package fits.
    """

    paths: Mapping[str, str]
    unused: Sequence[PatchSelector] = ()


def read_selectors(patches: Mapping[str, str] | None) -> tuple[PatchSelector, ...]:
    """The selectors of a ``patchedDependencies``, in order."""
    return tuple(_selector(key, path) for key, path in (patches or {}).items())


def _selector(key: str, path: str) -> PatchSelector:
    at = key.find("@", 1)  # a scope's comes first
    return PatchSelector(key, key, None, path) if at < 0 else PatchSelector(key, key[:at], key[at + 1 :], path)


def select_patches(selectors: Iterable[PatchSelector], packages: Iterable[Patchable]) -> Patched:
    """Find the patch of each package.

    Args:
        selectors: from `read_selectors`.
        packages: all that lie in a node_modules folder.

    Raises:
        PatchError: two ranges fit a package, and neither is part of the other; or it does not come from a registry.
    """
    by_name: dict[str, list[PatchSelector]] = {}
    for selector in selectors:
        by_name.setdefault(selector.name, []).append(selector)
    paths: dict[str, str] = {}
    used: set[str] = set()
    for package in packages:
        named = by_name.get(package.name)
        best = _best(named, package) if named else None
        if best is None:
            continue
        if not package.is_from_registry():
            raise PatchError(
                f"{package.location} cannot be patched: it does not come from a registry",
                details=(f'{PATCHED_DEPENDENCIES} has "{best.key}": "{best.path}"',),
                hint="only packages of a registry can; what comes from a folder or a repository is changed there",
            )
        paths[package.location] = best.path
        used.add(best.key)
    return Patched(paths, tuple(one for some in by_name.values() for one in some if one.key not in used))


def refuse_unused(unused: Collection[PatchSelector]) -> None:
    """Refuse patches that no package fits: they were made for a version that is not there any more.

    Raises:
        PatchError: there are some.
    """
    if unused:
        raise PatchError(
            f"{PATCHED_DEPENDENCIES} has {'a patch' if len(unused) == 1 else 'patches'} for what is not installed",
            details=[f"{one.key} -> {one.path}" for one in unused],
            hint="mend its name and version, or take it out; --allow-unused-patches passes over it",
        )


def _best(selectors: Sequence[PatchSelector], package: Patchable) -> PatchSelector | None:
    """A version counts more than a range, a range more than a name alone."""
    exact = (one for one in selectors if one.spec and _is_version(one.spec, package.version))
    if (found := next(exact, None)) is not None:
        return found
    ranges = [
        one
        for one in selectors
        if one.spec and strict_version(one.spec) is None and satisfies(package.version, one.spec)
    ]
    if ranges:
        return _narrowest(ranges, package)
    return next((one for one in selectors if one.spec is None), None)


def _is_version(spec: str, version: str) -> bool:
    wanted = strict_version(spec)
    return wanted is not None and wanted == loose_version(version)


def _narrowest(selectors: Sequence[PatchSelector], package: Patchable) -> PatchSelector:
    best = selectors[0]
    for one in selectors[1:]:
        if subset(one.spec or "", best.spec or ""):
            best = one
        elif not subset(best.spec or "", one.spec or ""):
            raise PatchError(
                f"{package.name}@{package.version} has two patches: {PATCHED_DEPENDENCIES} has {best.key} and "
                f"{one.key}, and neither range is part of the other",
                hint=f"add {package.name}@{package.version}, which decides",
            )
    return best
