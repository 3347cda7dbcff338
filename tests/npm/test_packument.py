"""Packuments as registries, good and bad, send them."""

from __future__ import annotations

import json

import pytest

from pmpipe.errors import RegistryError
from pmpipe.npm.packages.packument import decode_packument

TEXT = json.dumps(
    {
        "name": "a",
        "dist-tags": {"latest": "2.0.0"},
        "versions": {"1.0.0": {"version": "1.0.0"}, "2.0.0": {"version": "2.0.0", "deprecated": "old"}},
        "time": {"1.0.0": "2020-01-01T00:00:00.000Z"},
    }
).encode()


def test_keeps_versions_in_the_registrys_order():
    packument = decode_packument(TEXT, "a")
    assert list(packument.versions) == ["1.0.0", "2.0.0"]
    assert packument.manifest("2.0.0").deprecated == "old"
    assert packument.manifest("3.0.0") is None


def test_a_version_with_a_line_end_in_it_is_none():
    body = json.dumps({"name": "a", "versions": {"1.0.0": {}, "2.0.0\n3.0.0": {}, "1.1.0": {}}}).encode()
    packument = decode_packument(body, "a")
    assert packument.versions == ["1.0.0", "1.1.0"]
    assert packument.manifest("3.0.0") is None


def test_has_no_versions_where_the_registry_lists_none():
    assert decode_packument(b'{"name": "a", "versions": {}}', "a").versions == []


def test_gets_its_text_again_for_what_nobody_has_asked_for():
    asked = []

    def again():
        asked.append(1)
        return TEXT

    packument = decode_packument(TEXT, "a", again)
    packument.manifest("1.0.0")
    packument.compact()
    assert packument.manifest("1.0.0").version == "1.0.0"
    assert asked == []
    assert packument.manifest("2.0.0").version == "2.0.0"
    assert packument.publish_times() == {"1.0.0": "2020-01-01T00:00:00.000Z"}
    assert asked == [1]


def test_without_a_way_to_get_it_again_the_text_is_kept():
    packument = decode_packument(TEXT, "a")
    packument.compact()
    assert packument.manifest("2.0.0").version == "2.0.0"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502</body></html>",
        TEXT[:-10],
        TEXT + b"}",
        b"[]",
        b"null",
        b'"a"',
        b'{"versions": []}',
        b'{"versions": "1.0.0"}',
        b'{"dist-tags": []}',
        b'{"name": 7}',
        b'{"x": ' + b"[" * 100_000,
        b"\x1f\x8b\x08\0" * 10,
    ],
)
def test_what_is_no_packument_is_told_with_its_name(body):
    with pytest.raises(RegistryError, match="answer for a is no packument"):
        decode_packument(body, "a")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"a\xff"}',
        b'{"dist-tags":{"latest":"\xff"}}',
        b'{"versions":{"1.0.0":{"license":"\xe9"}}}',
        # a readme that was cut off in the middle of a character
        rb'{"readme":"\ud83d","versions":{"1.0.0":{"license":"\ufffd"}}}',
        rb'{"versions":{"1.0.0":{"description":"\ud83d","license":"\udc00"}}}',
    ],
)
def test_what_is_no_utf8_becomes_a_replacement_character(body):
    packument = decode_packument(body, "a")
    for version in packument.versions:
        assert packument.manifest(version).license == "\ufffd"


@pytest.mark.parametrize("manifest", [b"null", b"[]", b'"x"', b'{"dist": 7}'])
def test_a_version_that_cannot_be_used_is_told_when_it_is_asked_for(manifest):
    packument = decode_packument(b'{"versions":{"1.0.0":' + manifest + b"}}", "a")
    with pytest.raises(RegistryError, match=r"data for a@1\.0\.0 cannot be used"):
        packument.manifest("1.0.0")


def test_times_that_cannot_be_used_are_told():
    with pytest.raises(RegistryError, match="times for a cannot be used"):
        decode_packument(b'{"time": []}', "a").publish_times()
