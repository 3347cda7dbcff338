"""Where the bytes of a locked package come from, and where the store keeps them."""

from __future__ import annotations

import hashlib
import os
import re

from pmpipe.errors import IntegrityError, LockfileError
from pmpipe.npm.integrity import parse, strongest
from pmpipe.npm.lockfile import Entry, package_name
from pmpipe.npm.package_path import PackagePath
from pmpipe.npm.registry import Registries
from pmpipe.npm.url import InvalidUrlError
from pmpipe.plan import GitCommit, LocalTarball, Origin, RemoteTarball
from stages.entry import digest_entry_path, git_entry_path

_GIT = re.compile(r"(?P<url>git(?:\+[a-z]+)?://[^#]+)#(?P<commit>[0-9a-fA-F]+)(?:::?path:(?P<folder>[^\s]+))?")

#: Hosts whose public repositories can be had over https without a key, whatever the lockfile's URL says.
_SSH_USER = re.compile(r"ssh://git@(?P<host>github\.com|gitlab\.com|bitbucket\.org)[:/](?P<path>.+)")

#: A URL longer than this is no URL, and would not fit in a datagram of the queues.
_LONGEST_URL = 8192


def label_of(path: PackagePath, entry: Entry) -> str:
    """``name@version`` for messages."""
    return f"{package_name(path, entry)}@{entry.version or entry.resolved or 'unknown'}"


def origin_of(path: PackagePath, entry: Entry, registries: Registries, project: str) -> Origin:
    """Where to fetch a package that is not in the store.

    Args:
        path: the lockfile's key.
        entry: the lockfile's entry; neither a link nor bundled.
        registries: which registry serves which name, and with which credentials.
        project: absolute path of the project, for ``file:`` tarballs.

    Raises:
        LockfileError: neither ``resolved`` nor name and version say where it is.
        ConfigError: the registry of its scope is not usable.
    """
    resolved = entry.resolved
    if resolved and resolved.startswith("file:"):
        return LocalTarball(os.path.normpath(os.path.join(project, resolved[len("file:") :])))
    git = _GIT.fullmatch(resolved) if resolved else None
    if git is not None:
        return GitCommit(_repositories(git["url"]), git["commit"].lower(), git["folder"] or "")
    name = package_name(path, entry)
    try:
        url = registries.tarball_location(resolved) if resolved else _derived_url(name, entry, registries)
    except InvalidUrlError as error:
        raise LockfileError(f"{path} is resolved to {resolved!r}, which is no address: {error}") from error
    if len(url) > _LONGEST_URL:
        raise LockfileError(f"{path} is resolved to a URL of {len(url)} characters")
    return RemoteTarball(url, registries.credential_for(url, name).authorization)


def _derived_url(name: str, entry: Entry, registries: Registries) -> str:
    if not entry.version:
        raise InvalidUrlError("the entry has neither resolved nor version")
    return registries.tarball_url(name, entry.version)


def _repositories(url: str) -> tuple[str, ...]:
    plain = url.removeprefix("git+")
    hosted = _SSH_USER.fullmatch(plain)
    return (f"https://{hosted['host']}/{hosted['path']}", plain) if hosted else (plain,)


def entry_candidates(store: str, entry: Entry) -> tuple[str, ...]:
    """Where the store may have a package already; empty where that is known only after its tarball was read.

    Args:
        store: absolute path of the store's version folder.
        entry: the lockfile's entry.
    """
    key = git_key(entry)
    if key:
        return (git_entry_path(store, key),)
    try:
        return tuple(digest_entry_path(store, digest) for digest in strongest(entry.integrity or ""))
    except IntegrityError:
        return ()


def git_key(entry: Entry) -> str:
    """What names the store entry of a git commit: repository, commit and subfolder, hashed. Empty for all else."""
    if entry.resolved is None or not entry.resolved.startswith("git"):
        return ""
    return hashlib.sha256(entry.resolved.encode()).hexdigest() if _GIT.fullmatch(entry.resolved) else ""


def has_digest(entry: Entry) -> bool:
    """Whether the lockfile has a digest for the package that can be used."""
    return bool(entry.integrity and parse(entry.integrity))


def lacks_digest(entry: Entry, origin: Origin) -> bool:
    """Whether a package comes over the network with nothing to verify it by."""
    return isinstance(origin, RemoteTarball) and not has_digest(entry)
