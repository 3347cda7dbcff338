"""Repositories on the git hosts that npm knows by name, from shortcuts (``user/project``) and URLs to the same thing.

A host has a few templates; a URL that matches one of its schemes and gives a user and a project becomes a `HostedGit`,
and from there every other address of the repository can be written.

Source: npm's ``hosted-git-info``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from pmpipe.npm.semver.version import SPACES
from pmpipe.npm.specs.whatwg_url import WhatwgUrl, decode_uri_component, encode_uri_component, parse_whatwg_url


class _Segments(msgspec.Struct, frozen=True):
    """What a URL's path says, still percent-encoded; `committish` None means the word that JavaScript makes of it."""

    user: str | None
    project: str
    committish: str | None


class _Host(msgspec.Struct, frozen=True, kw_only=True):
    """One git host.

    Attributes:
        domain: where its repositories are.
        schemes: of the URLs that name a repository there; others with the same domain mean something else.
        read_path: takes a URL apart; None if it is no repository (but a tarball, for example).
        tarball: the template of a commit's tarball: ``{user}``, ``{project}``, ``{committish}``, ``{both}``.
        https: the template of the address over https.
        git: the template of the address over git's own protocol, or empty if the host has none.
        has_users: repositories belong to users, and the user is part of the address.
    """

    domain: str
    schemes: tuple[str, ...]
    read_path: Callable[[WhatwgUrl], _Segments | None]
    tarball: str
    https: str = "git+https://{auth}{domain}/{user}/{project}.git"
    git: str = ""
    has_users: bool = True


class HostedGit(msgspec.Struct, frozen=True, kw_only=True):
    """A repository on a known host.

    Attributes:
        host: ``github``, ``gitlab``, ``bitbucket``, ``gist`` or ``sourcehut``.
        user: the owner; may contain slashes on gitlab. None only in gists and in senseless shortcuts.
        auth: ``user`` or ``user:password`` from the URL, percent-encoded; a secret. None if there is none.
        project: the repository's name, without ``.git``.
        committish: what follows the ``#``; may be empty. None if there was none.
        form: how the repository was written: ``shortcut``, ``sshurl``, ``https``, ``git``, or another URL's scheme.
    """

    host: str
    user: str | None
    auth: str | None
    project: str
    committish: str | None
    form: str

    @property
    def shortcut(self) -> str:
        """``github:user/project#committish``."""
        user = f"{self._user}/" if _HOSTS[self.host].has_users else ""
        return f"{self.host}:{user}{self.project}{self._fragment}"

    @property
    def ssh(self) -> str:
        """``git@github.com:user/project.git#committish``."""
        return f"git@{self._ssh_address(':')}{self._fragment}"

    @property
    def ssh_url(self) -> str:
        """``git+ssh://git@github.com/user/project.git#committish``."""
        return f"git+ssh://git@{self._ssh_address('/')}{self._fragment}"

    @property
    def https_url(self) -> str:
        """``git+https://github.com/user/project.git#committish``, with `auth` if there is any."""
        return self._fill(_HOSTS[self.host].https) + self._fragment

    @property
    def git_url(self) -> str | None:
        """``git://github.com/user/project.git#committish``, with `auth`; None where the host does not offer it."""
        template = _HOSTS[self.host].git
        return self._fill(template) + self._fragment if template else None

    @property
    def tarball_url(self) -> str:
        """Where the host offers the `committish` (or its default branch) as a gzipped tarball."""
        return self._fill(_HOSTS[self.host].tarball)

    @property
    def is_shortcut(self) -> bool:
        """Whether it was written as a shortcut, which leaves open how to get there."""
        return self.form == "shortcut"

    def save_spec(self) -> str:
        """The repository as it is written to package.json: in the form it came, with its committish."""
        if self.form == "shortcut":
            return self.shortcut
        if self.form == "https":
            return self.https_url
        if self.form == "git":
            return self.git_url or self.ssh_url
        return self.ssh_url

    def fetch_spec(self) -> str:
        """The repository's address for git: no committish, and no ``git+`` in front."""
        return msgspec.structs.replace(self, committish=None).save_spec().removeprefix("git+")

    @property
    def _user(self) -> str:
        # a shortcut without an owner; npm writes the same word
        return "null" if self.user is None else self.user

    @property
    def _fragment(self) -> str:
        return f"#{self.committish}" if self.committish else ""

    def _ssh_address(self, separator: str) -> str:
        host = _HOSTS[self.host]
        user = f"{self._user}/" if host.has_users else ""
        return f"{host.domain}{separator}{user}{self.project}.git"

    def _fill(self, template: str) -> str:
        return template.format(
            auth=f"{self.auth}@" if self.auth else "",
            domain=_HOSTS[self.host].domain,
            user=self._user,
            project=self.project,
            committish=encode_uri_component(self.committish or "HEAD"),
            both=encode_uri_component(f"{self._user}/{self.project}"),
        )


def parse_hosted_git(text: str) -> HostedGit | None:
    """Read a repository on a known host.

    Args:
        text: for example ``user/project#v1``, ``gitlab:group/sub/project``, ``git@github.com:user/project.git`` or
            ``https://bitbucket.org/user/project``.

    Returns:
        the repository, or None if the text means anything else.
    """
    if not text:
        return None
    url = _parse_loose_url(f"github:{text}" if _is_github_shorthand(text) else text)
    if url is None:
        return None
    if url.scheme in _HOSTS:
        return _read_shortcut(url)
    name = _NAMES_BY_DOMAIN.get(url.hostname.removeprefix("www."))
    if name is None or url.scheme not in _HOSTS[name].schemes:
        return None
    return _read_url(name, url)


def _read_shortcut(url: WhatwgUrl) -> HostedGit | None:
    path = url.path.removeprefix("/")
    # what stands before an "@" would be a user's password, which shortcuts have no use for
    if "@" in path:
        path = path.partition("@")[2]
    user_text, _, project_text = path.rpartition("/")
    user = decode_uri_component(user_text)
    project = decode_uri_component(project_text)
    committish = decode_uri_component(url.fragment) if url.fragment else ""
    if user is None or project is None or committish is None:
        return None
    return HostedGit(
        host=url.scheme,
        user=user or None,
        auth=None,
        project=project.removesuffix(".git"),
        committish=committish or None,
        form="shortcut",
    )


def _read_url(name: str, url: WhatwgUrl) -> HostedGit | None:
    segments = _HOSTS[name].read_path(url)
    if segments is None:
        return None
    user = decode_uri_component(segments.user) if segments.user is not None else ""
    project = decode_uri_component(segments.project)
    committish = decode_uri_component(segments.committish) if segments.committish is not None else "undefined"
    if user is None or project is None or committish is None:
        return None
    has_auth = url.scheme not in ("git+ssh", "ssh") and (url.username or url.password)
    return HostedGit(
        host=name,
        user=user if segments.user is not None else None,
        auth=f"{url.username}{':' if url.password else ''}{url.password}" if has_auth else None,
        project=project,
        committish=committish,
        form={"git+ssh": "sshurl", "ssh": "sshurl", "git+https": "https"}.get(url.scheme, url.scheme),
    )


def _is_github_shorthand(text: str) -> bool:
    """``user/project``: a slash, and nothing in front of a ``#`` that a path or a URL has."""
    name = text.partition("#")[0]
    if re.search(f"[@:{SPACES}]", name) or name.startswith(".") or name.endswith("/"):
        return False
    return text.find("/") > 0 and name.count("/") <= 1


def _parse_loose_url(text: str) -> WhatwgUrl | None:
    """Read a URL, or what ssh takes for one (``git@github.com:user/project``)."""
    with_scheme = _with_scheme(text)
    return parse_whatwg_url(with_scheme) or parse_whatwg_url(_without_ssh_colon(with_scheme))


def _with_scheme(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if colon and (scheme in _HOSTS or scheme in _SCHEMES or rest.startswith("//")):
        return text
    at = text.find("@")
    if at > -1:
        # "x:y@z" is taken for user, password and host
        return f"git+ssh://{text}" if at > text.find(":") else text
    return f"{scheme}://{rest}" if colon else f"//{text}"


def _without_ssh_colon(text: str) -> str:
    """Make the colon between host and path a slash, and name the protocol if nothing else does."""
    before = text.find("#") + 1 or len(text)
    at, colon = text.rfind("@", 0, before), text.rfind(":", 0, before)
    if colon > at:
        text = f"{text[:colon]}/{text[colon + 1 :]}"
    if ":" not in text[: text.find("#") + 1 or len(text)] and "//" not in text:
        text = f"git+ssh://{text}"
    return text


def _split(url: WhatwgUrl) -> list[str | None]:
    """The first four segments of the path, None for the missing ones."""
    segments: list[str | None] = [*url.path.split("/")[1:5]]
    return segments + [None] * (4 - len(segments))


def _read_github(url: WhatwgUrl) -> _Segments | None:
    user, project, kind, committish = _split(url)
    if kind and kind != "tree":
        return None
    project = project and project.removesuffix(".git")
    return _Segments(user, project, committish if kind else url.fragment or "") if user and project else None


def _read_without(word: str) -> Callable[[WhatwgUrl], _Segments | None]:
    """Make a reader of ``/user/project``, with anything behind it but a word that stands for tarballs."""

    def read(url: WhatwgUrl) -> _Segments | None:
        user, project, kind, _ = _split(url)
        project = project and project.removesuffix(".git")
        return _Segments(user, project, url.fragment or "") if user and project and kind != word else None

    return read


def _read_gitlab(url: WhatwgUrl) -> _Segments | None:
    path = url.path[1:]
    if "/-/" in path or "/archive.tar.gz" in path:
        return None
    user, _, project = path.rpartition("/")
    project = project.removesuffix(".git")
    return _Segments(user, project, url.fragment or "") if user and project else None


def _read_gist(url: WhatwgUrl) -> _Segments | None:
    user, project, kind, _ = _split(url)
    if kind == "raw":
        return None
    if not project:
        user, project = None, user
    return _Segments(user, project.removesuffix(".git"), url.fragment or "") if project else None


_SCHEMES = ("git+ssh", "ssh", "git+https", "git", "http", "https", "git+http")

_HOSTS = {
    "github": _Host(
        domain="github.com",
        schemes=("git", "http", "git+ssh", "git+https", "ssh", "https"),
        read_path=_read_github,
        tarball="https://codeload.{domain}/{user}/{project}/tar.gz/{committish}",
        git="git://{auth}{domain}/{user}/{project}.git",
    ),
    "bitbucket": _Host(
        domain="bitbucket.org",
        schemes=("git+ssh", "git+https", "ssh", "https"),
        read_path=_read_without("get"),
        tarball="https://{domain}/{user}/{project}/get/{committish}.tar.gz",
    ),
    "gitlab": _Host(
        domain="gitlab.com",
        schemes=("git+ssh", "git+https", "ssh", "https"),
        read_path=_read_gitlab,
        tarball="https://{domain}/api/v4/projects/{both}/repository/archive.tar.gz?sha={committish}",
    ),
    "gist": _Host(
        domain="gist.github.com",
        schemes=("git", "git+ssh", "git+https", "ssh", "https"),
        read_path=_read_gist,
        tarball="https://codeload.github.com/gist/{project}/tar.gz/{committish}",
        https="git+https://{domain}/{project}.git",
        git="git://{domain}/{project}.git",
        has_users=False,
    ),
    "sourcehut": _Host(
        domain="git.sr.ht",
        schemes=("git+ssh", "https"),
        read_path=_read_without("archive"),
        tarball="https://{domain}/{user}/{project}/archive/{committish}.tar.gz",
        https="https://{domain}/{user}/{project}",
    ),
}
_NAMES_BY_DOMAIN = {host.domain: name for name, host in _HOSTS.items()}
