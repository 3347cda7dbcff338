"""URLs that requests and tokens go to: read strictly, and as Node.js reads them."""

from __future__ import annotations

from random import Random

import pytest
from asking_npm import ask_npm

from pmpipe.npm.texts.url import InvalidUrlError, parse_tarball_url, parse_url, resolve_location


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


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://u:p@registry.example", "/"),
        ("https://registry.example?a", "/?a"),
        ("https://registry.example/a?#b", "/a"),
        ("https://registry.example/a%2fb%7ec?s=%2b%3D#b?c", "/a%2fb%7ec?s=%2b%3D"),
    ],
)
def test_request_target_is_path_and_query_as_they_stand(text, target):
    assert parse_url(text).request_target == target


BASE = "https://u:p@registry.example:8443/a%2fb/c?d=%2b#e"


@pytest.mark.parametrize(
    ("location", "resolved"),
    [
        ("https://cdn.example/x%2fy?s=%2b#z", "https://cdn.example/x%2fy?s=%2b#z"),
        ("HTTP://CDN.example:80", "http://cdn.example/"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("//cdn.example?x", "https://cdn.example/?x"),
        ("/x%2fy", "https://registry.example:8443/x%2fy"),
        ("x", "https://registry.example:8443/a%2fb/x"),
        ("x/./y/../z?/../", "https://registry.example:8443/a%2fb/x/z?/../"),
        ("../../../x", "https://registry.example:8443/x"),
        (".", "https://registry.example:8443/a%2fb/"),
        ("?x", "https://registry.example:8443/a%2fb/c?x"),
        ("#x", "https://registry.example:8443/a%2fb/c?d=%2b#x"),
        (" /x y?z w ", "https://registry.example:8443/x%20y?z%20w"),
        ("https://cdn.example/x y", "https://cdn.example/x%20y"),
        ("x://y", None),
        ("file:///x", None),
        ("https:x", None),
        ("https://cdn .example/", None),
        ("/x\\y", None),
        ("\\\\cdn.example/x", None),
        ("/x\ty", None),
        ("https:///x", None),
    ],
)
def test_where_a_redirect_leads(location, resolved):
    if resolved is None:
        with pytest.raises(InvalidUrlError):
            resolve_location(location, parse_url(BASE))
    else:
        assert resolve_location(location, parse_url(BASE)).href == resolved


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("https://registry.example/a/-/a 1.tgz", "https://registry.example/a/-/a%201.tgz"),
        ("https://registry.example/a\\-\\a-1.tgz", "https://registry.example/a/-/a-1.tgz"),
        ("https://registry.example/a/-/a\t1.tgz", "https://registry.example/a/-/a1.tgz"),
        ("https://registry.example/a/-/a-1.tgz \t", "https://registry.example/a/-/a-1.tgz"),
        ("https://registry.example/private/.\t.\\a b?c d\te#f g", "https://registry.example/a%20b?c%20de#f%20g"),
    ],
)
def test_a_tarballs_url_is_repaired_behind_the_host(text, href):
    assert parse_tarball_url(text).href == href
    with pytest.raises(InvalidUrlError):
        parse_url(text.rstrip() + " x\\")


@pytest.mark.parametrize(
    "text",
    [
        "https://registry.example\\@other.example/a.tgz",
        "https://registry.example\\a.tgz",
        "https:\\\\registry.example/a.tgz",
        "https://registry .example/a.tgz",
        "https://registry.exa\tmple/a.tgz",
        "https://registry.example /a.tgz",
        " https://registry.example/a.tgz",
        "https://registry.example/a\n.tgz",
        "https://registry.example/a.tgz\n",
        "https://registry.example/a.tgz\r\nX: y",
        "https://registry.example/a\u2028.tgz",
        "https://registry.example/a.tgz?b\\c",
        "https://registry.example/a \x00.tgz",
        "registry.example/a b",
        "file:///a b",
    ],
)
def test_no_more_of_a_tarballs_url_is_repaired(text):
    with pytest.raises(InvalidUrlError):
        parse_tarball_url(text)


def beside_node(parse, texts):
    """What is accepted: text, the parsed URL, and what Node.js reads (a list); Node.js must accept it, too."""
    answers = ask_npm("ask_url.cjs", [{"text": text, "base": None} for text in texts])
    found = []
    for text, answer in zip(texts, answers, strict=True):
        try:
            url = parse(text)
        except InvalidUrlError:
            continue
        assert answer is not None, text
        found.append((text, url, answer))
    return found


@pytest.mark.npm
def test_a_tarballs_url_is_asked_for_as_node_asks_for_it():
    random = Random(5)
    pieces = [*"aB1./?#@%\\-_~ \t", "..", "%2e", "/", "\\", " ", "\t", "x/y", "http://"]
    texts = ["https://registry.example/" + "".join(random.choices(pieces, k=random.randint(1, 9))) for _ in range(4000)]
    accepted = beside_node(parse_tarball_url, texts)
    for text, url, answer in accepted:
        assert ["https:", url.host, url.path] == [answer[1], answer[4], answer[6]], text
        assert url.href.partition("#")[0] == answer[7], text
    assert len(accepted) > 3000


@pytest.mark.npm
def test_what_is_accepted_is_read_as_node_reads_it():
    random = Random(3)
    pieces = [*"aB1.:/?#@%\\[]-_~ ", "https://", "http://", "..", "%2e", "/", ":443", ":80", "u:p@", "registry.example"]
    texts = ["https://" + "".join(random.choices(pieces, k=random.randint(1, 12))) for _ in range(4000)]
    accepted = beside_node(parse_url, texts)
    for text, url, answer in accepted:
        port = "" if url.port is None else str(url.port)
        assert [f"{url.scheme}:", url.host, port, url.path] == [answer[1], *answer[4:7]], text
    assert len(accepted) > 500
