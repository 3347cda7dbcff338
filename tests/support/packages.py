"""Packages made on the spot: real tarballs as npm packs them, manifests, packuments and lockfiles.

Example::

    left = make_package("left-pad", "1.0.0", {"index.js": b"module.exports = 1"}, dependencies={"right-pad": "^2.0.0"})
    lock = make_lock({"name": "app", "dependencies": {"left-pad": "1"}}, {"node_modules/left-pad": left}, registry.url)
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: npm's own date for everything it packs
PACK_TIME_S = 499162500
#: what the abbreviated form of a packument keeps of a manifest
ABBREVIATED_FIELDS = (
    "name",
    "version",
    "deprecated",
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bin",
    "directories",
    "dist",
    "engines",
    "os",
    "cpu",
    "libc",
    "funding",
    "_hasShrinkwrap",
    "hasInstallScript",
)
LOCK_FIELDS = (
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bin",
    "engines",
    "os",
    "cpu",
    "libc",
    "hasInstallScript",
)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file's bytes and its mode in the tarball."""

    content: bytes
    mode: int = 0o644


Files = Mapping[str, bytes | PackedFile]


def make_tar(files: Files, *, root: str = "package") -> bytes:
    """An uncompressed tar with these files below the root folder, in the order given; byte for byte reproducible."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, file in files.items():
            packed = file if isinstance(file, PackedFile) else PackedFile(file)
            info = tarfile.TarInfo(f"{root}/{path}" if root else path)
            info.size, info.mode, info.mtime = len(packed.content), packed.mode, PACK_TIME_S
            tar.addfile(info, io.BytesIO(packed.content))
    return buffer.getvalue()


def make_tarball(files: Files, *, root: str = "package") -> bytes:
    """A .tgz with these files below the root folder, byte for byte reproducible."""
    return gzip.compress(make_tar(files, root=root), mtime=0)


def integrity(content: bytes, algorithm: str = "sha512") -> str:
    """The SRI digest of some bytes, for example "sha512-…"."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package: its manifest (without dist) and its tarball."""

    name: str
    version: str
    tarball: bytes
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tarball_path(self) -> str:
        """The tarball's path at a registry, for example ``/@scope/name/-/name-1.0.0.tgz``."""
        return f"/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"

    @property
    def integrity(self) -> str:
        """The tarball's sha512 in SRI form."""
        return integrity(self.tarball)

    def published(self, registry_url: str) -> dict[str, Any]:
        """The manifest as the registry shows it, with ``dist``."""
        dist = {
            "tarball": registry_url + self.tarball_path,
            "integrity": self.integrity,
            "shasum": hashlib.sha1(self.tarball).hexdigest(),
        }
        return {**self.manifest, "dist": dist, "_id": f"{self.name}@{self.version}"}

    def lock_entry(self, registry_url: str, **fields: Any) -> dict[str, Any]:
        """The entry of this package in a package-lock.json; a field given as None is left out."""
        kept = {name: self.manifest[name] for name in LOCK_FIELDS if name in self.manifest}
        entry = {"version": self.version, "resolved": registry_url + self.tarball_path, "integrity": self.integrity}
        return {name: value for name, value in {**entry, **kept, **fields}.items() if value is not None}


def make_package(name: str, version: str, files: Files | None = None, **manifest_fields: Any) -> Package:
    """A package with a package.json of name, version and the given fields, and these files beside it.

    ``hasInstallScript`` follows from ``scripts``, as the registry computes it; it is not in the package.json itself.
    """
    document = {"name": name, "version": version, **manifest_fields}
    packed: dict[str, bytes | PackedFile] = {"package.json": json.dumps(document, indent=2).encode() + b"\n"}
    packed.update(files or {"index.js": f"module.exports = {json.dumps(f'{name}@{version}')}\n".encode()})
    manifest = dict(document)
    if {"preinstall", "install", "postinstall"} & set(manifest_fields.get("scripts", {})):
        manifest["hasInstallScript"] = True
    return Package(name, version, make_tarball(packed), manifest)


def make_packument(
    packages: Iterable[Package], registry_url: str, *, dist_tags: Mapping[str, str], abbreviated: bool
) -> dict[str, Any]:
    """The packument of some versions of one package, in the full or the abbreviated form."""
    published = [package.published(registry_url) for package in packages]
    if abbreviated:
        published = [{key: one[key] for key in ABBREVIATED_FIELDS if key in one} for one in published]
    name = published[0]["name"]
    document: dict[str, Any] = {
        "name": name,
        "dist-tags": dict(dist_tags),
        "versions": {one["version"]: one for one in published},
    }
    if abbreviated:
        return {**document, "modified": "2020-01-01T00:00:00.000Z"}
    times = {one["version"]: "2020-01-01T00:00:00.000Z" for one in published}
    return {**document, "_id": name, "time": times}


def make_lock(
    root: Mapping[str, Any], packages: Mapping[str, Package | Mapping[str, Any]], registry_url: str
) -> dict[str, Any]:
    """A package-lock.json (version 3) with these entries: path -> package, or a whole entry of one's own."""
    name, version = root.get("name", "app"), root.get("version", "1.0.0")
    entries: dict[str, Any] = {"": dict(root)}
    for path, package in packages.items():
        if isinstance(package, Package):
            alias = {} if path.endswith(f"node_modules/{package.name}") else {"name": package.name}
            entries[path] = {**alias, **package.lock_entry(registry_url)}
        else:
            entries[path] = dict(package)
    return {"name": name, "version": version, "lockfileVersion": 3, "requires": True, "packages": entries}
