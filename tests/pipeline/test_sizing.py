"""What the settings say about the pipeline and the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pmpipe.pipeline.pipeline import sizes_for
from pmpipe.pipeline.sizing import fetch_settings, pipeline_sizes
from pmpipe.settings.config import Config
from pmpipe.system import host
from stages.fetch import FetchSettings


@pytest.fixture
def settings_of(tmp_path: Path) -> Any:
    """How the network is used, given these flags."""

    def settings(**flags: object) -> FetchSettings:
        config = Config.load(flags, {"HOME": str(tmp_path)}, str(tmp_path))
        return fetch_settings(config, pipeline_sizes(config), {"PATH": ""})

    return settings


def test_npm_s_default_number_of_sockets_is_not_taken_as_chosen(settings_of: Any) -> None:
    assert settings_of().maximum_connections > 15
    assert settings_of().document_connections > 15


@pytest.mark.parametrize("chosen", [3, 15, 500])
def test_chosen_sockets_bound_tarballs_and_documents_together(settings_of: Any, chosen: int) -> None:
    settings = settings_of(maxsockets=str(chosen))
    bounds = (settings.maximum_connections, settings.document_connections, settings.total_connections)
    assert bounds == (chosen, chosen, chosen)


def test_no_sockets_are_as_good_as_no_choice(settings_of: Any) -> None:
    assert settings_of(maxsockets="0") == settings_of()


def test_chosen_sockets_are_no_more_than_a_host_may_have(settings_of: Any) -> None:
    assert settings_of(maxsockets=str(2**53 - 1)).total_connections == 65_536


def test_connecting_takes_no_longer_than_a_fetch_may(settings_of: Any) -> None:
    assert settings_of(**{"fetch-timeout": "1500"}).connect_timeout_s == 1.5
    assert settings_of(**{"fetch-timeout": "900000"}).connect_timeout_s == FetchSettings().connect_timeout_s


def test_the_network_s_settings_reach_fetch(settings_of: Any) -> None:
    flags = {
        "fetch-timeout": "1500",
        "fetch-retries": "5",
        "fetch-retry-mintimeout": "20",
        "strict-ssl": False,
        "git": "/opt/git",
        "https-proxy": "http://proxy.example:8080",
        "noproxy": ["a.example", "b.example"],
    }
    settings = settings_of(**flags)
    assert (settings.timeout_s, settings.retries, settings.retry_minimum_s) == (1.5, 5, 0.02)
    assert not settings.strict_ssl
    assert settings.http2
    assert settings.git == "/opt/git"
    assert settings.https_proxy.rstrip("/") == "http://proxy.example:8080"
    assert settings.no_proxy == "a.example,b.example"
    assert settings.user_agent.startswith("pmpipe/")


def test_http2_can_be_turned_off(settings_of: Any) -> None:
    assert not settings_of(http2=False).http2


def test_there_are_as_many_processes_as_the_host_has_room_for(settings_of: Any, tmp_path: Path) -> None:
    sizes = pipeline_sizes(Config.load({}, {"HOME": str(tmp_path)}, str(tmp_path)))
    counts = host.worker_counts()
    assert [sizes.processes[stage] for stage in sizes.processes if stage.value in ("extract", "clone")] == [
        counts.extract,
        counts.clone,
    ]
    assert settings_of().tarballs_in_hand == sizes.tarballs


@pytest.mark.parametrize(("extracts", "large", "held"), [(1, 1, 64), (2, 1, 64), (4, 2, 96), (16, 8, 288)])
def test_on_more_cores_more_large_tarballs_are_unpacked_at_a_time(extracts: int, large: int, held: int) -> None:
    sizes = sizes_for(extracts, extracts, 48)
    assert (sizes.large_at_once, sizes.held_bytes) == (large, held << 20)
