"""Where packages come from: the registry of a name, the URL of a tarball, and the credentials that go with it."""

from __future__ import annotations

import functools
import re
from typing import Any, NewType

import msgspec

from pmpipe.errors import ConfigError, InvalidSpecError
from pmpipe.npm.config.auth import NO_CREDENTIAL, Credential, basic, credential_at, find_key, may_be_told
from pmpipe.npm.texts.text import printable
from pmpipe.npm.texts.url import InvalidUrlError, Url, parse_tarball_url, parse_url

#: parsing costs microseconds, and the same few registries are asked for with every package of a lockfile
_parse_registry = functools.lru_cache(maxsize=64)(parse_url)

#: Absolute http or https URL that ends with a slash.
RegistryUrl = NewType("RegistryUrl", str)

#: What ``replace-registry-host`` has for the public registry's host.
_PUBLIC = ("", "npmjs")


class ScopeRegistry(msgspec.Struct, frozen=True):
    """The value of ``@scope:registry`` as written, and where it was written, for messages.

    It is checked when a package of the scope is wanted: a variable that is unset on this machine does no harm to a
    project without such packages.
    """

    text: str
    where: str


class Request(msgspec.Struct, frozen=True):
    """A URL without credentials in it, and the credentials for it."""

    url: str
    credential: Credential


class Registries(msgspec.Struct, frozen=True):
    """All that is configured about registries. Its text form never shows a secret.

    Attributes:
        configured: the default registry, or empty: then it is the ecosystem's public one.
        by_scope: by scope, with its ``@``.
        auth: the settings whose names start with ``//``, for `pmpipe.npm.config.auth`.
        replace_host: npm's ``replace-registry-host``.
        default_scope: npm's ``scope``, with its ``@``, or empty: whose registry also serves names without one.
    """

    configured: str = ""
    by_scope: dict[str, ScopeRegistry] = {}
    auth: dict[str, Any] = {}
    replace_host: str = "npmjs"
    default_scope: str = ""

    def __repr__(self) -> str:
        keys = sorted(self.auth)
        return f"Registries(configured={self.configured!r}, by_scope={self.by_scope!r}, auth keys={keys!r})"

    @property
    def default(self) -> RegistryUrl:
        """The registry of names without a scope of their own."""
        return as_registry(self.configured) if self.configured else public_registry()

    def for_package(self, name: str) -> RegistryUrl:
        """The one registry that a package comes from; no other is ever asked for it.

        Args:
            name: the package's true name (not an alias), ``name`` or ``@scope/name``.

        Raises:
            ConfigError: the scope's registry is no http or https URL.
        """
        scope = name.partition("/")[0] if name.startswith("@") else ""
        chosen = self.by_scope.get(scope) or self.by_scope.get(self.default_scope)
        if chosen is None:
            return self.default
        try:
            return as_registry(chosen.text)
        except InvalidUrlError as error:
            raise ConfigError(
                f"the registry of {scope or self.default_scope} cannot be used: {error}",
                details=(f"{chosen.where}: {redacted(chosen.text)}",),
                hint="give an absolute URL, and set the environment variables it refers to",
            ) from error

    def tarball_url(self, name: str, version: str) -> str:
        """Where the registry of `name` keeps the tarball of a version, by npm's convention.

        For lockfile entries without ``resolved``.

        Raises:
            ConfigError: as `for_package`.
            InvalidSpecError: the name or version cannot be part of a URL.
        """
        segments = [*name.split("/"), f"{name.rpartition('/')[2]}-{version}.tgz"]
        if any(segment in ("", ".", "..") for segment in segments):
            raise InvalidSpecError(f"{name!r} is no name of a package")
        *folders, file = (re.sub(r"[^A-Za-z0-9@._~!'()*+-]", _percent, segment) for segment in segments)
        return f"{self.for_package(name)}{'/'.join(folders)}/-/{file}"

    def tarball_location(self, resolved: str) -> str:
        """The URL to fetch for a lockfile's ``resolved``: the registry's host is replaced as configured.

        Args:
            resolved: ``resolved`` of a package that comes from a registry or from an http(s) URL.

        Returns:
            an absolute, normalised http or https URL; it may still hold a user before the host.

        Raises:
            InvalidUrlError: `resolved` is no http or https URL.

        Source: ``replace-registry-host`` in arborist's reify, and again in pacote's remote fetcher.
        """
        url = parse_tarball_url(resolved)
        if self.replace_host == "never" or self._is_at_home(url):
            return url.href
        prefix = _host_and_path(self.replace_host)
        if prefix.host not in ("always", url.host):
            return url.href
        if prefix.path and not _is_below(url.path, prefix.path):
            return url.href
        registry = _parse_registry(self.default)
        folder = registry.path.removesuffix("/")
        path = url.path
        if prefix.path:
            path = folder + path[len(prefix.path) :]
        elif folder and not _is_below(path, folder):
            path = folder + path
        moved = msgspec.structs.replace(
            url, scheme=registry.scheme, host=registry.host, port=registry.port, path=path or "/"
        )
        if prefix.host in ("always", moved.netloc) and not prefix.path:
            # then pacote replaces the host once more, and keeps nothing but the path
            moved = msgspec.structs.replace(moved, userinfo=registry.userinfo, suffix="")
        return moved.href

    def _is_at_home(self, url: Url) -> bool:
        """Whether it is there already where it would be moved to; so nobody need ask which the public registry is."""
        if self.replace_host not in _PUBLIC or url.userinfo or url.suffix or not url.path:
            return False
        registry = _parse_registry(self.default)
        return (
            url.origin == registry.origin
            and not registry.userinfo
            and _is_below(url.path, registry.path.removesuffix("/"))
        )

    def credential_for(self, url: str, name: str = "") -> Credential:
        """What to present to a URL: what is configured for it, else what its registry at the same origin has.

        Args:
            url: the absolute http or https URL that is going to be requested.
            name: the package that is fetched, or empty: its registry's credentials count where the registry has the
                URL's scheme, host and port.

        Raises:
            ConfigError: the credentials cannot be sent.
            InvalidUrlError: `url` is no http or https URL.

        Source: npm-registry-fetch's auth; ``always-auth`` is ignored there too.
        """
        return self._credential(parse_url(url), name)

    def request_for(self, url: str, name: str = "") -> Request:
        """As `credential_for`, together with the URL as it is to be requested: without a user in it."""
        target = parse_url(url)
        return Request(target.public_href, self._credential(target, name))

    def _credential(self, target: Url, name: str) -> Credential:
        if self.auth and may_be_told(target, self._origins()):
            key = find_key(self.auth, target)
            if not key:
                registry = _parse_registry(self.for_package(name) if name else self.default)
                if registry.origin == target.origin:
                    key = find_key(self.auth, registry)
            if key:
                return credential_at(self.auth, key)
        return _from_userinfo(target)

    def _origins(self) -> frozenset[str]:
        texts = (self.configured, *(scope.text for scope in self.by_scope.values()))
        return frozenset(_origin(text) for text in texts if text)


class _ReplaceHost(msgspec.Struct, frozen=True):
    host: str
    path: str


@functools.lru_cache(maxsize=8)
def _host_and_path(replace_host: str) -> _ReplaceHost:
    if replace_host in _PUBLIC:
        return _ReplaceHost(parse_url(public_registry()).host, "")
    if "://" not in replace_host:
        return _ReplaceHost(replace_host, "")
    url = parse_url(replace_host)
    return _ReplaceHost(url.host, url.path.removesuffix("/"))


@functools.cache
def public_registry() -> RegistryUrl:
    """The ecosystem's public registry, as the package URL library knows it."""
    from packageurl.contrib.purl2url import build_npm_download_url

    probe: str = build_npm_download_url("pkg:npm/a@0.0.0")
    return as_registry(probe.removesuffix("a/-/a-0.0.0.tgz"))


@functools.lru_cache(maxsize=64)
def as_registry(text: str) -> RegistryUrl:
    """Normalise the URL of a registry: it ends with one slash, and has neither query nor fragment.

    Raises:
        InvalidUrlError: it is no http or https URL.
    """
    url = parse_url(text)
    path = f"{url.path.rstrip('/')}/"
    return RegistryUrl(msgspec.structs.replace(url, path=path, suffix="").href)


def redacted(text: str) -> str:
    """A text for messages: passwords in URLs and control characters are masked."""
    return printable(re.sub(r"//[^/\s]*@", "//***@", text))


def _from_userinfo(url: Url) -> Credential:
    if not url.userinfo:
        return NO_CREDENTIAL
    from urllib.parse import unquote

    user, _, password = url.userinfo.partition(":")
    return Credential(authorization=basic(unquote(user), unquote(password)))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


@functools.lru_cache(maxsize=64)
def _origin(text: str) -> str:
    """The origin of a registry, or an empty string where it cannot be used (whoever wants it is told then)."""
    try:
        return parse_url(text).origin
    except InvalidUrlError:
        return ""


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))
