"""URLs that requests and tokens go to: read strictly, and as Node.js reads them."""

from __future__ import annotations

from random import Random

import pytest
from asking_npm import ask_npm

from pmpipe.npm.url import InvalidUrlError, parse_url


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://Registry.Example", "https://registry.example/"),
        ("https://registry.example:443/a", "https://registry.example/a"),
        ("http://registry.example:443/a", "http://registry.example:443/a"),
        ("HTTP://registry.example:080/", "http://registry.example/"),
        ("https://u:p@registry.example/a?b#c", "https://u:p@registry.example/a?b#c"),
        ("https://registry.example/a/./b/../c/%2e%2E/d/..", "https://registry.example/a/"),
        ("https://registry.example?a", "https://registry.example/?a"),
        ("http://[::1]:4873/", "http://[::1]:4873/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://registry.example/{é}", "https://registry.example/%7B%C3%A9%7D"),
        ("https://registry.example/a@b:1", "https://registry.example/a@b:1"),
    ],
)
def test_url_is_normalised(text, normal):
    assert parse_url(text).href == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "registry.example",
        "registry.example:4873",
        "https:registry.example",
        "https:/registry.example",
        "https:///registry.example",
        "ftp://registry.example/",
        "file:///etc/passwd",
        "https://registry.example\\@evil.example/",
        "https://registry.example\t.evil.example/",
        "https://registry.example /",
        "https://registry.example\n/",
        "https://%65vil.example/",
        "https://${HOST}/",
        "https://registry.example:99999/",
        "https://registry.example:8o/",
        "https://registry.example:²/",
        "https://registry.example:" + "9" * 5000 + "/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://127.0.0.01/",
        "https://2130706433/",
        "https://[::1/",
        "https://[::1]x/",
        "https://a]b/",
        "https://u@/",
        "https://\udc80.example/",
    ],
)
def test_rejects_what_can_be_read_in_two_ways(text):
    with pytest.raises(InvalidUrlError):
        parse_url(text)


def test_public_form_has_no_user():
    assert parse_url("https://user:secret@registry.example/a?b").public_href == "https://registry.example/a?b"


@pytest.mark.npm
def test_what_is_accepted_is_read_as_node_reads_it():
    random = Random(3)
    pieces = [*"aB1.:/?#@%\\[]-_~ ", "https://", "http://", "..", "%2e", "/", ":443", ":80", "u:p@", "registry.example"]
    texts = ["https://" + "".join(random.choices(pieces, k=random.randint(1, 12))) for _ in range(4000)]
    answers = ask_npm("ask_url.cjs", [{"text": text, "base": None} for text in texts])
    accepted = 0
    for text, answer in zip(texts, answers, strict=True):
        try:
            url = parse_url(text)
        except InvalidUrlError:
            continue
        accepted += 1
        assert answer is not None, text
        port = "" if url.port is None else str(url.port)
        assert [f"{url.scheme}:", url.host, port, url.path] == [answer[1], *answer[4:7]], text
    assert accepted > 500
