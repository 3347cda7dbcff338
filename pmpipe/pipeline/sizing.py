"""What the settings say about the pipeline: how large it is on this host, and how it uses the network."""

from __future__ import annotations

from collections.abc import Mapping

from pmpipe.npm.config.auth import login_keys
from pmpipe.pipeline.pipeline import Sizes, sizes_for
from pmpipe.settings import user_agent
from pmpipe.settings.config import Config
from pmpipe.system import host
from stages.fetch import FetchSettings

#: More than a host may have to another one; queues are made for as many.
_MOST_CONNECTIONS = 1 << 16


def pipeline_sizes(config: Config) -> Sizes:
    """How large the pipeline is on this host."""
    counts = host.worker_counts()
    return sizes_for(counts.extract, counts.clone, _connections(config))


def fetch_settings(config: Config, sizes: Sizes, environ: Mapping[str, str]) -> FetchSettings:
    """How the network is used."""
    proxies = config.proxies
    chosen = _chosen_connections(config)
    usual = FetchSettings()
    return FetchSettings(
        user_agent=user_agent.for_registries(config, environ),
        maximum_connections=_connections(config),
        document_connections=chosen or usual.document_connections,
        total_connections=chosen or usual.total_connections,
        http2=bool(config.settings["http2"]),
        # whoever is impatient is so with what takes a connection and says nothing, too
        connect_timeout_s=min(usual.connect_timeout_s, config.fetch_timeout / 1000),
        timeout_s=config.fetch_timeout / 1000,
        retries=config.fetch_retries,
        retry_factor=config.fetch_retry_factor,
        retry_minimum_s=config.fetch_retry_mintimeout / 1000,
        retry_maximum_s=config.fetch_retry_maxtimeout / 1000,
        http_proxy=proxies.for_scheme("http"),
        https_proxy=proxies.for_scheme("https"),
        no_proxy=proxies.no_proxy,
        ca_file=config.cafile,
        ca_pem="\n".join(config.ca),
        strict_ssl=config.strict_ssl,
        client_cert_pem=config.cert or "",
        client_key_pem=config.key or "",
        local_address=config.local_address or "",
        login_keys=tuple(login_keys(config.registries.auth)),
        git=config.git,
        tarballs_in_hand=sizes.tarballs,
        held_bytes=sizes.held_bytes,
    )


def _connections(config: Config) -> int:
    """Tarballs at a time."""
    return _chosen_connections(config) or FetchSettings().maximum_connections


def _chosen_connections(config: Config) -> int:
    """What somebody has set ``maxsockets`` to; 0: nothing, or no limit, as Node.js takes a zero.

    npm's default is meant for a tool that does everything else in the same process.
    """
    return min(config.maxsockets, _MOST_CONNECTIONS) if "maxsockets" in config.given else 0
