"""Where packages come from while a tree is built: what has been fed so far, and what has to be asked for.

Everything asked for is asked for once. An answer that is an error is kept like any other: whether it matters is only
known when the tree is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from pmpipe.errors import PmpipeError, RegistryError, RepairError
from pmpipe.npm.foreign.pins import Pins
from pmpipe.npm.packages.packument import Packument, RawManifest
from pmpipe.npm.packages.pick_manifest import PickOptions, pick_manifest
from pmpipe.npm.packages.registry import redacted
from pmpipe.npm.packages.source_policy import SourcePolicy
from pmpipe.npm.semver import parse_version
from pmpipe.npm.texts.text import printable
from pmpipe.npm.texts.url import InvalidUrlError, parse_tarball_url
from pmpipe.resolver.asks import Ask, AskManifest, AskPackument, Fed, FedContents, FedManifest
from pmpipe.resolver.package import DependencyPool, Package
from pmpipe.resolver.pinning import Pinned, merged_integrity, pinned
from pmpipe.resolver.request import Request, RequestKind

if TYPE_CHECKING:
    from pmpipe.resolver.repairs import Repairs

_SHOWN_CHARACTERS = 200

_NO_VERSIONS_HINT = (
    "the registry's data has no version of it at all: it may have been unpublished, or the registry or a mirror serves "
    "incomplete data"
)

_TOO_LATE_HINT = (
    "before or min-release-age leaves out newer versions; min-release-age-exclude names packages of any age"
)


class GivenUpPin(msgspec.Struct, frozen=True):
    """A version that a foreign lock has, and that cannot be had.

    Attributes:
        label: name and version.
        reason: why not, in one line.
        instead: what is taken in its place.
    """

    label: str
    reason: str
    instead: Package


class NoMatchingVersionError(RegistryError):
    """The registry has the package, but no version that a spec means (npm's ETARGET).

    Attributes:
        wanted: that spec, without an alias; empty if there is nobody to be told who has it.
    """

    code = "PM_NO_MATCHING_VERSION"
    wanted = ""


class IncompleteManifestError(RegistryError):
    """A version's data in the registry lacks the version itself, as some mirrors serve it."""

    code = "PM_INCOMPLETE_MANIFEST"


class TarballAddressError(RegistryError):
    """A registry names a place for a version's tarball that is not on the network."""

    code = "PM_TARBALL_ADDRESS"


class Source:
    """What has been fed, and the packages made of it.

    Attributes:
        answers: by what was asked. asked: everything that was ever asked for, fed or not.
        pins: what a foreign lock keeps, or None.
        repairs: what manifests are repaired with, or None; npm does it for all packages but those that are linked.
        abbreviated: packuments are asked for in that form.
        policy: where packages may not come from, or None.
        given_up_pins: of the foreign lock; also of what was looked at only, and is not in the tree.
    """

    def __init__(
        self,
        pool: DependencyPool,
        pick: PickOptions,
        age_exclude: tuple[str, ...] = (),
        pins: Pins | None = None,
        policy: SourcePolicy | None = None,
        repairs: Repairs | None = None,
    ) -> None:
        self.pool = pool
        self.pick = pick
        self.age_exclude = age_exclude
        self.pins = pins or None
        self.policy = policy
        self.repairs = repairs
        self.abbreviated = False
        self.answers: dict[Ask, Fed] = {}
        self.asked: dict[Ask, None] = {}
        self.given_up_pins: dict[Pinned, GivenUpPin] = {}
        self._packages: dict[tuple[str, str], Package | PmpipeError] = {}
        self._packages_by_version: dict[tuple[str, str, str], Package] = {}
        self._asks: dict[str, AskPackument] = {}
        self._pinned: dict[tuple[RequestKind, str, str], Pinned | None] = {}
        self._pinned_packages: dict[Pinned, Package | PmpipeError] = {}

    def package(self, request: Request) -> Package | PmpipeError | Ask:
        """The package that a request means, why there is none, or what must be fed first."""
        if self.pins is not None:
            was = self._pinned_by(request)
            if was is not None:
                return self._pinned_package(request, was)
        return self._package(request)

    def ask_for(self, request: Request) -> Ask:
        """What has to be fed before a registry request can be answered."""
        request = self.pinned(request)
        return self.packument_ask(request.name) if request.is_registry else _manifest_ask(request)

    def pinned(self, request: Request) -> Request:
        """What is asked for in place of a request, if a foreign lock has pinned it; else the request itself."""
        was = self._pinned_by(request) if self.pins is not None else None
        return request if was is None else was.request

    @property
    def has_lock_of_all(self) -> bool:
        """Whether there is a foreign lock that has all packages.

        A yarn.lock of yarn 1 is none: it is used as npm uses it.
        """
        return self.pins is not None and bool(self.pins.by_name)

    def is_unanswered(self, request: Request) -> bool:
        """Whether there is a foreign lock that has all packages, and none of them is for this request."""
        return self.has_lock_of_all and self._pinned_by(request) is None

    def _package(self, request: Request) -> Package | PmpipeError | Ask:
        if request.is_registry:
            line = (request.name, request.wanted)
            found = self._packages.get(line)
            if found is not None:
                return found
            ask: Ask = self.packument_ask(request.name)
        else:
            line = (request.kind.value, _place(request))
            found = self._packages.get(line)
            if found is not None:
                return found
            ask = _manifest_ask(request)
        fed = self.answers.get(ask)
        if fed is None:
            return ask
        made = self._make(request, fed)
        self._packages[line] = made
        return made

    def _pinned_by(self, request: Request) -> Pinned | None:
        assert self.pins is not None
        line = (request.kind, request.name, request.raw)
        if line not in self._pinned:
            self._pinned[line] = pinned(request, self.pins)
        return self._pinned[line]

    def _pinned_package(self, request: Request, was: Pinned) -> Package | PmpipeError | Ask:
        known = self._pinned_packages.get(was)
        if known is not None:
            return known
        found = self._package(was.request)
        if isinstance(found, PmpipeError) and was.request.is_registry:
            # the registry has it no longer, or it is too young; an address that fails must not become a question to
            # a registry, which may have another package by that name
            instead = self._package(request)
            if isinstance(instead, Package):
                label = f"{was.request.name}@{was.request.wanted}"
                self.given_up_pins[was] = GivenUpPin(label, found.what, instead)
            return instead
        if isinstance(found, Package):
            found = self._with_locked_integrity(found, was)
        if isinstance(found, (Package, PmpipeError)):
            self._pinned_packages[was] = found
        return found

    def _with_locked_integrity(self, package: Package, was: Pinned) -> Package | PmpipeError:
        assert self.pins is not None
        try:
            merged = merged_integrity(package.integrity, was.pin.integrity, package.label, self.pins.file)
        except PmpipeError as error:
            return error
        if merged == package.integrity:
            return package
        return Package(
            package.manifest, self.pool, resolved=package.resolved, integrity=merged, provenance=package.provenance
        )

    def copy_of_folder(self, request: Request, package: Package) -> Package:
        """The package of a folder that is to be copied: unlike a link's target it remembers where it came from."""
        line = ("copy", request.wanted)
        found = self._packages.get(line)
        if isinstance(found, Package):
            return found
        fed = self.answers.get(_manifest_ask(request))
        document = fed.manifest if isinstance(fed, FedManifest) else {}
        copy = self._made_of(package.manifest, lambda: document, resolved=f"file:{request.wanted}")
        self._packages[line] = copy
        return copy

    def packument_ask(self, name: str) -> AskPackument:
        """The ask for a package's packument."""
        ask = self._asks.get(name)
        if ask is None:
            ask = self._asks[name] = AskPackument(name, self.abbreviated)
        return ask

    def of_abbreviated(self) -> Source:
        """A source of the same packages, but from abbreviated packuments; it shares what has been asked and fed."""
        other = Source(self.pool, self.pick, self.age_exclude)
        other.abbreviated = True
        other.answers, other.asked = self.answers, self.asked
        return other

    def _make(self, request: Request, fed: Fed) -> Package | PmpipeError:
        if isinstance(fed, PmpipeError):
            return fed
        try:
            return self._make_of_answer(request, fed)
        except RepairError as error:
            return error

    def _make_of_answer(self, request: Request, fed: Packument | FedManifest | FedContents) -> Package | PmpipeError:
        if isinstance(fed, FedManifest):
            given = manifest_from_json(fed.manifest)
            if request.kind is RequestKind.FOLDER:
                return Package(given, self.pool, resolved=fed.resolved, integrity=fed.integrity)
            return self._made_of(given, lambda: fed.manifest, resolved=fed.resolved, integrity=fed.integrity)
        assert isinstance(fed, Packument)
        pick = self.pick
        if pick.before is not None and self._is_excluded(request.name):
            pick = msgspec.structs.replace(pick, before=None)
        try:
            manifest = pick_manifest(fed, request.wanted, pick)
        except PmpipeError as error:
            return error
        if manifest is None:
            return no_matching_version(fed, request, pick)
        return self._registry_package(request, fed, manifest)

    def _registry_package(self, request: Request, fed: Packument, manifest: RawManifest) -> Package | PmpipeError:
        if not isinstance(manifest.version, str) or not manifest.version:
            return IncompleteManifestError(
                f"the registry's data for {request.name}@{request.wanted} has no version",
                hint="a mirror may not have fetched this package completely",
            )
        dist = manifest.dist
        tarball = dist.tarball if dist is not None and isinstance(dist.tarball, str) else ""
        # never by the name that the document claims: another registry might call its package so; and two of the
        # document's versions may claim to be the same one
        key = (request.name, manifest.version, tarball)
        package = self._packages_by_version.get(key)
        if package is None:
            version = manifest.version
            if tarball and (fault := _fault_in_address(tarball)):
                return _unusable_address(f"{request.name}@{version}", tarball, fault)
            package = self._made_of(
                manifest, lambda: fed.document(manifest), resolved=tarball, integrity=_integrity(manifest)
            )
            self._packages_by_version[key] = package
        return package

    def _made_of(
        self, manifest: RawManifest, document: Callable[[], Mapping[str, Any]], *, resolved: str, integrity: str = ""
    ) -> Package:
        if self.repairs is None:
            return Package(manifest, self.pool, resolved=resolved, integrity=integrity)
        return self.repairs.package(manifest, self.pool, resolved=resolved, integrity=integrity, document=document)

    def _is_excluded(self, name: str) -> bool:
        return any(name == pattern or fnmatchcase(name, pattern) for pattern in self.age_exclude)


def _manifest_ask(request: Request) -> AskManifest:
    git_commit, git_range, git_folder = request.git_commit, request.git_range, request.git_folder
    return AskManifest(request.kind, request.wanted, git_commit, git_range, request.name, git_folder, request.integrity)


def _place(request: Request) -> str:
    return f"{request.wanted}#{request.git_commit}{request.git_range}:{request.git_folder}"


def package_from_json(
    data: Mapping[str, Any], pool: DependencyPool, *, resolved: str = "", integrity: str = ""
) -> Package:
    """The package that a package.json or a lockfile's entry describes."""
    return Package(manifest_from_json(data), pool, resolved=resolved, integrity=integrity)


def manifest_from_json(data: Mapping[str, Any]) -> RawManifest:
    """The manifest in a package.json or a lockfile's entry."""
    return msgspec.convert({key: value for key, value in data.items() if key != "dist"}, RawManifest)


def _integrity(manifest: RawManifest) -> str:
    dist = manifest.dist
    if dist is None:
        return ""
    if isinstance(dist.integrity, str) and dist.integrity:
        return dist.integrity
    if isinstance(dist.shasum, str) and dist.shasum:
        from base64 import b64encode

        try:
            return f"sha1-{b64encode(bytes.fromhex(dist.shasum)).decode()}"
        except ValueError:
            return ""
    return ""


def _fault_in_address(tarball: str) -> str:
    """Why a tarball cannot be asked for at the address that a registry gives; empty if it can."""
    if not tarball[:8].lower().startswith(("https://", "http://")):
        # a path would have a file of this machine opened, which npm does
        return "is not http or https"
    try:
        parse_tarball_url(tarball)
    except InvalidUrlError as error:
        return f"cannot be used: {error}"
    return ""


def _unusable_address(label: str, tarball: str, fault: str) -> TarballAddressError:
    return TarballAddressError(
        f"the registry's data for {label} has an address for its tarball that {fault}",
        details=(f"dist.tarball: {printable(redacted(tarball), _SHOWN_CHARACTERS)}",),
        hint="the registry is at fault: whoever runs it has to correct dist.tarball; other versions may be usable",
    )


def no_matching_version(packument: Packument, request: Request, pick: PickOptions) -> NoMatchingVersionError:
    """The error for a request that none of a package's versions meets: it names the tags and the nearest versions.

    Where a version is left out only because it was published too late, the error says so.
    """
    wanted = request.wanted or "*"
    tags = ", ".join(f"{tag}: {version}" for tag, version in list(packument.dist_tags.items())[:5])
    details = [f"tags: {tags}"] if tags else []
    later = _published_later(packument, request, pick)
    if later:
        limit = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(pick.before))
        return NoMatchingVersionError(
            f"no version of {packument.name} matches {wanted} and was published until {limit}",
            details=(*details, f"published later: {later}"),
            hint=_TOO_LATE_HINT,
        )
    nearest = nearest_versions(packument, request)
    if nearest:
        details.append(f"nearest: {', '.join(nearest)}")
    # nothing that package.json could ask for would be found
    hint = "" if packument.versions else _NO_VERSIONS_HINT
    error = NoMatchingVersionError(f"no version of {packument.name} matches {wanted}", details=details, hint=hint)
    error.wanted = request.wanted
    return error


def _published_later(packument: Packument, request: Request, pick: PickOptions) -> str:
    """The version that would be taken if any date would do; empty where there is none."""
    if pick.before is None:
        return ""
    try:
        manifest = pick_manifest(packument, request.wanted, msgspec.structs.replace(pick, before=None))
    except PmpipeError:
        return ""
    return manifest.version if manifest is not None and isinstance(manifest.version, str) else ""


def nearest_versions(packument: Packument, request: Request) -> list[str]:
    """Up to three versions that lie next to what was asked for, highest first."""
    known = sorted((version for version in map(parse_version, packument.versions) if version is not None), reverse=True)
    wanted = parse_version(request.wanted.lstrip("^~<>= "))
    if wanted is None:
        return [str(version) for version in known[:3]]
    below = [version for version in known if version <= wanted][:2]
    above = [version for version in known if version > wanted][-1:]
    return [str(version) for version in (*above, *below)]
