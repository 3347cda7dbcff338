"""Client certificates of one registry: who gets to see them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetch_process import FetchProcess, impatient
from support.registry import Certificate, PackageRegistry, faults

from pmpipe.errors import ConfigError
from pmpipe.npm.config.auth import ClientCertificate
from stages.fetch import FetchSettings
from stages.messages import FetchDocument, FetchedDocument, JobId

SMALL = b"a tarball of a few bytes"


def guarded(certificate: Certificate) -> PackageRegistry:
    """A server that talks to nobody without a client certificate of this authority."""
    context = certificate.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate.ca_path)
    server = PackageRegistry(tls=context)
    server.serve("/a.tgz", SMALL)
    return server


@pytest.fixture
def server(certificate: Certificate) -> Iterator[PackageRegistry]:
    with guarded(certificate) as server:
        yield server


@pytest.fixture
def files(certificate: Certificate) -> ClientCertificate:
    """A client certificate that the server takes."""
    return ClientCertificate(certificate.certificate_path, certificate.key_path)


@pytest.fixture
def settings(certificate: Certificate) -> FetchSettings:
    return impatient(ca_file=certificate.ca_path, retries=0)


def test_a_tarball_is_fetched_with_the_certificate_of_its_job(server, files, settings):
    with FetchProcess(settings) as fetch:
        assert fetch.fetch(server.url + "/a.tgz", certificate=files) == SMALL


def test_a_document_is_fetched_with_the_certificate_of_its_job(server, files, settings):
    url = server.serve("/a", b"{}")
    with FetchProcess(settings) as fetch:
        fetch.send(FetchDocument(JobId(1), "a", url, "", "application/json", "", "", 1000, files))
        assert isinstance(fetch.next_result(), FetchedDocument)


def test_a_connection_with_a_certificate_serves_nobody_without_it(server, files, settings):
    url = server.url + "/a.tgz"
    with FetchProcess(settings) as fetch:
        assert fetch.fetch(url, certificate=files) == SMALL
        fetch.fail(url)
    assert len(server.requests) == 1


def test_a_connection_with_one_certificate_serves_nobody_with_another(server, files, settings, tmp_path):
    from loopback.tls import make_certificate

    stranger = make_certificate(str(tmp_path))
    url = server.url + "/a.tgz"
    with FetchProcess(settings) as fetch:
        assert fetch.fetch(url, certificate=files) == SMALL
        fetch.fail(url, certificate=ClientCertificate(stranger.certificate_path, stranger.key_path))
    assert len(server.requests) == 1


def test_requests_with_the_same_certificate_share_a_connection(certificate, files, settings):
    context = certificate.server_context()
    handshakes: list[object] = []
    context.sni_callback = lambda *_: handshakes.append(None)
    with PackageRegistry(tls=context) as server, FetchProcess(settings) as fetch:
        server.serve("/a.tgz", SMALL)
        for _ in range(3):
            fetch.fetch(server.url.replace("127.0.0.1", "localhost") + "/a.tgz", certificate=files)
    assert len(handshakes) == 1


def test_the_certificate_follows_a_redirect_at_the_same_origin(server, files, settings):
    server.misbehave("/moved.tgz", faults.redirect("/a.tgz"))
    with FetchProcess(settings) as fetch:
        assert fetch.fetch(server.url + "/moved.tgz", certificate=files) == SMALL


def test_the_certificate_goes_to_no_other_origin(server, certificate, files, settings):
    with guarded(certificate) as other:
        server.misbehave("*", faults.redirect(other.url + "/a.tgz"))
        with FetchProcess(settings) as fetch:
            failed = fetch.fail(server.url + "/a.tgz", certificate=files)
        assert other.requests == []
    assert f"127.0.0.1:{other.port}" in failed.what


def test_the_usual_certificate_goes_to_all_others(server, certificate, files, settings, tmp_path):
    from loopback.tls import make_certificate

    with open(files.certfile, encoding="ascii") as file, open(files.keyfile, encoding="ascii") as key_file:
        usual = {"client_cert_pem": file.read(), "client_key_pem": key_file.read()}
    stranger = make_certificate(str(tmp_path))
    with FetchProcess(impatient(ca_file=certificate.ca_path, retries=0, **usual)) as fetch:
        url = server.url + "/a.tgz"
        assert fetch.fetch(url) == SMALL
        fetch.fail(url, certificate=ClientCertificate(stranger.certificate_path, stranger.key_path))


@pytest.mark.parametrize("missing", ["certfile", "keyfile"])
def test_half_a_certificate_is_none(certificate, files, settings, tmp_path: Path, missing: str):
    named = {"certfile": files.certfile, "keyfile": files.keyfile, missing: str(tmp_path / "missing.pem")}
    with PackageRegistry(tls=certificate.server_context()) as server, FetchProcess(settings) as fetch:
        server.serve("/a.tgz", SMALL)
        assert fetch.fetch(server.url + "/a.tgz", certificate=ClientCertificate(**named)) == SMALL


def test_a_file_that_cannot_be_read_is_named(server, files, settings, tmp_path: Path):
    with FetchProcess(settings) as fetch:
        failed = fetch.fail(server.url + "/a.tgz", certificate=ClientCertificate(files.certfile, str(tmp_path)))
    assert failed.code == ConfigError.code
    assert str(tmp_path) in failed.what
    assert server.requests == []
