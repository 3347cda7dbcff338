import http.client
import json
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

import pycurl
import pytest
from support.packages import make_package
from support.registry import ABBREVIATED, ForwardProxy, PackageRegistry, faults

LEFT = make_package("left-pad", "1.0.0", {"index.js": b"x" * 5000})


class Curl:
    """One GET by libcurl: the client that pmpipe itself uses."""

    def __init__(self, url, **options):
        self.body = b""
        self.error = None
        self.headers = []
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.TIMEOUT, 20)
        handle.setopt(pycurl.WRITEFUNCTION, self._write)
        handle.setopt(pycurl.HEADERFUNCTION, self.headers.append)
        for name, value in options.items():
            handle.setopt(getattr(pycurl, name), value)
        try:
            handle.perform()
        except pycurl.error as error:
            self.error = error.args[0]
        self.status = handle.getinfo(pycurl.RESPONSE_CODE)
        self.seconds = handle.getinfo(pycurl.TOTAL_TIME)
        handle.close()

    def _write(self, part):
        self.body += part


@pytest.fixture
def left(registry):
    registry.publish(LEFT)
    return registry.tarball_url(LEFT)


def test_serves_a_published_tarball_byte_for_byte(left):
    assert Curl(left).body == LEFT.tarball


def test_serves_the_abbreviated_form_only_to_who_asks_for_it(registry, left):
    short = Curl(registry.url + "/left-pad", HTTPHEADER=[f"Accept: {ABBREVIATED}; q=1.0"])
    full = Curl(registry.url + "/left-pad")
    assert "time" not in json.loads(short.body)
    assert json.loads(full.body)["versions"]["1.0.0"]["dist"]["tarball"] == left


def test_decodes_the_path_of_a_scoped_package(registry):
    registry.publish(make_package("@scope/name", "2.0.0"))
    assert Curl(registry.url + "/@scope%2fname").status == 200
    assert registry.requests_for("/@scope/name")


def test_answers_304_to_its_own_etag(registry, left):
    first = Curl(registry.url + "/left-pad")
    etag = next(line for line in first.headers if line.lower().startswith(b"etag")).split(b": ")[1].strip().decode()
    assert Curl(registry.url + "/left-pad", HTTPHEADER=[f"If-None-Match: {etag}"]).status == 304


def test_compresses_a_packument_for_who_accepts_gzip(registry, left):
    answer = Curl(registry.url + "/left-pad", ACCEPT_ENCODING="gzip")
    assert any(line.lower().startswith(b"content-encoding: gzip") for line in answer.headers)
    assert json.loads(answer.body)["name"] == "left-pad"


def test_remembers_the_headers_of_every_request(registry, left):
    Curl(left, HTTPHEADER=["Authorization: Bearer secret"])
    assert registry.requests[-1].header("authorization") == "Bearer secret"


def test_keeps_a_connection_for_the_next_request(registry, left):
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=20)
    for _ in range(3):
        connection.request("GET", LEFT.tarball_path)
        assert connection.getresponse().read() == LEFT.tarball
    connection.close()


def test_reads_a_request_body_sent_in_chunks(registry):
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=20)
    connection.request("POST", "/-/npm/v1/security/advisories/bulk", iter([b"ab", b"cd"]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert registry.requests[-1].body == b"abcd"


def test_answers_400_to_what_is_not_http(registry):
    with socket.create_connection(("127.0.0.1", registry.port), timeout=20) as client:
        client.sendall(b"EHLO there\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")


def test_refuses_a_request_without_the_token():
    with PackageRegistry(token="secret") as registry:
        registry.publish(LEFT)
        assert Curl(registry.tarball_url(LEFT)).status == 401
        assert Curl(registry.tarball_url(LEFT), HTTPHEADER=["Authorization: Bearer secret"]).status == 200


def test_status_is_wrong_for_the_first_requests_only(registry, left):
    registry.misbehave("*.tgz", faults.status(503, retry_after="1"), first=2)
    answers = [Curl(left) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert b"Retry-After: 1\r\n" in answers[0].headers


def test_a_rule_may_begin_later(registry, left):
    registry.misbehave("*.tgz", faults.status(404), after=1, first=1)
    assert [Curl(left).status for _ in range(3)] == [200, 404, 200]


def test_a_rule_touches_only_the_paths_it_names(registry, left):
    registry.misbehave("/right-pad*", faults.status(500))
    assert Curl(left).status == 200


def test_behave_forgets_the_rules(registry, left):
    registry.misbehave("*", faults.status(500))
    registry.behave()
    assert Curl(left).status == 200


def test_delay_comes_before_the_head(registry, left):
    registry.misbehave("*.tgz", faults.delay(0.2))
    assert Curl(left).seconds >= 0.2


def test_slow_body_arrives_whole_but_late(registry, left):
    registry.misbehave("*.tgz", faults.slow(len(LEFT.tarball) / 0.3))
    answer = Curl(left)
    assert answer.body == LEFT.tarball
    assert answer.seconds >= 0.25


def test_reset_comes_after_the_bytes_that_were_asked_for(registry, left):
    registry.misbehave("*.tgz", faults.reset(at=10))
    answer = Curl(left)
    assert answer.error == pycurl.E_RECV_ERROR
    assert answer.body == LEFT.tarball[:10]


def test_hanging_up_sends_nothing(registry, left):
    registry.misbehave("*.tgz", faults.hang_up(), first=1)
    assert Curl(left).error == pycurl.E_GOT_NOTHING
    registry.misbehave("*.tgz", faults.hang_up(with_reset=True))
    assert Curl(left).error == pycurl.E_RECV_ERROR


def test_short_body_ends_before_its_content_length(registry, left):
    registry.misbehave("*.tgz", faults.short_body(missing=7))
    answer = Curl(left)
    assert answer.error == pycurl.E_PARTIAL_FILE
    assert answer.body == LEFT.tarball[:-7]


def test_unfinished_chunks_are_an_error_for_the_client(registry, left):
    registry.misbehave("*.tgz", faults.unfinished_chunks())
    answer = Curl(left)
    assert answer.error == pycurl.E_PARTIAL_FILE
    assert answer.body == LEFT.tarball


def test_finished_chunks_are_a_whole_body(registry, left):
    registry.misbehave("*.tgz", faults.chunked())
    answer = Curl(left)
    assert (answer.error, answer.body) == (None, LEFT.tarball)


def test_corrupt_changes_one_byte(registry, left):
    registry.misbehave("*.tgz", faults.corrupt(at=20))
    wrong = Curl(left).body
    assert [i for i, (a, b) in enumerate(zip(wrong, LEFT.tarball, strict=True)) if a != b] == [20]


def test_html_comes_with_status_200(registry, left):
    registry.misbehave("*.tgz", faults.html())
    answer = Curl(left)
    assert (answer.status, answer.body[:5]) == (200, b"<!doc")


def test_truncate_agrees_with_its_content_length(registry, left):
    registry.misbehave("*.tgz", faults.truncate(100))
    answer = Curl(left)
    assert (answer.error, answer.body) == (None, LEFT.tarball[:100])


def test_redirect_may_lead_to_another_port(registry, left):
    with PackageRegistry() as other:
        other.publish(LEFT)
        registry.misbehave("*.tgz", faults.redirect(other.tarball_url(LEFT)))
        assert Curl(left, FOLLOWLOCATION=1).body == LEFT.tarball
        assert len(other.requests) == 1


def test_redirect_to_itself_is_a_loop(registry, left):
    registry.misbehave("*.tgz", faults.redirect(left))
    assert Curl(left, FOLLOWLOCATION=1, MAXREDIRS=5).error == pycurl.E_TOO_MANY_REDIRECTS


def test_header_may_be_wrong(registry, left):
    registry.misbehave("/left-pad", faults.header("ETag", '"wrong"'))
    assert b'ETag: "wrong"\r\n' in Curl(registry.url + "/left-pad").headers


def test_held_body_waits_for_the_gate(registry, left):
    gate = threading.Event()
    registry.misbehave("*.tgz", faults.hold(gate, at=50))
    answers = []
    client = threading.Thread(target=lambda: answers.append(Curl(left)))
    client.start()
    registry.wait_for_requests("*.tgz")
    assert answers == []
    gate.set()
    client.join(20)
    assert answers[0].body == LEFT.tarball


def test_waiting_for_requests_that_do_not_come_is_an_error(registry):
    with pytest.raises(TimeoutError):
        registry.wait_for_requests("/nothing", timeout_s=0.01)


def test_stopping_ends_connections_that_are_held():
    registry = PackageRegistry()
    with registry:
        registry.publish(LEFT)
        registry.misbehave("*.tgz", faults.hold(threading.Event()))
        client = socket.create_connection(("127.0.0.1", registry.port), timeout=20)
        client.sendall(f"GET {LEFT.tarball_path} HTTP/1.1\r\n\r\n".encode())
        registry.wait_for_requests("*.tgz")
    with client:
        client.settimeout(20)
        assert b"200 OK" in client.recv(1000)
        assert client.recv(1000) == b""


def test_listens_on_loopback_alone(registry):
    assert urlsplit(registry.url).hostname == "127.0.0.1"


def test_stops_by_itself_after_its_lifetime():
    from loopback.server import LoopbackServer

    server = LoopbackServer(None, lifetime_s=0.01)
    with server:
        started = time.monotonic()
        server.join()
        assert time.monotonic() - started < 20


def test_speaks_tls_with_a_certificate_of_its_own(certificate):
    with PackageRegistry(tls=certificate.server_context()) as registry:
        registry.publish(LEFT)
        assert Curl(registry.tarball_url(LEFT), CAINFO=certificate.ca_path).body == LEFT.tarball


def test_tls_certificate_is_trusted_by_nobody_else(certificate):
    with (
        PackageRegistry(tls=certificate.server_context()) as registry,
        socket.create_connection(("127.0.0.1", registry.port), timeout=20) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")


def test_proxy_forwards_absolute_uris(registry, left):
    with ForwardProxy() as proxy:
        assert Curl(left, PROXY=proxy.url).body == LEFT.tarball
        assert proxy.requests[0].target == left


def test_proxy_tunnels_to_the_host_that_a_route_names(certificate):
    with PackageRegistry(tls=certificate.server_context()) as registry:
        registry.publish(LEFT)
        with ForwardProxy({"registry.example:443": registry.port}) as proxy:
            url = "https://registry.example" + LEFT.tarball_path
            assert Curl(url, PROXY=proxy.url, CAINFO=certificate.ca_path).body == LEFT.tarball
        assert proxy.requests[0].method == "CONNECT"


@pytest.mark.parametrize("status", [403, 407])
def test_proxy_can_refuse(registry, left, status):
    with ForwardProxy(refuse=status) as proxy:
        assert Curl(left, PROXY=proxy.url).status == status
        tunnel = Curl(left.replace("http:", "https:"), PROXY=proxy.url)
        assert tunnel.error in (pycurl.E_COULDNT_CONNECT, pycurl.E_RECV_ERROR)
    assert registry.requests == []


def test_proxy_knows_no_host_without_a_route():
    with ForwardProxy() as proxy:
        assert Curl("http://registry.example/left-pad", PROXY=proxy.url).status == 502


def test_a_bug_in_the_answer_fails_the_test_and_not_one_request():
    from loopback.server import LoopbackServer

    async def broken(request):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), LoopbackServer(broken) as server:
        Curl(server.url + "/x")
