"""The fetch stage with TLS and through proxies."""

import os
import ssl

import pytest
from fetch_process import FetchProcess, impatient, texts_of
from support.registry import Certificate, ForwardProxy, PackageRegistry, faults

from pmpipe.errors import ConfigError, RegistryError

SMALL = b"a tarball of a few bytes"
CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@pytest.fixture(autouse=True)
def _no_ca_variables(monkeypatch):
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def secure(certificate):
    with PackageRegistry(tls=certificate.server_context()) as server:
        server.serve("/a.tgz", SMALL)
        yield server


# -- whom to trust ------------------------------------------------------------------------------------------------


def test_trusts_the_authority_in_cafile(secure, certificate):
    with FetchProcess(impatient(ca_file=certificate.ca_path)) as fetch:
        assert fetch.fetch(secure.url + "/a.tgz") == SMALL


def test_trusts_the_authority_in_ca(secure, certificate):
    with open(certificate.ca_path, encoding="ascii") as file:
        settings = impatient(ca_pem=file.read())
    with FetchProcess(settings) as fetch:
        assert fetch.fetch(secure.url + "/a.tgz") == SMALL


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"])
def test_trusts_the_authority_in_the_environment(secure, certificate, monkeypatch, name):
    monkeypatch.setenv(name, certificate.ca_path)
    with FetchProcess() as fetch:
        assert fetch.fetch(secure.url + "/a.tgz") == SMALL


def test_plain_http_to_a_server_of_tls_is_told_as_what_it_may_be(secure):
    with FetchProcess() as fetch:
        failed = fetch.fail(f"http://127.0.0.1:{secure.port}/a.tgz")
    assert f"if 127.0.0.1:{secure.port} speaks TLS, its URL has to begin with https://" in failed.hint


@pytest.mark.parametrize("http2", [False, True])
def test_an_unknown_authority_is_refused_at_once(secure, http2):
    with FetchProcess(impatient(http2=http2)) as fetch:
        failed = fetch.fail(secure.url + "/a.tgz", authorization="Bearer t0ken")
    assert secure.requests == []
    assert failed.code == RegistryError.code
    assert failed.host_is_down
    assert f"127.0.0.1:{secure.port}" in failed.what
    assert "(1 attempt)" in failed.details[0]
    assert "cafile" in failed.hint
    assert "strict-ssl" in failed.hint


def test_a_certificate_that_is_not_trusted_is_told_with_whom_the_settings_trust(secure, tmp_path, monkeypatch):
    from loopback.tls import make_certificate

    other = make_certificate(str(tmp_path), ["registry.example"])
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", other.ca_path)
    with FetchProcess(impatient(ca_file=other.ca_path)) as fetch:
        failed = fetch.fail(secure.url + "/a.tgz")
    assert f"trusted: cafile {other.ca_path}" in failed.details
    assert any("NODE_EXTRA_CA_CERTS does not count" in line for line in failed.details)


def test_a_certificate_of_another_host_is_refused(certificate, tmp_path):
    from loopback.tls import make_certificate

    wrong = make_certificate(str(tmp_path), ["registry.example"])
    with PackageRegistry(tls=wrong.server_context()) as server, FetchProcess(impatient(ca_file=wrong.ca_path)) as fetch:
        failed = fetch.fail(server.url + "/a.tgz")
        assert server.requests == []
        assert failed.host_is_down


def test_strict_ssl_switches_the_check_off(secure):
    with FetchProcess(impatient(strict_ssl=False)) as fetch:
        assert fetch.fetch(secure.url + "/a.tgz") == SMALL


def test_a_cafile_that_cannot_be_read_is_named(secure, registry, tmp_path):
    missing = str(tmp_path / "missing.pem")
    registry.serve("/a.tgz", SMALL)
    with FetchProcess(impatient(ca_file=missing)) as fetch:
        failed = fetch.fail(secure.url + "/a.tgz")
        assert failed.code == ConfigError.code
        assert missing in failed.what
        # http needs no authorities
        assert fetch.fetch(registry.url + "/a.tgz") == SMALL


def test_a_handshake_that_stands_still_times_out_with_the_host(registry):
    # the server waits for the end of a request that never comes
    with FetchProcess(impatient(connect_timeout_s=0.5, retries=0)) as fetch:
        failed = fetch.fail(registry.url.replace("http:", "https:") + "/a.tgz")
    assert f"127.0.0.1:{registry.port}" in failed.what


def test_presents_the_client_certificate(certificate: Certificate):
    context = certificate.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate.ca_path)
    with open(certificate.certificate_path, encoding="ascii") as file:
        certificate_pem = file.read()
    with open(certificate.key_path, encoding="ascii") as file:
        key_pem = file.read()
    settings = impatient(ca_file=certificate.ca_path, client_cert_pem=certificate_pem, client_key_pem=key_pem)
    with PackageRegistry(tls=context) as server:
        server.serve("/a.tgz", SMALL)
        with FetchProcess(settings) as fetch:
            assert fetch.fetch(server.url + "/a.tgz") == SMALL


def test_a_redirect_from_https_to_http_is_refused(secure, certificate, registry):
    secure.misbehave("*", faults.redirect(registry.serve("/a.tgz", SMALL)))
    with FetchProcess(impatient(ca_file=certificate.ca_path)) as fetch:
        failed = fetch.fail(secure.url + "/a.tgz")
    assert registry.requests == []
    assert "from https to http" in failed.what
    assert failed.hint


def test_the_token_does_not_go_from_http_to_https_of_the_same_host(registry, secure, certificate):
    registry.misbehave("*", faults.redirect(secure.url + "/a.tgz"))
    with FetchProcess(impatient(ca_file=certificate.ca_path)) as fetch:
        assert fetch.fetch(registry.url + "/a.tgz", authorization="Bearer t0ken") == SMALL
    assert [request.header("authorization") for request in secure.requests] == [None]


# -- proxies ------------------------------------------------------------------------------------------------------


def test_http_goes_through_the_proxy(registry):
    url = registry.serve("/a.tgz", SMALL)
    with ForwardProxy() as proxy, FetchProcess(impatient(http_proxy=proxy.url)) as fetch:
        assert fetch.fetch(url) == SMALL
        assert [request.target for request in proxy.requests] == [url]


def test_a_proxy_is_asked_for_the_url_as_it_is_written(registry):
    registry.serve("/a/b.tgz", SMALL)
    url = f"{registry.url}/a%2fb.tgz?sig=aB%2bcd%3d%3d"
    proxy_user = "://user:passw0rd@"
    with ForwardProxy() as proxy, FetchProcess(impatient(http_proxy=proxy.url.replace("://", proxy_user))) as fetch:
        assert fetch.fetch(f"{url}#fragment".replace("://", "://me:pass@")) == SMALL
        assert [request.target for request in proxy.requests] == [url]
    assert registry.requests[0].target == "/a%2fb.tgz?sig=aB%2bcd%3d%3d"


def test_who_is_reached_directly_is_asked_for_the_path(registry):
    registry.serve("/a/b.tgz", SMALL)
    with FetchProcess(impatient(http_proxy="http://127.0.0.1:1", no_proxy="127.0.0.1")) as fetch:
        assert fetch.fetch(f"{registry.url}/a%2fb.tgz") == SMALL
    assert registry.requests[0].target == "/a%2fb.tgz"


def test_https_goes_through_a_tunnel_that_does_not_see_the_token(secure, certificate):
    settings = {"ca_file": certificate.ca_path, "user_agent": "pmpipe for tests"}
    with ForwardProxy({"registry.example:443": secure.port}) as proxy:
        with FetchProcess(impatient(https_proxy=proxy.url, **settings)) as fetch:
            assert fetch.fetch("https://registry.example/%61.tgz", authorization="Bearer t0ken") == SMALL
        (connect,) = proxy.requests
    assert connect.method == "CONNECT"
    assert connect.header("authorization") is None
    assert [request.header("authorization") for request in secure.requests] == ["Bearer t0ken"]
    assert secure.requests[0].target == "/%61.tgz"


def test_the_environment_does_not_say_who_is_reached_directly(registry):
    def surround() -> None:
        os.environ.update(no_proxy="*", NO_PROXY="127.0.0.1")

    url = registry.serve("/a.tgz", b"x")
    with ForwardProxy() as proxy, FetchProcess(impatient(http_proxy=proxy.url), prepare=surround) as fetch:
        assert fetch.fetch(url) == b"x"
        assert len(proxy.requests) == 1


def test_no_proxy_hosts_are_reached_directly(registry):
    url = registry.serve("/a.tgz", SMALL)
    settings = impatient(http_proxy="http://127.0.0.1:1", no_proxy="registry.example,127.0.0.1")
    with FetchProcess(settings) as fetch:
        assert fetch.fetch(url) == SMALL


def test_proxies_of_the_environment_are_the_business_of_the_settings(registry, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with FetchProcess() as fetch:
        assert fetch.fetch(registry.serve("/a.tgz", SMALL)) == SMALL


@pytest.mark.parametrize("status", [403, 407])
def test_a_refusing_proxy_is_named_once(status):
    with ForwardProxy({"registry.example:443": 1}, refuse=status) as proxy:
        url = proxy.url.replace("://", "://user:passw0rd@")
        with FetchProcess(impatient(https_proxy=url)) as fetch:
            failed = fetch.fail("https://registry.example/a.tgz", authorization="Bearer t0ken")
            assert fetch.fail("https://registry.example/b.tgz").cause == failed.cause
        assert len(proxy.requests) == 1
    assert failed.host_is_down
    assert "the proxy refused the connection to registry.example" in failed.what
    assert str(status) in failed.what
    assert "proxy" in failed.hint
    for secret in ("passw0rd", "t0ken"):
        assert secret not in texts_of(failed)


def test_a_proxy_that_asks_for_a_password_is_named_for_http(registry):
    with ForwardProxy(refuse=407) as proxy, FetchProcess(impatient(http_proxy=proxy.url)) as fetch:
        failed = fetch.fail(registry.serve("/a.tgz", SMALL))
        assert failed.host_is_down
        assert "proxy" in failed.what
        assert "407" in failed.what


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_reached_is_named(scheme):
    proxy = "http://user:passw0rd@127.0.0.1:1"
    with FetchProcess(impatient(https_proxy=proxy, http_proxy=proxy)) as fetch:
        failed = fetch.fail(f"{scheme}://registry.example/a.tgz")
    assert failed.host_is_down
    assert "the proxy 127.0.0.1:1 for registry.example cannot be reached (ECONNREFUSED)" in failed.what
    # libcurl's words say that it was the registry
    assert "registry.example over proxy" not in texts_of(failed)
    assert "passw0rd" not in texts_of(failed)


@pytest.mark.parametrize("proxy", ["nonsense://user:passw0rd@127.0.0.1:1", "http://user:passw0rd@:99999999"])
def test_a_proxy_url_that_makes_no_sense_fails_without_its_password(proxy):
    with FetchProcess(impatient(https_proxy=proxy)) as fetch:
        failed = fetch.fail("https://registry.example/a.tgz")
    assert failed.host_is_down
    assert "passw0rd" not in texts_of(failed)


def test_system_authorities_are_found_or_certifi_stands_in():
    from stages.fetching.ca_bundle import find_ca_bundle

    bundle = find_ca_bundle("", "", {})
    assert os.path.isfile(bundle.path)
    assert bundle.problem == ""


def test_extra_authorities_are_added_to_the_systems(certificate):
    from stages.fetching.ca_bundle import find_ca_bundle

    system = find_ca_bundle("", "", {})
    both = find_ca_bundle("", "", {"NODE_EXTRA_CA_CERTS": certificate.ca_path})
    with open(system.path, "rb") as first, open(certificate.ca_path, "rb") as second, open(both.path, "rb") as joined:
        content = joined.read()
        assert first.read() in content
        assert second.read() in content


def test_an_extra_file_that_cannot_be_read_is_named_with_the_failure_it_causes(secure, tmp_path, monkeypatch):
    missing = str(tmp_path / "missing.pem")
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", missing)
    with FetchProcess() as fetch:
        failed = fetch.fail(secure.url + "/a.tgz")
    assert any(missing in line for line in failed.details)
