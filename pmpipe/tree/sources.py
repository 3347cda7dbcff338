"""Where the bytes of a wanted package come from, and where the store keeps them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable

import msgspec

from pmpipe.errors import IntegrityError, LockfileError
from pmpipe.npm.packages.integrity import parse, strongest
from pmpipe.npm.packages.registry import Registries
from pmpipe.npm.specs.spec import names_tarball
from pmpipe.npm.texts.url import InvalidUrlError
from pmpipe.plan import GitCommit, LocalFolder, LocalTarball, Origin, RemoteTarball
from pmpipe.tree.wanted import WantedPackage
from stages.entries.entry import digest_entry_name, git_entry_name, patched_entry_name

_GIT = re.compile(r"(?P<url>git(?:\+[a-z]+)?://[^#]+)#(?P<commit>[0-9a-fA-F]+)(?:::?path:(?P<folder>[^\s]+))?")

_FULL_COMMIT = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")

#: Hosts whose public repositories can be had over https without a key, whatever the lockfile's URL says.
_SSH_USER = re.compile(r"ssh://git@(?P<host>github\.com|gitlab\.com|bitbucket\.org)[:/](?P<path>.+)")

#: A URL longer than this is no URL, and would not fit in a datagram of the queues; nor would a package that has more
#: than so many characters in its name, address and digests together.
_LONGEST_URL = 8192


def origin_of(package: WantedPackage, registries: Registries, project: str) -> Origin:
    """Where to fetch a package that is not in the store.

    Args:
        package: neither a link nor bundled.
        registries: which registry serves which name, and with which credentials.
        project: absolute path of the project, for ``file:`` tarballs.

    Raises:
        LockfileError: neither ``resolved`` nor name and version say where it is.
        ConfigError: the registry of its scope is not usable.
    """
    length = len(package.label) + len(package.resolved) + len(package.integrity)
    if length > _LONGEST_URL:
        endless = f"an address that has, with its name and digests, {length:,} characters"
        raise LockfileError(f"{package.location} is resolved to {endless}")
    if package.resolved.startswith("file:"):
        path = os.path.normpath(os.path.join(project, package.resolved[len("file:") :]))
        return LocalTarball(path) if names_tarball(path) else LocalFolder(path)
    commit = git_origin(package.resolved)
    if commit is not None:
        return msgspec.structs.replace(commit, is_prepared=True) if package.is_prepared else commit
    try:
        url = registries.tarball_location(package.resolved) if package.resolved else _derived_url(package, registries)
        request = registries.request_for(url, package.name)
    except InvalidUrlError as error:
        what = f"{package.location} is resolved to {package.resolved[:200]!r}, which is no address: {error}"
        raise LockfileError(
            what, hint="correct it in package-lock.json, or remove the entry and install again"
        ) from error
    if len(request.url) > _LONGEST_URL:
        raise LockfileError(f"{package.location} is resolved to a URL of {len(request.url)} characters")
    return RemoteTarball(request.url, request.credential.authorization, request.credential.certificate)


def _derived_url(package: WantedPackage, registries: Registries) -> str:
    if not package.version:
        raise InvalidUrlError("the entry has neither resolved nor version")
    return registries.tarball_url(package.name, package.version)


def git_origin(resolved: str) -> GitCommit | None:
    """The commit that a lockfile's address means; None if it is about something else."""
    git = _GIT.fullmatch(resolved)
    return GitCommit(repositories_of(git["url"]), git["commit"].lower(), git["folder"] or "") if git else None


def repositories_of(url: str) -> tuple[str, ...]:
    """The URLs to try for a git repository: public ones of well-known hosts can be had without a key."""
    plain = url.removeprefix("git+")
    hosted = _SSH_USER.fullmatch(plain)
    return (f"https://{hosted['host']}/{hosted['path']}", plain) if hosted else (plain,)


def entry_names(integrity: str, resolved: str) -> tuple[str, ...]:
    """Where in a store's version folder a package may be already; empty where only its tarball's content tells.

    Args:
        integrity: SRI as a lockfile has it, or empty.
        resolved: as a lockfile has it, or empty.
    """
    key = git_key(resolved)
    if key:
        return (git_entry_name(key),)
    try:
        return tuple(map(digest_entry_name, strongest(integrity)))
    except IntegrityError:
        return ()


def patched_names(names: Iterable[str], integrity: str) -> tuple[str, ...]:
    """The same for a patched package.

    Args:
        names: of the package as it was published.
        integrity: SRI of the patch.
    """
    return tuple([patched_entry_name(name, integrity) for name in names])


def entry_candidates(store: str, package: WantedPackage) -> tuple[str, ...]:
    """Where the store may have a package already: absolute paths.

    Args:
        store: absolute path of the store's version folder.
        package: neither a link nor bundled.
    """
    return tuple([f"{store}/{name}" for name in package.entries])


def usable_integrity(package: WantedPackage) -> str:
    """The package's integrity; empty if there is no digest in it."""
    # an entry that is not named by a commit is named by a digest
    is_usable = (package.entries and not git_key(package.resolved)) or parse(package.integrity)
    return package.integrity if is_usable else ""


def git_key(resolved: str) -> str:
    """What names the store entry of a git commit: repository, commit and subfolder, hashed. Empty for all else."""
    if not resolved.startswith("git"):
        return ""
    return hashlib.sha256(resolved.encode()).hexdigest() if _GIT.fullmatch(resolved) else ""


def prepared_key(resolved: str) -> str:
    """The same for what becomes of the commit when the package has prepared itself."""
    return hashlib.sha256(f"{resolved}\nprepared".encode()).hexdigest() if git_key(resolved) else ""


def as_prepared(package: WantedPackage) -> WantedPackage:
    """A package that comes from git, to be taken as its own scripts make it."""
    names = (git_entry_name(prepared_key(package.resolved)),)
    return msgspec.structs.replace(package, entries=names, is_prepared=True)


def is_full_commit(reference: str) -> bool:
    """Whether a git reference is a commit's whole id, so that no repository has to be asked what it means."""
    return _FULL_COMMIT.fullmatch(reference) is not None


def lacks_digest(package: WantedPackage) -> bool:
    """Whether a package comes over the network with nothing to verify it by."""
    if package.entries or package.link_target is not None or package.in_bundle:
        return False
    return not package.resolved.startswith("file:")
