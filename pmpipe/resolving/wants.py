"""What the resolver asks for, as something that the fetch stage can get: URLs, credentials, repositories."""

from __future__ import annotations

import os

import msgspec

from pmpipe.errors import LockfileError
from pmpipe.npm.packages.registry import Registries, redacted
from pmpipe.npm.specs.hosted_git import parse_hosted_git
from pmpipe.npm.texts.url import InvalidUrlError
from pmpipe.resolver import Ask, AskContents, AskManifest, AskPackument, Resolved
from pmpipe.resolver.request import RequestKind
from pmpipe.resolving.packument_requests import ACCEPT, ACCEPT_ABBREVIATED, PackumentAddress, PackumentRequests
from pmpipe.tree.sources import git_origin, repositories_of
from stages.document_cache import KeptHead
from stages.messages import COMMIT, Announced, Want, WantCommit, WantTarball

#: A tarball's URL with its digests in characters; a longer one is none, and would not fit in a message.
LONGEST_ADDRESS = 8192


class Wants(msgspec.Struct, frozen=True):
    """Makes wants.

    Args:
        registries: which registry serves which name, and with which credentials.
        packuments: of these.
    """

    registries: Registries
    packuments: PackumentRequests

    @classmethod
    def of(cls, registries: Registries, cache_folder: str) -> Wants:
        """For these registries; `cache_folder` is the absolute path of the folder of kept documents."""
        return cls(registries, PackumentRequests(registries, cache_folder))

    def packument(self, ask: AskPackument) -> PackumentAddress:
        """Where the packument of a package is.

        Raises:
            ConfigError: the scope's registry cannot be used.
        """
        return self.packuments.address(ask.name, _form(ask))

    def want(self, number: int, ask: Ask, head: KeptHead | None = None) -> Want:
        """The want for an ask that is about something on the network, or about a tarball on disk.

        Args:
            number: of the want.
            ask: not for a folder.
            head: of the kept copy of a packument that may be current.

        Raises:
            PmpipeError: nothing can be asked for: a URL or a setting cannot be used.
        """
        if isinstance(ask, AskPackument):
            return self.packuments.want(number, ask.name, _form(ask), head)
        if isinstance(ask, AskContents):
            commit = git_origin(ask.resolved)
            if commit is not None:
                label = f"{ask.name}@{ask.version}"
                return WantCommit(
                    number,
                    label,
                    commit.repositories,
                    commit.commit,
                    "",
                    ask.resolved.replace(f"#{commit.commit}", f"#{COMMIT}", 1),
                    commit.subfolder,
                )
            label = f"{ask.name}@{ask.version}"
            if ask.resolved.startswith("file:"):
                return _on_disk(number, label, ask.resolved, ask.integrity)
            return self._tarball(number, label, ask.resolved, ask.integrity, ask.name)
        if ask.kind is RequestKind.GIT:
            return _commit(number, ask)
        label = ask.name or redacted(ask.wanted)
        if ask.kind is RequestKind.TARBALL_FILE:
            return _on_disk(number, label, ask.wanted, "")
        return self._tarball(number, label, ask.wanted, ask.integrity, "")

    def announced(self, resolved: Resolved) -> Announced | None:
        """A tarball that may be downloaded ahead; None where nothing would verify it, or its URL is odd."""
        if not resolved.integrity or not resolved.tarball:
            return None
        try:
            request = self.registries.request_for(self.registries.tarball_location(resolved.tarball), resolved.name)
        except InvalidUrlError:
            return None  # whoever needs the package is told
        if len(request.url) + len(resolved.integrity) > LONGEST_ADDRESS:
            return None
        label = f"{resolved.name}@{resolved.version}"
        credential = request.credential
        return Announced(label, request.url, credential.authorization, resolved.integrity, credential.certificate)

    def _tarball(self, number: int, label: str, where: str, integrity: str, name: str) -> WantTarball:
        try:
            url = self.registries.tarball_location(where) if name else where
            request = self.registries.request_for(url, name)
        except InvalidUrlError as error:
            raise LockfileError(
                f"the tarball of {label} is at {where[:200]!r}, which is no address: {error}"
            ) from error
        if len(request.url) + len(integrity) > LONGEST_ADDRESS:
            raise LockfileError(f"the tarball of {label} is at an address of {len(request.url)} characters")
        credential = request.credential
        return WantTarball(number, label, request.url, credential.authorization, "", integrity, credential.certificate)


def _on_disk(number: int, label: str, where: str, integrity: str) -> WantTarball:
    """The want for a tarball or folder that the project asks for by its path.

    Args:
        number: of the want.
        label: for messages.
        where: the absolute path, maybe with ``file:`` in front.
        integrity: SRI, or empty.

    Raises:
        LockfileError: the path is not absolute.
    """
    path = where.removeprefix("file:")
    if not os.path.isabs(path):
        raise LockfileError(f"the tarball of {label} is at {where[:200]!r}, which is no absolute path")
    return WantTarball(number, label, "", "", path, integrity)


def _form(ask: AskPackument) -> str:
    return ACCEPT_ABBREVIATED if ask.abbreviated else ACCEPT


def _commit(number: int, ask: AskManifest) -> WantCommit:
    address = _git_address(ask.wanted)
    label = ask.name or redacted(ask.wanted)
    repositories = repositories_of(address)
    # npm's own lock names no folder, by which its `ci` installs the whole repository
    resolved = f"{address}#{COMMIT}::path:{ask.git_folder}" if ask.git_folder else f"{address}#{COMMIT}"
    return WantCommit(number, label, repositories, ask.git_commit, ask.git_range, resolved, ask.git_folder)


def _git_address(wanted: str) -> str:
    """The repository as a lockfile names it, so that all ways to write one mean the same entry.

    Source: pacote's ``add-git-sha.js`` and arborist's ``consistent-resolve.js``.
    """
    hosted = parse_hosted_git(wanted)
    if hosted is not None:
        # without its credentials a private repository could not be had
        return (hosted.https_url if hosted.auth else hosted.ssh_url).partition("#")[0]
    if wanted.startswith(("git+", "git:")):
        return wanted
    return f"git+{wanted}" if "://" in wanted else f"git+ssh://{wanted}"
