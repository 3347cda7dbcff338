"""Which proxy a request goes through."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec

from pmpipe.errors import ConfigError
from pmpipe.npm.config.settings import SETTINGS
from pmpipe.npm.texts.url import InvalidUrlError, parse_url

_VARIABLES = ("https_proxy", "http_proxy", "proxy", "no_proxy")


class Proxies(msgspec.Struct, frozen=True):
    """Proxies from the settings and from the environment. Its text form shows no password.

    Attributes:
        configured: ``https-proxy``, else ``proxy``: for every URL; with its port; or empty.
        excluded: ``noproxy``: hosts and domains to reach directly; empty: the environment's.
        environment: the variables ``https_proxy``, ``http_proxy``, ``proxy`` and ``no_proxy`` that are set, by their
            names in lower case.
    """

    configured: str = ""
    excluded: tuple[str, ...] = ()
    environment: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Proxies(configured={bool(self.configured)}, excluded={self.excluded!r})"

    @property
    def no_proxy(self) -> str:
        """The hosts to reach directly, with commas between them; who is meant: see `stages.fetching.proxy_choice`."""
        return ",".join(self.excluded) or self.environment.get("no_proxy", "")

    def for_scheme(self, scheme: str) -> str:
        """The proxy for all URLs of a scheme that are not excluded, its port always written out; empty for none.

        Args:
            scheme: "http" or "https".

        Raises:
            ConfigError: the environment names a proxy that cannot be used.
        """
        return self.configured or _with_port(self._from_environment(scheme))

    def _from_environment(self, scheme: str) -> str:
        get = self.environment.get
        if scheme == "https":
            return get("https_proxy", "")
        return get("https_proxy") or get("http_proxy") or get("proxy", "")


@functools.lru_cache(maxsize=8)
def _with_port(proxy: str) -> str:
    if not proxy:
        return ""
    # where a port is left out, libcurl takes 1080 and Node.js the scheme's own
    try:
        url = parse_url(proxy if "://" in proxy else f"http://{proxy}", SETTINGS["proxy"].choices)
    except InvalidUrlError as error:
        raise ConfigError(
            f"the proxy that the environment names cannot be used: {error}",
            hint="correct the variables https_proxy and http_proxy; they take http://host:port",
        ) from error
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 1080)
    user = f"{url.userinfo}@" if url.userinfo else ""
    # without a version libcurl takes version 4, and npm version 5 with names that the proxy looks up
    scheme = "socks5h" if url.scheme == "socks" else url.scheme
    return f"{scheme}://{user}{url.host}:{port}"


def proxies(configured: str | None, excluded: tuple[str, ...], environ: Mapping[str, str]) -> Proxies:
    """Put the settings and the environment together; of two spellings of a variable the later one counts."""
    environment = {name.lower(): value for name, value in environ.items() if name.lower() in _VARIABLES}
    hosts = tuple(part.strip() for entry in excluded for part in entry.split(",") if part.strip())
    return Proxies(_with_port(configured or ""), hosts, environment)
