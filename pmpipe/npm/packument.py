"""What a registry tells about a package: its packument (all versions) and its manifests (one version each).

A packument is read without its versions: each stays the bytes it came as until it is picked, because decoding all of
them is most of the time that resolving takes. Only fields that resolving or a lockfile needs are named; their values
are as the registry has them, so whoever uses one checks its type: old packages hold almost anything.

Source: npm's registry API, "abbreviated" and "full" documents; both fit.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pmpipe.errors import RegistryError

#: JSON that has not been checked.
Json = Any


class Dist(msgspec.Struct, frozen=True, gc=False):
    """Where a version's tarball is and what it must hash to; empty texts where the registry does not say."""

    tarball: Json = ""
    integrity: Json = ""
    shasum: Json = ""


class RawManifest(msgspec.Struct, frozen=True, rename="camel"):
    """One version as the registry, a package.json or a lockfile's entry describes it; fields under npm's names."""

    name: Json = None
    version: Json = None
    dependencies: Json = None
    dev_dependencies: Json = None
    optional_dependencies: Json = None
    peer_dependencies: Json = None
    peer_dependencies_meta: Json = None
    bundle_dependencies: Json = None
    bundled_dependencies: Json = None
    accept_dependencies: Json = None
    bin: Json = None
    engines: Json = None
    os: Json = None
    cpu: Json = None
    libc: Json = None
    license: Json = None
    funding: Json = None
    deprecated: Json = None
    workspaces: Json = None
    has_install_script: Json = None
    scripts: Json = None
    overrides: Json = None
    dev_engines: Json = None
    shrinkwrapped: Json = msgspec.field(default=None, name="_hasShrinkwrap")
    dist: Dist | None = None


class Packument(msgspec.Struct):
    """All versions of a package.

    Attributes:
        name: as the registry has it.
        dist_tags: version by tag.
        versions: the manifest of each version, undecoded; `manifest` decodes one.
        time: when versions were published, undecoded; absent from abbreviated documents.
    """

    name: str = ""
    dist_tags: dict[str, Json] = msgspec.field(default_factory=dict, name="dist-tags")
    versions: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    time: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))

    def manifest(self, version: str) -> RawManifest | None:
        """The manifest of a version, or None if there is no such version; decoded anew by each call.

        Raises:
            RegistryError: the registry's data for this version is not an object.
        """
        raw = self.versions.get(version)
        if raw is None:
            return None
        try:
            return _MANIFESTS.decode(raw)
        except msgspec.MsgspecError as error:
            raise RegistryError(f"the registry's data for {self.name}@{version} cannot be used: {error}") from error

    def publish_times(self) -> dict[str, Json]:
        """The time of publication by version, in ISO 8601; empty if the document does not tell.

        Raises:
            RegistryError: the field is not an object.
        """
        try:
            return _TIMES.decode(self.time)
        except msgspec.MsgspecError as error:
            raise RegistryError(f"the registry's times for {self.name} cannot be used: {error}") from error


_PACKUMENTS = msgspec.json.Decoder(Packument)
_MANIFESTS = msgspec.json.Decoder(RawManifest)
_TIMES = msgspec.json.Decoder(dict[str, Json])


def decode_packument(document: bytes | memoryview, name: str) -> Packument:
    """Read a packument.

    Args:
        document: the response's body, uncompressed. The packument keeps it alive, as its versions are slices of it.
        name: of the package that was asked for, for messages and where the document has none.

    Raises:
        RegistryError: it is no JSON or not the JSON of a packument.
    """
    try:
        packument = _PACKUMENTS.decode(document)
    except msgspec.MsgspecError as error:
        raise RegistryError(
            f"the registry's answer for {name} is no packument: {error}",
            hint="the registry or a proxy in front of it may be answering with an error page",
        ) from error
    if not packument.name:
        packument.name = name
    return packument


def manifest_from_json(data: dict[str, Json]) -> RawManifest:
    """The manifest of a package.json or of a lockfile's entry.

    Raises:
        msgspec.ValidationError: `dist` is there and no object.
    """
    return msgspec.convert(data, RawManifest)
