"""The fetch stage with registries that speak HTTP/2, and with such as only say so."""

from pathlib import Path

import pytest
from fetch_process import FetchProcess, impatient
from http2_server import Http2Server
from loopback import nginx
from support.registry import PackageRegistry

needs_nginx = pytest.mark.skipif(not nginx.found(), reason="nginx is not installed")
COUNT = 60


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir(mode=0o755)
    for number in range(COUNT):
        (folder / f"{number}.tgz").write_bytes(content_of(number))
    return str(folder)


def content_of(number):
    return b"tarball %d " % number * 1_000


def fetch_all(fetch, url):
    """Have all files fetched, all of which are asked for at once; how many attempts each took."""
    numbers = {fetch.order(f"{url}/{number}.tgz"): number for number in range(COUNT)}
    attempts = []
    for _ in range(COUNT):
        result = fetch.fetched()
        assert fetch.content(result) == content_of(numbers[result.job])
        fetch.release(result)
        attempts.append(result.attempts)
    return attempts


@needs_nginx
def test_requests_share_connections(files, certificate, free_port):
    with Http2Server(files, free_port, certificate) as server:
        with FetchProcess(impatient(ca_file=certificate.ca_path)) as fetch:
            fetch_all(fetch, server.url)
        requests = server.requests()
    assert [one.protocol for one in requests] == ["HTTP/2.0"] * COUNT
    assert len({one.connection for one in requests}) <= 8


@needs_nginx
def test_what_is_large_gets_a_connection_of_its_own(files, certificate, free_port):
    large = bytes(2 << 20)
    (Path(files) / "large.tgz").write_bytes(large)
    with Http2Server(files, free_port, certificate) as server:
        with FetchProcess(impatient(ca_file=certificate.ca_path, retries=0)) as fetch:
            fetch_all(fetch, server.url)
            assert fetch.fetch(f"{server.url}/large.tgz") == large
            # the one that the large one has shared at first is still good
            fetch_all(fetch, server.url)
        requests = server.requests()
    assert sorted(one.protocol for one in requests if one.path == "/large.tgz") == ["HTTP/1.1", "HTTP/2.0"]
    assert len({one.connection for one in requests}) <= 9


@needs_nginx
def test_what_is_lost_with_a_shared_connection_is_asked_for_once_more(files, certificate, free_port):
    # sixteen share a connection that carries five: libcurl tries others, and gives up
    settings = impatient(ca_file=certificate.ca_path, retries=0)
    with Http2Server(files, free_port, certificate, requests=5) as server, FetchProcess(settings) as fetch:
        assert fetch_all(fetch, server.url) == [1] * COUNT


@needs_nginx
def test_a_server_without_http2_is_asked_with_what_it_speaks(files, certificate, free_port):
    with Http2Server(files, free_port, certificate, http2=False) as server:
        with FetchProcess(impatient(ca_file=certificate.ca_path)) as fetch:
            fetch_all(fetch, server.url)
        requests = server.requests()
    assert [one.protocol for one in requests] == ["HTTP/1.1"] * COUNT
    assert len({one.connection for one in requests}) > 8


def test_a_server_that_only_says_that_it_speaks_http2_is_asked_once_more_without(certificate):
    context = certificate.server_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with PackageRegistry(tls=context) as server:
        for number in range(COUNT):
            server.serve(f"/{number}.tgz", content_of(number))
        # no further attempt is allowed, and none is needed
        with FetchProcess(impatient(ca_file=certificate.ca_path, retries=0)) as fetch:
            assert fetch_all(fetch, server.url) == [1] * COUNT
