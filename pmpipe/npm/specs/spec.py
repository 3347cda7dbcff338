"""Reading specs: what a dependency's text, or an argument of the command line, asks for.

The questions are asked in npm's order, and the first yes decides: a path, an alias, a repository on a known host, a
URL, something with a slash or with a tarball's suffix (a path again), and at last a version, a range or a dist-tag of
the registry.

Source: npm's ``npm-package-arg`` 13.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.semver.range import parse_range
from pmpipe.npm.semver.version import SPACES, loose_version
from pmpipe.npm.specs.names import PackageName, is_valid_name, name_errors
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.specs.spec_types import (
    AliasSpec,
    CatalogSpec,
    DirectorySpec,
    FileSpec,
    GitSpec,
    RangeSpec,
    RegistrySpec,
    RemoteSpec,
    Spec,
    TagSpec,
    VersionSpec,
    WorkspaceSpec,
)

_URL = re.compile(r"(?:[gG][iI][tT]\+)?[a-zA-Z]+:")
_SCP = re.compile("[^@]+@[^:.]+\\.[^:]+:[^\n\r\u2028\u2029]+")
_TARBALL = re.compile(r"\.(?:tgz|tar\.gz|tar)\Z", re.IGNORECASE | re.ASCII)
_PATH = re.compile("[.]|~?/|[a-zA-Z]:")
_NEEDS_A_CLOSER_LOOK = re.compile(r"[/:@]|\A\.")
_CHANGED_IN_URLS = re.compile(r"[^A-Za-z0-9\-_.!~*'()]")

#: what npm has for a protocol of yarn's or pnpm's
_INSTEAD = {
    "patch": "use the version that is patched, and name the patch under patchedDependencies in package.json",
    "portal": "use file: and the folder, which links to it, too",
}


def parse_argument(text: str, where: str | None = None, *, home: str | None = None) -> Spec:
    """Read an argument of the command line: a name, a spec, or both.

    Args:
        text: for example ``react``, ``react@^18``, ``@scope/name@beta``, ``user/project``, ``./folder``.
        where: the absolute path of the folder that relative paths start from; None if paths make no sense here.
        home: the absolute path of the user's home folder, for ``~/x``.

    Raises:
        InvalidSpecError: npm would not take it either, or it is a path and `where` (or `home`) is missing.
    """
    at = text.find("@", 1)
    name = text[:at] if at > 0 else text
    if _URL.match(text):
        return _parse(None, text, text, where, home)
    if _SCP.fullmatch(text):
        return _parse(None, f"git+ssh://{text}", text, where, home)
    if not name.startswith("@") and ("/" in name or _TARBALL.search(name)):
        return _parse(None, text, text, where, home)
    if at > 0:
        return _parse(name, text[at + 1 :] or "*", text, where, home)
    if is_valid_name(text):
        return _parse(text, "*", text, where, home)
    return _parse(None, text, text, where, home)


def names_tarball(path: str) -> bool:
    """Whether npm takes a path in the file system for a tarball's; it takes all others for folders'."""
    return _TARBALL.search(path) is not None


def parse_spec(name: str, raw: str, where: str | None = None, *, home: str | None = None) -> Spec:
    """Read a dependency.

    Args:
        name: under which the package is to be installed.
        raw: the spec behind it: ``^18.2.0``, ``npm:other@1``, ``github:user/project#v1``, ``workspace:*``, …
        where: the absolute path of the folder that relative paths start from, usually that of the package.json; None
            if paths make no sense here.
        home: the absolute path of the user's home folder, for ``~/x``.

    Raises:
        InvalidSpecError: npm would not take it either, or it is a path and `where` (or `home`) is missing.
    """
    return _parse(name, raw, f"{name}@{raw}", where, home)


def _parse(name_text: str | None, raw_spec: str, raw: str, where: str | None, home: str | None) -> Spec:
    if _NEEDS_A_CLOSER_LOOK.search(raw_spec) is None and _TARBALL.search(raw_spec) is None:
        return _read_registry_spec(name_text, raw_spec, raw)
    name = _checked_name(name_text, raw) if name_text else None
    if raw_spec[:5].lower() == "file:" or _PATH.match(raw_spec):
        return _read_local_spec(name, raw_spec, raw, where, home)
    scheme, colon, rest = raw_spec.partition(":")
    if colon and scheme.lower() == "npm":
        return _read_alias(name, rest, raw_spec, raw)
    if colon and scheme in ("link", "workspace", "catalog"):
        return _read_foreign_spec(name, raw_spec, raw, where, home)
    hosted = _read_hosted_git(name, raw_spec, raw)
    if hosted is not None:
        return hosted
    if _URL.match(raw_spec):
        return _read_url(name, raw_spec, raw)
    if "/" in raw_spec or _TARBALL.search(raw_spec):
        return _read_local_spec(name, raw_spec, raw, where, home)
    return _read_registry_spec(name_text, raw_spec, raw)


def _checked_name(name: str, raw: str) -> PackageName:
    if not is_valid_name(name):
        raise InvalidSpecError(
            f"invalid package name {shown(name)} in {shown(raw)}: it {', it '.join(name_errors(name))}",
            hint="correct the name where it is required",
        )
    return PackageName(name)


# Most dependencies end here, the same ones many times over.
@lru_cache(maxsize=1 << 14)
def _read_registry_spec(name_text: str | None, raw_spec: str, raw: str) -> RegistrySpec:
    name = _checked_name(name_text, raw) if name_text else None
    wanted = raw_spec.strip(SPACES)
    if loose_version(wanted) is not None:
        return VersionSpec(name=name, raw=raw, raw_spec=raw_spec, fetch_spec=wanted)
    if parse_range(wanted) is not None:
        return RangeSpec(name=name, raw=raw, raw_spec=raw_spec, fetch_spec=wanted)
    if _CHANGED_IN_URLS.search(wanted):
        raise InvalidSpecError(
            f"{shown(wanted)} in {shown(raw)} is no version, no range, and no name for a dist-tag",
            hint="write a range such as ^1.2.3, or one of the package's dist-tags, such as latest",
        )
    return TagSpec(name=name, raw=raw, raw_spec=raw_spec, fetch_spec=wanted)


# Git, URLs and paths are rare among dependencies; what reads them is loaded when the first one is met.
def _read_hosted_git(name: PackageName | None, raw_spec: str, raw: str) -> GitSpec | None:
    from pmpipe.npm.specs.git_spec import read_hosted_spec
    from pmpipe.npm.specs.hosted_git import parse_hosted_git

    hosted = parse_hosted_git(raw_spec)
    return None if hosted is None else read_hosted_spec(name, raw_spec, raw, hosted)


def _read_local_spec(
    name: PackageName | None, raw_spec: str, raw: str, where: str | None, home: str | None
) -> FileSpec | DirectorySpec:
    if where is None:
        raise InvalidSpecError(
            f"{shown(raw)} asks for a path, but there is no folder that it could start from",
            hint="only packages of the project itself can depend on a path",
        )
    from pmpipe.npm.specs.local_path import read_local_path

    path = read_local_path(raw_spec, where, home)
    if path is None:
        raise InvalidSpecError(
            f"{shown(raw)} is no path that can be used here", hint="write a path such as file:../folder"
        )
    kind = FileSpec if _TARBALL.search(raw_spec) else DirectorySpec
    return kind(
        name=name,
        raw=raw,
        raw_spec=raw_spec,
        where=where,
        fetch_spec=path.absolute,
        save_spec=f"file:{path.saved}",
    )


def _read_alias(name: PackageName | None, target: str, raw_spec: str, raw: str) -> AliasSpec:
    # what an alias may name has nothing to do with paths, so any folder will do
    sub_spec = parse_argument(target, "/", home="/")
    if not isinstance(sub_spec, (VersionSpec, RangeSpec, TagSpec)) or sub_spec.name is None:
        raise InvalidSpecError(
            f"the alias {shown(raw)} does not name a package of the registry",
            hint="write npm:name@range",
        )
    return AliasSpec(name=name, raw=raw, raw_spec=raw_spec, sub_spec=sub_spec)


def _read_url(name: PackageName | None, raw_spec: str, raw: str) -> Spec:
    from pmpipe.npm.specs.git_spec import read_git_url
    from pmpipe.npm.specs.whatwg_url import parse_whatwg_url

    git = read_git_url(name, raw_spec, raw)
    if git is not None:
        return git
    url = parse_whatwg_url(raw_spec)
    if url is None:
        raise InvalidSpecError(f"{shown(raw)} is no URL that can be read", hint="correct the URL")
    if url.scheme not in ("http", "https"):
        raise InvalidSpecError(
            f"{shown(raw)} has a scheme that is not supported: {url.scheme}:",
            hint=_INSTEAD.get(url.scheme, "use https:, file:, npm:, workspace:, or one of git's with git+ in front"),
        )
    return RemoteSpec(name=name, raw=raw, raw_spec=raw_spec, fetch_spec=raw_spec)


def _read_foreign_spec(
    name: PackageName | None, raw_spec: str, raw: str, where: str | None, home: str | None
) -> DirectorySpec | WorkspaceSpec | CatalogSpec:
    """The protocols of pnpm and yarn, which npm does not have."""
    protocol, _, rest = raw_spec.partition(":")
    if protocol == "catalog":
        return CatalogSpec(name=name, raw=raw, raw_spec=raw_spec, catalog=rest.strip(SPACES) or "default")
    if protocol == "workspace":
        return _read_workspace_spec(name, rest.strip(SPACES), raw_spec, raw)
    local = _read_local_spec(name, f"file:{rest}", raw, where, home)
    return DirectorySpec(
        name=name,
        raw=raw,
        raw_spec=raw_spec,
        where=local.where,
        fetch_spec=local.fetch_spec,
        save_spec=f"link:{local.save_spec.removeprefix('file:')}",
    )


def _read_workspace_spec(name: PackageName | None, wanted: str, raw_spec: str, raw: str) -> WorkspaceSpec:
    at = wanted.rfind("@")
    target = None
    if at > 0 and not _PATH.match(wanted):
        target, wanted = _checked_name(wanted[:at], raw), wanted[at + 1 :]
    if wanted in ("", "*", "^", "~") or parse_range(wanted) is not None:
        return WorkspaceSpec(
            name=name,
            raw=raw,
            raw_spec=raw_spec,
            target_name=target,
            requested_range=wanted or "*",
            path=None,
        )
    if target is not None or ("/" not in wanted and not wanted.startswith(".")):
        raise InvalidSpecError(
            f"{shown(raw)} names no range and no folder of a workspace",
            hint="write workspace:*, workspace:^1.2.3 or workspace:./folder",
        )
    return WorkspaceSpec(name=name, raw=raw, raw_spec=raw_spec, target_name=None, requested_range=None, path=wanted)
