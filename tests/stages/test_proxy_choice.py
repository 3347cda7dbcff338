"""Which proxy a download goes through."""

from __future__ import annotations

import pytest

from pmpipe.npm.texts.url import parse_url
from stages.fetch import FetchSettings
from stages.fetching.proxy_choice import asks_for_whole_url, is_excluded, proxy_for

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("host", "no_proxy", "excluded"),
    [
        ("registry.example", "registry.example", True),
        ("registry.example", "other.example, REGISTRY.example", True),
        ("registry.example", "other.example registry.example", True),
        ("registry.example", ".example", True),
        ("registry.example", "example.", True),
        ("registry.example.", "registry.example", True),
        ("registry.example", "istry.example", False),
        ("registry.example", "sub.registry.example", False),
        ("registry.example", ",,", False),
        ("registry.example", ".", False),
        ("registry.example", "*", True),
        ("registry.example", "*.example", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "128.0.0.0/8, 0.0.1, registry.example, 127.0.0.0/99", False),
        ("[::1]", "::1", True),
        ("[::1]", "[::1]", True),
        ("[fe80::2]", "fe80::/10", True),
        ("[::2]", "::1", False),
    ],
)
def test_who_is_reached_directly(host, no_proxy, excluded):
    assert is_excluded(host, no_proxy) is excluded


def test_each_scheme_has_its_proxy():
    settings = FetchSettings(http_proxy=PROXY, https_proxy="http://other.example:1", no_proxy="near.example")
    assert proxy_for(parse_url("http://registry.example"), settings) == PROXY
    assert proxy_for(parse_url("https://registry.example"), settings) == "http://other.example:1"
    assert proxy_for(parse_url("https://near.example"), settings) == ""
    assert proxy_for(parse_url("https://registry.example"), FetchSettings()) == ""


def test_only_a_proxy_that_sees_the_request_is_asked_for_the_whole_url():
    assert asks_for_whole_url(parse_url("http://registry.example"), PROXY)
    assert not asks_for_whole_url(parse_url("https://registry.example"), PROXY)
    assert not asks_for_whole_url(parse_url("http://registry.example"), "socks5://proxy.example:1080")
    assert not asks_for_whole_url(parse_url("http://registry.example"), "")
