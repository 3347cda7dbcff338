"""URLs of specs: read and printed as Node.js does."""

from __future__ import annotations

import re
from random import Random

import pytest
from asking_npm import ask_npm

from pmpipe.npm.specs.whatwg_url import (
    decode_uri_component,
    encode_uri_component,
    parse_whatwg_url,
)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("git+ssh://git@Host.example:22/a/../b.git#v1", "git+ssh://git@Host.example:22/b.git#v1"),
        ("HTTPS:\\\\Host.example:443\\a\\.\\b", "https://host.example/a/b"),
        ("github:user/project#semver:^1", "github:user/project#semver:^1"),
        ("git://host.example", "git://host.example"),
        ("https://host.example", "https://host.example/"),
        ("https://[2001:DB8:0:0:1:0:0:0]/", "https://[2001:db8:0:0:1::]/"),
        ("git://[1:2:3:4:5:6:7:0]/", "git://[1:2:3:4:5:6:7:0]/"),
        ("https://0x7f.1/", "https://127.0.0.1/"),
        ("file:C|/a/../../b", "file:///C:/b"),
        (" https://a.example/ü b ", "https://a.example/%C3%BC%20b"),
    ],
)
def test_url_is_printed_in_its_normal_form(text, printed):
    assert str(parse_whatwg_url(text)) == printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host.example/a",
        "https://",
        "https://a b/",
        "git://u@/x",
        "git://h:99999/",
        "git://h:x/",
        "https://1.2.3.256/",
        "git://[::1/",
    ],
)
def test_text_that_is_no_url_is_refused(text):
    assert parse_whatwg_url(text) is None


def test_relative_file_url_begins_at_the_folder_of_its_base():
    base = parse_whatwg_url("file:///project/app/")
    assert parse_whatwg_url("file:../lib", base).path == "/project/lib"


def test_percent_encoding_is_resolved_or_refused():
    assert decode_uri_component("a%20%C3%BC") == "a ü"
    assert decode_uri_component("100%") is None
    assert decode_uri_component("%C3") is None
    assert encode_uri_component("@a/ü") == "%40a%2F%C3%BC"


_SCHEMES = ("https:", "http:", "HTTP:", "git:", "git+ssh:", "ssh:", "file:", "github:", "x:", "git+file:", "ftp:")
_PIECES = [
    " ",
    *re.split(" ", r"/ / // \ : @ # ? . .. %2e %2E. a b user host.example Host 1.2.3.4 0x10 08 1.2 [::1] [1:0:0:2::3]"),
    *re.split(" ", "[ ] C: C| c:/ :22 :443 :080 :70000 :x %20 %zz % ü ^ | ` { } < > ; = ~ + - * & semver:^1 localhost"),
    *re.split(" ", "%ac [::1.2.3.4] \" ' \t \n \x01 \x7f \x85 \ufeff \u2003 ﬁ C:x x:y"),
]


def _node_20_is_wrong(mine, answer):
    """The path ``/..`` comes out empty there, not as a slash as the standard has it."""
    return mine and answer and mine[6] == "/" and answer[6] == ""


@pytest.mark.npm
def test_urls_are_read_and_printed_as_in_node():
    random = Random(20260104)
    questions = []
    for _ in range(20_000):
        start = random.choice(_SCHEMES) + random.choice(["", "/", "//", "//", "//", "///"])
        text = start + "".join(random.choice(_PIECES) for _ in range(random.randint(0, 7)))
        bases = (
            [None, "file:///a/b/", "file:///C:/a/", "file:///C:/", "file:///"] if text.startswith("file:") else [None]
        )
        questions.append({"text": text, "base": random.choice(bases)})
    different = []
    for question, answer in zip(questions, ask_npm("ask_url.cjs", questions), strict=True):
        base = question["base"] and parse_whatwg_url(question["base"])
        url = parse_whatwg_url(question["text"], base)
        mine = url and [str(url), f"{url.scheme}:", url.username, url.password, url.hostname, url.port, url.path]
        if mine is not None:
            mine.append(str(url.without_fragment()))
        if mine != answer and not _node_20_is_wrong(mine, answer):
            different.append((question, mine, answer))
    assert different == []
