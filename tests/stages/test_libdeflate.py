"""Both ways to libdeflate do the same."""

import gzip

import pytest

from stages.unpacking.libdeflate import by_library, by_package

CONTENT = b"".join(b"line %d\n" % number for number in range(1000))
WHOLE = gzip.compress(CONTENT)


@pytest.fixture(params=["library", "package"])
def gunzip(request):
    way = by_library() if request.param == "library" else by_package
    assert way is not None
    return lambda room, compressed: way(memoryview(room), memoryview(bytearray(compressed)))


def test_unpacks_one_whole_member(gunzip):
    room = bytearray(len(CONTENT))
    assert gunzip(room, WHOLE)
    assert room == CONTENT


def test_unpacks_one_after_the_other_into_the_same_room(gunzip):
    room = bytearray(len(CONTENT))
    assert gunzip(room, gzip.compress(b"x" * len(CONTENT)))
    assert gunzip(room, WHOLE)
    assert room == CONTENT


@pytest.mark.parametrize("difference", [-1, 1])
def test_refuses_a_member_of_another_length(gunzip, difference):
    assert not gunzip(bytearray(len(CONTENT) + difference), WHOLE)


@pytest.mark.parametrize(
    "compressed",
    [
        pytest.param(WHOLE[:-9] + WHOLE[-8:], id="cut off"),
        pytest.param(WHOLE[:-8] + bytes(4) + WHOLE[-4:], id="wrong checksum"),
        pytest.param(WHOLE + gzip.compress(b"more"), id="two members"),
        pytest.param(WHOLE + bytes(8), id="padded"),
        pytest.param(b"no gzip data at all, but long enough", id="something else"),
    ],
)
def test_refuses_what_is_not_one_whole_member(gunzip, compressed):
    assert not gunzip(bytearray(len(CONTENT)), compressed)


def test_writes_nothing_beyond_the_room(gunzip):
    memory = bytearray(2 * len(CONTENT))
    gunzip(memoryview(memory)[:100], WHOLE)
    assert memory[100:] == bytes(len(memory) - 100)
