"""The table of settings, and how values get their types."""

from __future__ import annotations

import subprocess

import pytest
from asking_npm import npm_modules

from pmpipe.npm.coerce import UNSET, Expansion, InvalidValueError, coerce, js_number
from pmpipe.npm.settings import OTHER_NPM_SETTINGS, SETTINGS

EXPANSION = Expansion({"SET": "x", "YES": "true", "LIST": "dev"}, "/home/user", "/work dir")


def coerced(name, raw):
    return coerce(SETTINGS[name], raw, EXPANSION)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("strict-ssl", "true", True),
        ("strict-ssl", " false ", False),
        ("strict-ssl", "", True),
        ("strict-ssl", "0", False),
        ("strict-ssl", 1, True),
        ("strict-ssl", None, False),
        ("strict-ssl", "${YES}", True),
        ("optional", None, None),
        ("optional", "null", None),
        ("maxsockets", "0x10", 16),
        ("maxsockets", "1e2", 100),
        ("maxsockets", "", 0),
        ("fetch-retry-factor", "1.5", 1.5),
        ("maxsockets", None, UNSET),
        ("save-prefix", "", ""),
        ("save-prefix", True, "true"),
        ("cert", False, None),
        ("cert", "null", None),
        ("cafile", "~/ca.pem", "/home/user/ca.pem"),
        ("cafile", "../ca.pem", "/ca.pem"),
        ("cafile", "${SET}/ca.pem", "/work dir/x/ca.pem"),
        ("cafile", "", UNSET),
        ("cafile", None, UNSET),
        ("registry", "HTTPS://Registry.Example", "https://registry.example/"),
        ("proxy", "false", None),
        ("proxy", False, None),
        ("proxy", "", UNSET),
        ("proxy", "socks5://proxy.example:1080", "socks5://proxy.example:1080/"),
        ("loglevel", "silly", "silly"),
        ("lockfile-version", 3, "3"),
        ("omit", "dev", ("dev",)),
        ("omit", ["dev", "${LIST}", ""], ("dev", "dev")),
        ("omit", "dev\n\npeer", ("dev", "peer")),
        ("omit", None, ()),
        ("ca", None, None),
        ("ca", "", ()),
        ("workspace", ["a", 1], ("a", "1")),
    ],
)
def test_value_gets_its_type(name, raw, value):
    result = coerced(name, raw)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("strict-ssl", "yes", "true or false"),
        ("strict-ssl", "${UNSET}", "true or false"),
        ("strict-ssl", ["true"], "true or false"),
        ("maxsockets", "many", "a number"),
        ("maxsockets", True, "a number"),
        ("maxsockets", "-1", "not negative"),
        ("maxsockets", "Infinity", "a number"),
        ("maxsockets", "1.5", "whole number"),
        ("maxsockets", "1_0", "a number"),
        ("cafile", True, "a path"),
        ("cafile", "a\x00b", "a path"),
        ("registry", "", "a URL"),
        ("registry", "registry.example", "https://"),
        ("registry", "${UNSET}", "https://"),
        ("registry", "ftp://registry.example", "https://"),
        ("registry", {}, "a URL"),
        ("https-proxy", "proxy.example:3128", "http://"),
        ("loglevel", "loud", "one of silent"),
        ("omit", "dev,optional", r"omit\[\]="),
        ("omit", ["prod"], "one or more of dev"),
    ],
)
def test_rejects_value_of_another_type(name, raw, reason):
    with pytest.raises(InvalidValueError, match=reason):
        coerced(name, raw)


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), (" 12 ", 12), ("1e3", 1000), ("0b11", 3), ("-2.5", -2.5), ("x", None), ("nan", None), ("-inf", None)],
)
def test_numbers_are_read_as_in_javascript(text, number):
    assert js_number(text) == number


def test_text_form_of_an_expansion_shows_no_environment():
    assert "s3cret" not in repr(Expansion({"TOKEN": "s3cret"}, "/", "/"))


def test_defaults_are_values_of_their_own_settings():
    for setting in SETTINGS.values():
        if setting.default is not None and setting.kind != "path":
            assert coerce(setting, setting.default, EXPANSION) == setting.default, setting.name


def test_exclusions_are_mutual():
    for setting in SETTINGS.values():
        for rival in setting.exclusive:
            assert setting.name in SETTINGS[rival].exclusive


@pytest.mark.npm
def test_names_and_defaults_are_those_of_npm():
    script = f"""
    const {{ definitions }} = require({npm_modules()!r} + '/@npmcli/config/lib/definitions')
    console.log(JSON.stringify(Object.fromEntries(Object.entries(definitions).map(([k, d]) => [k, d.default]))))
    """
    answered = subprocess.run(
        ["node", "-e", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True, timeout=60
    )
    import json

    npm = json.loads(answered.stdout)
    ours = {"store-dir", "clone-method"}
    internal = {"npm-version", "global-prefix", "local-prefix"}
    # deprecated spellings with a dot, and what is computed from the terminal or the interfaces of the host
    left_out = {name for name in npm if name.startswith("init.")}
    assert set(SETTINGS) - ours | OTHER_NPM_SETTINGS - internal == set(npm) - left_out
    computed = {"registry", "progress", "globalconfig", "prefix"}
    for name, setting in SETTINGS.items():
        if name not in ours | computed:
            expected = npm[name]
            if setting.many:
                expected = (
                    None
                    if expected is None
                    else tuple([expected] if isinstance(expected, str) and expected else expected)
                )
            assert setting.default == expected, name
