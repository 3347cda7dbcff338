"""Which requests share connections, and what is made of connections that break."""

import pytest

from pmpipe.npm.texts.url import parse_url
from stages.fetching.sharing import ALONE, SharedConnections, Sharing
from stages.fetching.transfer import Request
from stages.fetching.transfer_ending import HTTP2, HTTP2_STREAM, OPERATION_TIMEDOUT, RECV_ERROR, Ending

URL = parse_url("https://registry.example/react")
ELSEWHERE = parse_url("https://elsewhere.example/react")
SHARED = Sharing(http2=True, waits=True)


def request(url, *, alone=False):
    return Request(url, (), None, alone)


@pytest.fixture
def shared():
    return SharedConnections(offered=True)


def test_a_few_requests_open_connections_and_all_others_wait_for_these(shared):
    sharings = [shared.sharing(request(URL)) for _ in range(20)]
    assert all(one.http2 for one in sharings)
    assert [one.waits for one in sharings] == [False] * 4 + [True] * 16


def test_each_origin_has_connections_of_its_own(shared):
    assert [shared.sharing(request(URL)) for _ in range(20)][-1].waits
    assert not shared.sharing(request(ELSEWHERE)).waits


def test_plain_http_is_not_shared(shared):
    assert shared.sharing(request(parse_url("http://registry.example/react"))) == ALONE


def test_a_request_that_is_to_be_alone_shares_nothing(shared):
    assert shared.sharing(request(URL, alone=True)) == ALONE


def test_nothing_is_shared_where_http2_is_not_offered():
    assert SharedConnections(offered=False).sharing(request(URL)) == ALONE


@pytest.mark.parametrize("code", [HTTP2, HTTP2_STREAM, RECV_ERROR])
def test_what_was_lost_with_a_connection_wants_to_be_alone_and_so_does_all_that_follows(shared, code):
    assert shared.judged(Ending(status=0, code=code), SHARED, URL).wants_alone
    assert shared.sharing(request(URL)) == ALONE
    assert shared.sharing(request(ELSEWHERE)) != ALONE


def test_what_stood_still_is_an_attempt_and_not_shared_again(shared):
    assert not shared.judged(Ending(status=0, code=OPERATION_TIMEDOUT), SHARED, URL).wants_alone
    assert shared.sharing(request(URL)) == ALONE


def test_what_was_not_shared_says_nothing_about_http2(shared):
    assert not shared.judged(Ending(status=0, code=HTTP2), ALONE, URL).wants_alone
    assert shared.sharing(request(URL)) != ALONE
