"""Reading pnpm-lock.yaml: lockfileVersion 5 (pnpm 3 to 7), 6 (pnpm 8) and 9 (since pnpm 9).

``importers`` holds, for the project (``.``) and each workspace, what was asked for and what it was locked to; a project
without workspaces has the same at the top level in older locks. For the dependencies of dependencies the lock says
which version each has, but not what was asked for. So a direct dependency is pinned by its spec, the project's own
before the workspaces'; for all others the version with the most dependents is preferred among those that satisfy, and
among equals the one that stands first.

A package is written ``a@1.0.0(peer@2.0.0)``; in version 6 with a slash in front, in version 5 ``/a/1.0.0_peer@2.0.0``.

Source: pnpm's own locks, and its ``@pnpm/dependency-path``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pmpipe.errors import LockfileError
from pmpipe.npm.foreign.fields import mapping, text_field
from pmpipe.npm.foreign.pins import Pin, PinCollector, Pins
from pmpipe.npm.foreign.plain_yaml import Plain, read_plain_yaml
from pmpipe.npm.manifests.catalogs import Catalogs
from pmpipe.npm.semver import parse_version

_OLDEST, _NEWEST = 5, 9
#: packages are written with a slash before the version until here
_LAST_WITH_SLASHES = 5
_KINDS = ("dependencies", "devDependencies", "optionalDependencies")
#: a folder of the repository may follow
_COMMIT = re.compile(r"[#/]([0-9a-f]{40})(?:[#&]path:.*)?$")
_HINT = "restore pnpm-lock.yaml from version control, or write it anew with `pnpm install --lockfile-only`"


def read_pnpm_lock(data: bytes, file: str = "pnpm-lock.yaml") -> Pins:
    """What a pnpm-lock.yaml keeps.

    Args:
        data: the file's bytes.
        file: the file's name for messages.

    Raises:
        LockfileError: it is no YAML, no lock, or of a version that is not known.
    """
    documents = read_plain_yaml(data, file, _HINT)
    # the documents before the last are about pnpm itself
    document = documents[-1] if documents else None
    if not isinstance(document, dict):
        raise LockfileError(f"cannot use {file}: it must be a mapping", hint=_HINT)
    return _Reader(document, _version_of(document, file), file).pins()


def _version_of(document: Mapping[str, Plain], file: str) -> int:
    text = text_field(document, "lockfileVersion")
    # pnpm 7 could be asked for specifiers beside the versions, as later locks have them
    number = re.match(r"(\d{1,4})(?:\.\d+)?(?:-inlineSpecifiers)?$", text)
    if not text:
        raise LockfileError(f"cannot use {file}: it has no lockfileVersion", hint=_HINT)
    if number is None or not _OLDEST <= int(number[1]) <= _NEWEST:
        raise LockfileError(
            f"cannot use {file}: lockfileVersion {text[:40]} is not known, only 5 to 9 are",
            hint="a newer pmpipe may read it; pnpm 9 and 10 write one that this reads",
        )
    return int(number[1])


def _catalogs(document: Mapping[str, Plain]) -> Catalogs:
    catalogs = mapping(document, "catalogs")
    return {
        catalog: {name: text_field(about, "specifier") for name, about in mapping(catalogs, catalog).items()}
        for catalog in catalogs
    }


class _Reader:
    """Reads one document."""

    def __init__(self, document: Mapping[str, Plain], version: int, file: str) -> None:
        self.document = document
        self.version = version
        self.collector = PinCollector(file, _catalogs(document))
        self.integrities = dict(self._integrities())

    def pins(self) -> Pins:
        """All that is locked."""
        importers = mapping(self.document, "importers") or {".": self.document}
        for location in sorted(importers, key=lambda location: location != "."):
            self._read_importer(importers[location])
        snapshots = mapping(self.document, "snapshots") or mapping(self.document, "packages")
        for snapshot in snapshots.values():
            for kind in ("dependencies", "optionalDependencies"):
                for name, locked in mapping(snapshot, kind).items():
                    self._use(name, locked)
        return self.collector.pins()

    def _read_importer(self, importer: Plain) -> None:
        specifiers = mapping(importer, "specifiers")
        for kind in _KINDS:
            for name, locked in mapping(importer, kind).items():
                if isinstance(locked, dict):
                    spec, reference = text_field(locked, "specifier"), text_field(locked, "version")
                else:
                    spec, reference = text_field(specifiers, name), locked
                pin = self._pin(name, reference)
                if pin is not None:
                    self.collector.lock(name, spec, pin)
                    self._use(name, reference)

    def _use(self, name: str, reference: Plain) -> None:
        package = self._package(name, reference)
        if package is not None:
            pin = Pin(package[1], integrity=self.integrities.get(package, ""))
            self.collector.use(package[0], pin)

    def _pin(self, name: str, reference: Plain) -> Pin | None:
        package = self._package(name, reference)
        if package is not None:
            return Pin(package[1], integrity=self.integrities.get(package, ""))
        if not isinstance(reference, str):
            return None
        plain = self._without_peers(reference)
        commit = _COMMIT.search(plain)
        # since version 9 the package's name stands in front, but in a reference only if the dependency has another one
        packages = mapping(self.document, "packages")
        integrity = self._integrity_of(packages.get(plain)) or self._integrity_of(packages.get(f"{name}@{plain}"))
        if commit is None and not integrity:
            return None
        return Pin("", integrity="" if commit is not None else integrity, commit=commit[1] if commit else "")

    def _package(self, name: str, reference: Plain) -> tuple[str, str] | None:
        """Name and version of what a dependency is locked to; None if it does not come from a registry."""
        if not isinstance(reference, str):
            return None
        version = self._without_peers(reference)
        if parse_version(version) is not None:
            return name, version
        return self._name_and_version(reference)

    def _name_and_version(self, path: str) -> tuple[str, str] | None:
        plain = self._without_peers(path).removeprefix("/")
        separator = "/" if self.version <= _LAST_WITH_SLASHES else "@"
        name, _, version = plain.rpartition(separator)
        if not name or parse_version(version) is None:
            return None
        # older locks name the registry in front, if it is not the configured one
        parts = name.split("/")
        return ("/".join(parts[-2:]) if len(parts) > 1 and parts[-2].startswith("@") else parts[-1]), version

    def _without_peers(self, path: str) -> str:
        if self.version > _LAST_WITH_SLASHES:
            return path.partition("(")[0]
        # names may have an underscore, versions may not; the slash in a peer's name is written as a plus
        before, slash, last = path.rpartition("/")
        return f"{before}{slash}{last.partition('_')[0]}"

    def _integrities(self) -> Iterator[tuple[tuple[str, str], str]]:
        for path, about in mapping(self.document, "packages").items():
            package = self._name_and_version(path)
            integrity = self._integrity_of(about)
            if package is not None and integrity:
                yield package, integrity

    def _integrity_of(self, about: Plain) -> str:
        return text_field(mapping(about, "resolution"), "integrity")
