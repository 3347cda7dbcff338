"""Which proxy a download goes through, if any.

libcurl would decide that by itself, but does not say so beforehand, and the request line depends on it: a proxy for
http is asked for the whole URL, a registry for the path.
"""

from __future__ import annotations

import functools
import re

from pmpipe.npm.texts.url import Url
from stages.fetch import FetchSettings


def proxy_for(url: Url, settings: FetchSettings) -> str:
    """The URL of the proxy on the way to `url`, or an empty string for a direct connection."""
    proxy = settings.https_proxy if url.scheme == "https" else settings.http_proxy
    return "" if proxy and settings.no_proxy and is_excluded(url.host, settings.no_proxy) else proxy


def asks_for_whole_url(url: Url, proxy: str) -> bool:
    """Whether the request line has the whole URL: to proxies that see the request, which those for SOCKS do not."""
    return url.scheme == "http" and bool(proxy) and not proxy.lower().startswith("socks")


@functools.lru_cache(maxsize=256)
def is_excluded(host: str, no_proxy: str) -> bool:
    """Whether a host is reached directly.

    Args:
        host: as `Url.host` has it.
        no_proxy: hosts, domains with or without a leading dot, addresses and networks such as ``10.0.0.0/8``, with
            commas or blanks between them; or ``*`` for all.

    Source: libcurl's CURLOPT_NOPROXY, which npm's ``noproxy`` has less than: neither ``*`` nor networks.
    """
    if no_proxy.strip() == "*":
        return True
    entries = re.split(r"[,\s]+", no_proxy.lower())
    if host.startswith("[") or _looks_like_address(host):
        return any(_has_address(entry, host.strip("[]")) for entry in entries if entry)
    name = host.rstrip(".")
    return any(_has_name(entry.rstrip(".").removeprefix("."), name) for entry in entries)


def _looks_like_address(host: str) -> bool:
    # whatever else ends in a number is no host that a URL can have
    return host.rpartition(".")[2].isdecimal()


def _has_name(domain: str, name: str) -> bool:
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _has_address(entry: str, address: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(address) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        # a name
        return False
