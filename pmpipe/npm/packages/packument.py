"""What a registry tells about a package: its packument (all versions) and its manifests (one version each).

A packument is read without its versions: each stays the bytes it came as until it is picked, because decoding all of
them is most of the time that resolving takes. Only fields that resolving or a lockfile needs are named; their values
are as the registry has them, so whoever uses one checks its type: old packages hold almost anything.

Source: npm's registry API, "abbreviated" and "full" documents; both fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeAlias, TypeVar

import msgspec

from pmpipe.errors import RegistryError
from pmpipe.npm.texts.json_depth import is_too_deep
from pmpipe.npm.texts.json_text import without_bom

#: JSON that has not been checked.
Json = Any

#: Gives a document's text once more; whoever gives it may call `Packument.compact` later.
Again: TypeAlias = Callable[[], bytes | bytearray | memoryview]


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
    gypfile: Json = None
    overrides: Json = None
    dev_engines: Json = None
    shrinkwrapped: Json = msgspec.field(default=None, name="_hasShrinkwrap")
    dist: Dist | None = None


class _Document(msgspec.Struct):
    name: str = ""
    dist_tags: dict[str, Json] = msgspec.field(default_factory=dict, name="dist-tags")
    versions: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    time: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


_Decoded = TypeVar("_Decoded")

_DOCUMENTS = msgspec.json.Decoder(_Document)
_MANIFESTS = msgspec.json.Decoder(RawManifest)
_DOCUMENTS_OF_VERSIONS = msgspec.json.Decoder(dict[str, Json])
_TIMES = msgspec.json.Decoder(dict[str, Json])

#: Around the versions of a packument; no spec means a version that has one itself.
_BETWEEN = "\n"


class Packument:
    """All versions of a package.

    Attributes:
        name: as the registry has it.
        dist_tags: version by tag.
    """

    __slots__ = ("_again", "_manifests", "_raw", "_time", "_versions", "dist_tags", "name")

    def __init__(self, document: _Document, again: Again | None) -> None:
        self.name = document.name
        self.dist_tags = document.dist_tags
        #: as one text: those of a large project's packuments are a hundred thousand, and few are ever looked at
        self._versions = _joined(document.versions)
        #: how to get the text once it was forgotten
        self._again = again
        self._raw: dict[str, msgspec.Raw] = document.versions
        self._time = document.time
        #: what was decoded so far
        self._manifests: dict[str, RawManifest] = {}

    @property
    def versions(self) -> list[str]:
        """All versions, in the registry's order."""
        return self._versions[1:-1].split(_BETWEEN) if self._versions else []

    def has_version(self, version: str) -> bool:
        """Whether this version is among them."""
        return f"{_BETWEEN}{version}{_BETWEEN}" in self._versions and _BETWEEN not in version

    def compact(self) -> None:
        """Forget the text: it is got again for a version that nobody has asked for so far.

        The manifests of a large project's packuments are hundreds of megabytes, of which a hundredth is ever looked at.
        """
        if self._again is not None:
            self._raw = {}
            self._time = msgspec.Raw(b"")

    def manifest(self, version: str) -> RawManifest | None:
        """The manifest of a version, or None if there is no such version.

        Raises:
            RegistryError: the registry's data for this version is not an object, or is nested too deeply.
        """
        found = self._manifests.get(version)
        if found is not None:
            return found
        if not self.has_version(version):
            return None
        text = self._text_of(version)
        try:
            found = _decoded(_MANIFESTS, text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RegistryError(f"the registry's data for {self.name}@{version} cannot be used: {error}") from error
        if is_too_deep(bytes(text)):
            raise RegistryError(f"the registry's data for {self.name}@{version} is nested too deeply")
        self._manifests[version] = found
        return found

    def document(self, manifest: RawManifest) -> dict[str, Json]:
        """All that there is of a manifest that `manifest` has given."""
        # the version that a manifest claims need not be the one under which it is listed
        listed = next(version for version, decoded in self._manifests.items() if decoded is manifest)
        return _decoded(_DOCUMENTS_OF_VERSIONS, self._text_of(listed))

    def publish_times(self) -> dict[str, Json]:
        """The time of publication by version, in ISO 8601; empty if the document does not tell.

        Raises:
            RegistryError: the field is not an object.
        """
        if not bytes(self._time):
            self._restore()
        try:
            return _decoded(_TIMES, self._time)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RegistryError(f"the registry's times for {self.name} cannot be used: {error}") from error

    def _text_of(self, version: str) -> msgspec.Raw:
        if not self._raw:
            self._restore()
        return self._raw[version]

    def _restore(self) -> None:
        assert self._again is not None, "only a packument that can be read again forgets its text"
        document = _decoded(_DOCUMENTS, self._again())
        self._raw, self._time = document.versions, document.time


def decode_packument(document: bytes | bytearray | memoryview, name: str, again: Again | None = None) -> Packument:
    """Read a packument.

    Args:
        document: the response's body, uncompressed. The packument keeps it alive, as its versions are slices of it.
        name: of the package that was asked for, for messages and where the document has none.
        again: gives the same document once more; with it, `Packument.compact` may be called.

    Raises:
        RegistryError: it is no JSON or not the JSON of a packument.
    """
    try:
        decoded = _decoded(_DOCUMENTS, document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RegistryError(
            f"the registry's answer for {name} is no packument: {error}",
            hint="the registry or a proxy in front of it may be answering with an error page",
        ) from error
    if not decoded.name:
        decoded.name = name
    return Packument(decoded, again)


def _joined(versions: Collection[str]) -> str:
    if not versions:
        return ""
    joined = f"{_BETWEEN}{_BETWEEN.join(versions)}{_BETWEEN}"
    if joined.count(_BETWEEN) > len(versions) + 1:
        return _joined([version for version in versions if _BETWEEN not in version])
    return joined


def _decoded(decoder: msgspec.json.Decoder[_Decoded], text: bytes | bytearray | memoryview | msgspec.Raw) -> _Decoded:
    """Decode JSON as Node.js does: what is no UTF-8 in it becomes U+FFFD, and so does half a surrogate pair."""
    try:
        return decoder.decode(text)
    except (UnicodeDecodeError, msgspec.DecodeError):
        return decoder.decode(without_bom(bytes(text)))
