"""Which proxy a request goes through."""

from __future__ import annotations

import itertools

import pytest
from asking_npm import ask_npm

from pmpipe.errors import ConfigError
from pmpipe.npm.config.proxy import Proxies, proxies
from pmpipe.npm.texts.url import parse_url
from stages.fetch import FetchSettings
from stages.fetching.proxy_choice import proxy_for

URLS = ["https://registry.example/a", "http://a.registry.example:81/", "http://127.0.0.1:4873/a", "http://[::1]:1/"]
CONFIGURED = ["", "http://proxy.example:3128/"]
EXCLUDED = [
    "",
    "example",
    ".registry.example",
    "registry.example",
    "gistry.example",
    "127.0.0.1, b",
    "registry.example:443",
]
ENVIRONMENTS = [
    {},
    {"HTTP_PROXY": "http://h.example:1/"},
    {"https_proxy": "http://s.example:2/", "http_proxy": "http://h.example:1/"},
    {"PROXY": "http://p.example:3/", "NO_PROXY": "registry.example"},
    {"Https_Proxy": "http://s.example:2/", "no_proxy": "127.0.0.1,.example"},
]


def chosen(one: Proxies, url: str) -> str:
    """The proxy that a download goes through."""
    settings = FetchSettings(
        http_proxy=one.for_scheme("http"), https_proxy=one.for_scheme("https"), no_proxy=one.no_proxy
    )
    return proxy_for(parse_url(url), settings)


@pytest.mark.npm
def test_takes_the_proxy_that_npm_takes():
    cases = list(itertools.product(URLS, CONFIGURED, EXCLUDED, ENVIRONMENTS))
    questions = [
        {"ask": "proxy", "url": url, "proxy": configured or None, "noProxy": excluded, "env": environ}
        for url, configured, excluded, environ in cases
    ]
    answers = ask_npm("ask_config.cjs", questions)
    assert len(set(answers)) == 5
    for (url, configured, excluded, environ), expected in zip(cases, answers, strict=True):
        taken = chosen(proxies(configured, (excluded,) if excluded else (), environ), url)
        assert taken == expected.removesuffix("/"), (url, configured, excluded, environ)


def test_proxy_variable_without_scheme_means_http():
    from_environment = proxies(None, (), {"https_proxy": "proxy.example:3128"})
    assert chosen(from_environment, "https://registry.example/") == "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("proxy", "with_port"),
    [
        ("http://proxy.example", "http://proxy.example:80"),
        ("http://proxy.example:80/", "http://proxy.example:80"),
        ("https://u:p@proxy.example", "https://u:p@proxy.example:443"),
        ("socks5://proxy.example", "socks5://proxy.example:1080"),
        ("http://[::1]:3128/x", "http://[::1]:3128"),
    ],
)
def test_port_of_a_proxy_is_always_written_out(proxy, with_port):
    assert chosen(proxies(proxy, (), {}), "https://registry.example/") == with_port


def test_socks_without_a_version_is_version_5_whose_proxy_looks_up_names():
    # libcurl would take it for version 4
    assert chosen(proxies("socks://u:p@proxy.example", (), {}), "https://registry.example/") == (
        "socks5h://u:p@proxy.example:1080"
    )


def test_unusable_proxy_of_the_environment_is_an_error_without_its_password():
    with pytest.raises(ConfigError, match="proxy") as raised:
        proxies(None, (), {"https_proxy": "ftp://u:s3cret@proxy.example"}).for_scheme("https")
    assert "s3cret" not in str(raised.value)


def test_text_form_shows_no_password():
    assert "s3cret" not in repr(proxies("http://u:s3cret@proxy.example/", (), {"http_proxy": "http://u:s3cret@p/"}))
