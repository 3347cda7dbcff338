"""Specs that name a git repository: on a host that npm knows, or at any URL.

Source: npm's ``npm-package-arg``.
"""

from __future__ import annotations

import re

import msgspec

from pmpipe.errors import InvalidSpecError
from pmpipe.npm.specs.hosted_git import HostedGit
from pmpipe.npm.specs.names import PackageName
from pmpipe.npm.specs.shown import shown
from pmpipe.npm.specs.spec_types import GitSpec
from pmpipe.npm.specs.whatwg_url import decode_uri_component, parse_whatwg_url

# git+ssh://user@host:path is no URL, but ssh's way to write one; a number behind the colon is a port, and a URL again
_SCP = re.compile(
    "git\\+ssh://([^:#]+:[^#]+)(?:#([^\n\r\u2028\u2029]*))?",
)
_PORT = re.compile(r":[0-9]+(/|\Z)")
_DRIVE = re.compile("git\\+file://[a-z]:", re.IGNORECASE | re.ASCII)
_SCHEMES = ("git", "git+http", "git+https", "git+rsync", "git+ftp", "git+file", "git+ssh")


class _Fragment(msgspec.Struct, frozen=True):
    """What stands behind the ``#``; see `GitSpec` for the fields."""

    committish: str | None = None
    semver_range: str | None = None
    subdirectory: str | None = None


def read_hosted_spec(name: PackageName | None, raw_spec: str, raw: str, hosted: HostedGit) -> GitSpec:
    """Make a spec of a repository on a known host.

    Raises:
        InvalidSpecError: what stands behind the ``#`` contradicts itself.
    """
    fragment = _read_fragment(hosted.committish, raw)
    return GitSpec(
        name=name,
        raw=raw,
        raw_spec=raw_spec,
        fetch_spec=None if hosted.is_shortcut else hosted.fetch_spec(),
        save_spec=hosted.save_spec(),
        committish=fragment.committish,
        semver_range=fragment.semver_range,
        subdirectory=fragment.subdirectory,
        hosted=hosted,
    )


def read_git_url(name: PackageName | None, raw_spec: str, raw: str) -> GitSpec | None:
    """Read the URL of a git repository.

    Returns:
        the spec; None if it is no such URL.

    Raises:
        InvalidSpecError: what stands behind the ``#`` contradicts itself.
    """
    address, fragment_text = _read_scp(raw_spec) or _read_url(raw_spec) or ("", None)
    if not address:
        return None
    fragment = _read_fragment(fragment_text, raw)
    return GitSpec(
        name=name,
        raw=raw,
        raw_spec=raw_spec,
        fetch_spec=address,
        save_spec=raw_spec,
        committish=fragment.committish,
        semver_range=fragment.semver_range,
        subdirectory=fragment.subdirectory,
        hosted=None,
    )


def _read_scp(raw_spec: str) -> tuple[str, str | None] | None:
    """The address, which is for ssh, and what stands behind the ``#``."""
    found = _SCP.fullmatch(raw_spec)
    return None if found is None or _PORT.search(found[1]) else (found[1], found[2])


def _read_url(raw_spec: str) -> tuple[str, str | None] | None:
    """The address, which is a URL, and what stands behind the ``#``."""
    url = parse_whatwg_url(raw_spec.replace("\\", "/") if raw_spec.startswith("git+file://") else raw_spec)
    if url is None or url.scheme not in _SCHEMES:
        return None
    if url.scheme == "git+file" and _DRIVE.match(raw_spec):
        port = f":{url.port}" if url.port else ""
        return f"file://{url.hostname.lower()}{port}:{url.path}", url.fragment
    return str(url.without_fragment()).removeprefix("git+"), url.fragment


def _read_fragment(text: str | None, raw: str) -> _Fragment:
    """Read ``commit``, ``semver:range``, ``path:folder``, or several of them with ``::`` between."""
    found = _Fragment()
    for part in text.split("::") if text else ():
        key, colon, rest = part.partition(":")
        value = rest.partition(":")[0]
        if not colon or key == "semver":
            if found.committish or found.semver_range:
                raise _contradiction(raw, "more than one commit, tag, branch or range")
            if not colon:
                found = msgspec.structs.replace(found, committish=part)
                continue
            decoded = decode_uri_component(value)
            if decoded is None:
                raise _contradiction(raw, "a range whose percent-encoding is broken")
            found = msgspec.structs.replace(found, semver_range=decoded)
        elif key == "path":
            if found.subdirectory:
                raise _contradiction(raw, "more than one path")
            found = msgspec.structs.replace(found, subdirectory=f"/{value}")
    return found


def _contradiction(raw: str, what: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"{shown(raw)} names {what} behind its #",
        hint="write #commit, #tag, #branch or #semver:range, and ::path:folder if the package is in a folder",
    )
