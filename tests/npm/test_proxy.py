"""Which proxy a request goes through."""

from __future__ import annotations

import itertools

import pytest
from asking_npm import ask_npm

from pmpipe.npm.proxy import proxies

URLS = ["https://registry.example/a", "http://a.registry.example:81/", "http://127.0.0.1:4873/a", "http://[::1]:1/"]
CONFIGURED = ["", "http://proxy.example:3128/"]
EXCLUDED = [
    "",
    "example",
    ".registry.example",
    "registry.example",
    "gistry.example",
    "*",
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
        chosen = proxies(configured, (excluded,) if excluded else (), environ).for_url(url)
        assert chosen == expected, (url, configured, excluded, environ)


def test_proxy_variable_without_scheme_means_http():
    chosen = proxies(None, (), {"https_proxy": "proxy.example:3128"}).for_url("https://registry.example/")
    assert chosen == "http://proxy.example:3128"


def test_text_form_shows_no_password():
    assert "s3cret" not in repr(proxies("http://u:s3cret@proxy.example/", (), {"http_proxy": "http://u:s3cret@p/"}))
