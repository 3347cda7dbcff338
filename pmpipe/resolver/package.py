"""A package as a node of the tree holds it: one manifest, its dependencies read and typed once for all places.

Dependencies come in the order in which npm loads them: peers, optional peers, production, optional, and for the project
itself and link targets development. A name that stands in several of these has the type of the last. That order decides
in which order peer sets are put together, so it is part of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from posixpath import basename, normpath
from typing import TYPE_CHECKING, Any, TypeAlias

from pmpipe.npm.manifests.manifest import INSTALL_SCRIPTS
from pmpipe.npm.packages.packument import Json, RawManifest
from pmpipe.npm.specs.names import name_key

if TYPE_CHECKING:
    from pmpipe.resolver.request import Request

#: A child's or dependency's name as folders of a case-insensitive filesystem would see it; npm keeps those apart.
NameKey: TypeAlias = str

#: Fields of a lockfile's entry, see `Package.provenance`.
Provenance: TypeAlias = Mapping[str, Json]


_NO_SPECS: dict[str, str] = {}


class Kind(Enum):
    """How a package needs another one; the values are npm's words."""

    PROD = "prod"
    DEV = "dev"
    OPTIONAL = "optional"
    PEER = "peer"
    PEER_OPTIONAL = "peerOptional"
    WORKSPACE = "workspace"


class Dependency:
    """One line of a package's dependencies; shared by all packages that say the same.

    Attributes:
        name: under which the dependency is to be found.
        key: the name, for look-ups.
        spec: as it stands in the manifest.
        kind: see there.
        accept: a second spec that satisfies too (``acceptDependencies``), or None.
        peer, optional, dev: whether the kind is a peer's, an optional one, a development one.
        answers: whether a package satisfies it; filled by `pmpipe.resolver.satisfy`, for specs that mean the same
            whoever asks. Kept here because a look-up is all that most questions then cost.
        request: what the spec asks for, for such specs, once it has been read.
    """

    __slots__ = ("accept", "answers", "dev", "key", "kind", "name", "optional", "peer", "request", "spec")

    def __init__(self, name: str, spec: str, kind: Kind, accept: str | None) -> None:
        self.name = name
        self.key = name_key(name)
        self.spec = spec
        self.kind = kind
        self.accept = accept
        self.peer = kind is Kind.PEER or kind is Kind.PEER_OPTIONAL
        self.optional = kind is Kind.OPTIONAL or kind is Kind.PEER_OPTIONAL
        self.dev = kind is Kind.DEV
        self.answers: dict[Package, bool] = {}
        self.request: Request | None = None

    def __repr__(self) -> str:
        return f"Dependency({self.name}@{self.spec}, {self.kind.value})"


class DependencyPool:
    """All dependencies of one resolution, each different one once.

    Attributes:
        ignore_peers: peer dependencies are not seen at all (npm's ``--legacy-peer-deps``).
        ignore_shrinkwraps: nor are locks that packages bring in their tarballs (npm 12).
    """

    __slots__ = ("_dependencies", "ignore_peers", "ignore_shrinkwraps")

    def __init__(self, *, ignore_peers: bool = False, ignore_shrinkwraps: bool = False) -> None:
        self.ignore_peers = ignore_peers
        self.ignore_shrinkwraps = ignore_shrinkwraps
        self._dependencies: dict[tuple[str, str, Kind, str | None], Dependency] = {}

    def dependency(self, name: str, spec: str, kind: Kind, accept: str | None = None) -> Dependency:
        """The dependency that says this."""
        line = (name, spec, kind, accept)
        found = self._dependencies.get(line)
        if found is None:
            found = self._dependencies[line] = Dependency(name, spec, kind, accept)
        return found


class Package:
    """One version of one package.

    Attributes:
        manifest: as it came, for the fields that only the lockfile wants.
        name, version: of the manifest; empty where it has none.
        dependencies, optional_dependencies, peer_dependencies, dev_dependencies: name to spec, junk left out.
        bundled: names of the dependencies that come in its own tarball.
        resolved: where it came from: a URL, ``git+…#commit``, ``file:`` and an absolute path; empty if nobody knows.
        integrity: SRI, or empty.
        has_shrinkwrap: its tarball brings a lock for what is below it.
        provenance: what a lockfile says of who has repaired its manifest (``packageExtensionsApplied`` and
            ``npmExtensionApplied``), by field; None if it is its author's.
    """

    __slots__ = (
        "_plain",
        "_with_dev",
        "bundled",
        "dependencies",
        "dev_dependencies",
        "has_shrinkwrap",
        "integrity",
        "manifest",
        "name",
        "optional_dependencies",
        "peer_dependencies",
        "pool",
        "provenance",
        "resolved",
        "version",
    )

    def __init__(
        self,
        manifest: RawManifest,
        pool: DependencyPool,
        *,
        resolved: str = "",
        integrity: str = "",
        provenance: Provenance | None = None,
    ) -> None:
        self.manifest = manifest
        self.pool = pool
        self.name = manifest.name if isinstance(manifest.name, str) else ""
        self.version = manifest.version if isinstance(manifest.version, str) else ""
        self.optional_dependencies = _specs(manifest.optional_dependencies)
        self.dependencies = _specs(manifest.dependencies)
        # manifests of old name what is optional twice, for tools that did not know better
        if self.optional_dependencies and self.dependencies:
            self.dependencies = {n: s for n, s in self.dependencies.items() if n not in self.optional_dependencies}
        self.peer_dependencies = _specs(manifest.peer_dependencies)
        self.dev_dependencies = _specs(manifest.dev_dependencies)
        self.bundled = _bundled(manifest)
        self.resolved = resolved
        self.integrity = integrity
        self.has_shrinkwrap = bool(manifest.shrinkwrapped) and not pool.ignore_shrinkwraps
        self.provenance = provenance
        self._plain: tuple[Dependency, ...] | None = None
        self._with_dev: tuple[Dependency, ...] | None = None

    def edges(self, *, with_dev: bool) -> tuple[Dependency, ...]:
        """Its dependencies in npm's order, each name once; development ones only if asked for."""
        if with_dev:
            if self._with_dev is None:
                self._with_dev = self._read_edges(with_dev=True)
            return self._with_dev
        if self._plain is None:
            self._plain = self._read_edges(with_dev=False)
        return self._plain

    @property
    def has_peers(self) -> bool:
        """Whether any of its dependencies is a peer."""
        return not self.pool.ignore_peers and bool(self.peer_dependencies)

    def _read_edges(self, *, with_dev: bool) -> tuple[Dependency, ...]:
        found: dict[NameKey, Dependency] = {}
        for dependency in self.lines(with_dev=with_dev):
            found.pop(dependency.key, None)
            found[dependency.key] = dependency
        return tuple(found.values())

    def lines(self, *, with_dev: bool) -> Iterator[Dependency]:
        """Its dependencies in npm's order, a name that stands in several maps as often; the last one counts."""
        accepts = self.manifest.accept_dependencies
        accepted = accepts if isinstance(accepts, dict) else {}

        def read(specs: dict[str, str], kind: Kind) -> Iterator[Dependency]:
            for name, spec in specs.items():
                accept = accepted.get(name)
                yield self.pool.dependency(name, spec, kind, (accept or "*") if isinstance(accept, str) else None)

        if not self.pool.ignore_peers and self.peer_dependencies:
            optional = self._optional_peers()
            yield from read({n: s for n, s in self.peer_dependencies.items() if n not in optional}, Kind.PEER)
            yield from read({n: s for n, s in self.peer_dependencies.items() if n in optional}, Kind.PEER_OPTIONAL)
        yield from read(self.dependencies, Kind.PROD)
        yield from read(self.optional_dependencies, Kind.OPTIONAL)
        if with_dev:
            yield from read(self.dev_dependencies, Kind.DEV)

    def _optional_peers(self) -> set[str]:
        meta = self.manifest.peer_dependencies_meta
        if not isinstance(meta, dict):
            return set()
        return {name for name, about in meta.items() if isinstance(about, dict) and about.get("optional")}

    @property
    def has_install_script(self) -> bool:
        """Whether installing it would run something."""
        scripts = self.manifest.scripts
        if self.manifest.has_install_script:
            return True
        return isinstance(scripts, dict) and any(
            isinstance(scripts.get(event), str) and scripts[event] for event in INSTALL_SCRIPTS
        )

    @property
    def label(self) -> str:
        """``name@version``, for messages."""
        return f"{self.name}@{self.version}"

    def __repr__(self) -> str:
        return f"Package({self.label})"


def _specs(value: Json) -> dict[str, str]:
    if not value or not isinstance(value, dict):
        return _NO_SPECS
    for spec in value.values():
        if type(spec) is not str:
            break
    else:
        if "" not in value:
            return value
    return {name: spec for name, spec in value.items() if name and isinstance(spec, str)}


def _bundled(manifest: RawManifest) -> tuple[str, ...]:
    value = manifest.bundle_dependencies
    if value is None:
        value = manifest.bundled_dependencies
    if value is True:
        # npm expands it before it takes out of `dependencies` what is optional as well
        value = manifest.dependencies
    if isinstance(value, (list, dict)):
        return tuple(name for name in value if isinstance(name, str))
    return ()


def normalised_bin(manifest: RawManifest) -> dict[str, str]:
    """The executables of a manifest: name to a path inside the package, neither of which can leave it."""
    value: Any = manifest.bin
    if isinstance(value, str):
        value = {manifest.name: value} if isinstance(manifest.name, str) and manifest.name else {}
    elif isinstance(value, list):
        value = {basename(path): path for path in value if isinstance(path, str)}
    if not isinstance(value, dict):
        return {}
    clean: dict[str, str] = {}
    for name, path in value.items():
        if isinstance(path, str):
            safe_name, safe_path = basename(_inside(name)), _inside(path)
            if safe_name and safe_path:
                clean[safe_name] = safe_path
    return clean


def _inside(path: str) -> str:
    slashed = path.replace("\\", "/").replace(":", "/")
    joined = normpath(f"/{slashed}").lstrip("/")
    # Node.js keeps a slash at the end, which normpath drops
    return f"{joined}/" if joined and slashed.endswith("/") else joined
