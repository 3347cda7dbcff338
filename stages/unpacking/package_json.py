"""What extract wants to know of the package.json files in a package: executables, and whether it has install scripts.

These files belong to strangers. npm installs a package whose package.json it cannot read, so whatever is not of the
expected type here is taken as absent.

A tarball may carry whole packages in ``node_modules`` (bundled dependencies). npm links their executables and runs
their scripts as well, so they count.

Source: npm's ``@npmcli/package-json`` (bin, directories.bin, gypfile), its arborist (rebuild) and bin-links.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec

from pmpipe.npm.texts.json_text import without_bom

_MANIFEST = b"package.json"
_BUNDLED_FOLDER = re.compile(rb"(?:(?:^|/)node_modules/(?:@[^/]+/)?[^/]+)+\Z")
_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")


class PackageManifest(msgspec.Struct):
    """The fields that are looked at, of whatever type they are."""

    name: Any = None
    bin: Any = None
    directories: Any = None
    scripts: Any = None
    gypfile: Any = None
    dependencies: Any = None
    optional_dependencies: Any = msgspec.field(default=None, name="optionalDependencies")
    bundle_dependencies: Any = msgspec.field(default=None, name="bundleDependencies")
    bundled_dependencies: Any = msgspec.field(default=None, name="bundledDependencies")
    files: Any = None
    workspaces: Any = None
    main: Any = None
    browser: Any = None


class PackageFacts(msgspec.Struct, frozen=True):
    """What the package.json files of a package say.

    Attributes:
        bins: paths of the executables within the package, as bytes on disk; they need not exist.
        has_install_script: the package, or one that is bundled in it, has something to run after it was placed.
    """

    bins: frozenset[bytes]
    has_install_script: bool


_decoder = msgspec.json.Decoder(PackageManifest)


def read_facts(paths: Collection[bytes], folders: Iterable[bytes], read: Callable[[bytes], bytes]) -> PackageFacts:
    """Look into the package.json files of a package and of those bundled in it.

    Args:
        paths: the files' paths relative to the package; looked up more often than gone through.
        folders: the folders' paths.
        read: gives the content of one of the files.
    """
    roots = [b""]
    roots += [folder + b"/" for folder in folders if b"node_modules" in folder and _BUNDLED_FOLDER.match(folder)]
    bins: set[bytes] = set()
    has_install_script = False
    for root in roots:
        if root + _MANIFEST not in paths:
            continue
        manifest = decode_manifest(read(root + _MANIFEST))
        targets = [root + target for target in bin_targets(manifest)]
        if not targets and (folder := bin_folder(manifest)):
            targets = list(_files_below(root + folder, paths))
        bins.update(targets)
        has_install_script = has_install_script or _runs_on_install(manifest, has_gyp=root + b"binding.gyp" in paths)
    return PackageFacts(frozenset(bins), has_install_script)


def decode_manifest(content: bytes) -> PackageManifest:
    """The fields of a package.json; all absent if it is no JSON object."""
    try:
        return _decoder.decode(without_bom(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return PackageManifest()


def bin_targets(manifest: PackageManifest) -> list[bytes]:
    """The paths in ``bin``, each confined to the package."""
    given = manifest.bin
    if isinstance(given, str):
        targets: Iterable[Any] = (given,) if manifest.name else ()
    elif isinstance(given, dict):
        targets = given.values()
    elif isinstance(given, list):
        targets = given
    else:
        return []
    return [path for target in targets if isinstance(target, str) and (path := _confined(target))]


def bin_folder(manifest: PackageManifest) -> bytes:
    """``directories.bin``, confined to the package, or nothing."""
    directories = manifest.directories
    folder = directories.get("bin") if isinstance(directories, dict) else None
    return _confined(folder) if isinstance(folder, str) and folder else b""


def _confined(path: str) -> bytes:
    inside = posixpath.normpath("/" + path.replace("\\", "/")).lstrip("/")
    return inside.encode("utf-8", "replace")


def _files_below(folder: bytes, paths: Iterable[bytes]) -> Iterable[bytes]:
    start = folder + b"/"
    for path in paths:
        # npm looks for them with a glob, which passes over dot files
        if path.startswith(start) and b"/." not in path[len(folder) :]:
            yield path


def _runs_on_install(manifest: PackageManifest, *, has_gyp: bool) -> bool:
    scripts = manifest.scripts if isinstance(manifest.scripts, dict) else {}
    if any(scripts.get(name) for name in _INSTALL_SCRIPTS):
        return True
    return has_gyp and manifest.gypfile is not False
