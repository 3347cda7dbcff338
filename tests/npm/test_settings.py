"""The table of settings, and how values get their types."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from asking_npm import npm_modules

from pmpipe.npm.config.coerce import UNSET, Expansion, InvalidValueError, coerce, js_number
from pmpipe.npm.config.settings import SETTINGS

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
        ("strict-ssl", None, True),
        ("strict-ssl", "undefined", True),
        ("save", "null", True),
        ("offline", None, False),
        ("strict-ssl", "${YES}", True),
        ("optional", None, None),
        ("optional", "null", None),
        ("maxsockets", "0x10", 16),
        ("maxsockets", "1e2", 100),
        ("maxsockets", "", 0),
        ("fetch-retry-factor", "1.5", 1.5),
        ("maxsockets", None, 0),
        ("maxsockets", "null", UNSET),
        ("strict-ssl", "True", True),
        ("strict-ssl", "yes", True),
        ("strict-ssl", "${UNSET?}", True),
        ("bin-links", "${UNSET?}", False),
        ("min-release-age", None, None),
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
        ("strict-ssl", "no", "true or false"),
        ("strict-ssl", "False", "true or false"),
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
def test_defaults_are_those_of_npm():
    script = f"""
    const {{ definitions }} = require({npm_modules()!r} + '/@npmcli/config/lib/definitions')
    console.log(JSON.stringify(Object.fromEntries(Object.entries(definitions).map(([k, d]) => [k, d.default]))))
    """
    answered = subprocess.run(
        ["node", "-e", script], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True, timeout=60
    )
    npm = json.loads(answered.stdout)
    # these are computed from the host, the terminal or the public registry
    computed = {"registry", "progress", "globalconfig", "prefix"}
    compared = {name: npm[name] for name in SETTINGS if name in npm and name not in computed}
    assert len(compared) > 70
    for name, expected in compared.items():
        several = SETTINGS[name].many and expected is not None
        assert SETTINGS[name].default == (tuple(expected) if several else expected), name
