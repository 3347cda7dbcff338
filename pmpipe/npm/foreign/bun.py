"""Reading bun.lock, bun's lockfile as text (since 1.2; its binary predecessor bun.lockb is not read).

``workspaces`` holds what the project (under the empty path) and its workspaces ask for; ``packages`` holds what was
found, under the way to it: ``a/b`` is the ``b`` that only ``a`` sees, and what does not stand there is looked for
further out, as in node_modules. An entry is a list: ``name@version``, the tarball's address unless the registry is
the public one, what the package asks for, the integrity.

So every dependency's spec is known, and which version answers it. Where one spec was answered differently for two
packages, the project's own answer counts, then a workspace's, then that of the package that stands first. For a spec
that is not there the locked version with the most dependents is preferred among those that satisfy.

Source: bun's own locks, lockfileVersion 0 to 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pmpipe.errors import LockfileError
from pmpipe.npm.foreign.fields import mapping, text_field
from pmpipe.npm.foreign.jsonc import read_jsonc
from pmpipe.npm.foreign.pins import Pin, PinCollector, Pins
from pmpipe.npm.manifests.catalogs import catalogs_of
from pmpipe.npm.semver import parse_version

_NEWEST = 2
_KINDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
#: of repositories on GitHub bun writes down only how a commit begins
_COMMIT = re.compile(r"#([0-9a-f]{7,40})$")
_HINT = "restore bun.lock from version control, or write it anew with `bun install --lockfile-only`"


def read_bun_lock(data: bytes, file: str = "bun.lock") -> Pins:
    """What a bun.lock keeps.

    Args:
        data: the file's bytes.
        file: the file's name for messages.

    Raises:
        LockfileError: it is no JSON, no lock, or of a version that is not known.
    """
    document = read_jsonc(data, file, _HINT)
    if not isinstance(document, dict):
        raise LockfileError(f"cannot use {file}: it must be an object", hint=_HINT)
    version = document.get("lockfileVersion")
    if version is None:
        raise LockfileError(f"cannot use {file}: it has no lockfileVersion", hint=_HINT)
    if not isinstance(version, int) or not 0 <= version <= _NEWEST:
        raise LockfileError(
            f"cannot use {file}: lockfileVersion {str(version)[:40]} is not known, only 0 to {_NEWEST} are",
            hint="a newer pmpipe may read it",
        )
    packages = mapping(document, "packages")
    collector = PinCollector(file, catalogs_of(document))
    for location, workspace in mapping(document, "workspaces").items():
        _lock_all(collector, text_field(workspace, "name") if location else "", workspace, packages)
    for way, entry in packages.items():
        _lock_all(collector, way, _about(entry), packages)
    return collector.pins()


def _lock_all(collector: PinCollector, way: str, about: Any, packages: Mapping[str, Any]) -> None:
    for kind in _KINDS:
        for name, spec in mapping(about, kind).items():
            if isinstance(spec, str):
                pin = _pin(_found(way, name, packages))
                if pin is not None:
                    collector.lock(name, spec, pin)
                    if pin.version:
                        collector.use(pin.name, pin)


def _found(way: str, name: str, packages: Mapping[str, Any]) -> Any:
    """The entry that a package finds under a name."""
    for outer in _outwards(way):
        entry = packages.get(f"{outer}/{name}")
        if entry is not None:
            return entry
    return packages.get(name)


def _outwards(way: str) -> Iterator[str]:
    """The way itself and all shorter ones; a scope and its name are one step."""
    while way:
        yield way
        way, _, last = way.rpartition("/")
        outer, slash, scope = way.rpartition("/")
        if last and scope.startswith("@"):
            way = outer if slash else ""


def _about(entry: Any) -> Any:
    return next((part for part in entry if isinstance(part, dict)), None) if isinstance(entry, list) else None


def _pin(entry: Any) -> Pin | None:
    if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
        return None
    what = entry[0]
    at = what.find("@", 1)
    name, version = what[:at], what[at + 1 :]
    integrity = entry[-1] if isinstance(entry[-1], str) and entry[-1].startswith("sha") and len(entry) > 1 else ""
    if parse_version(version) is not None:
        resolved = entry[1] if len(entry) > 1 and isinstance(entry[1], str) else ""
        return Pin(version, name, resolved, integrity)
    commit = _COMMIT.search(version)
    if commit is not None:
        return Pin("", commit=commit[1])
    return Pin("", integrity=integrity) if integrity else None
