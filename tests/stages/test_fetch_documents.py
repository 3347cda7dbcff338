"""Documents through the fetch stage: as the registry sends them, only if they have changed, before tarballs."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time

import pytest
from fetch_process import FetchProcess, impatient, texts_of
from support.packages import make_package
from support.registry import LAST_MODIFIED, PackageRegistry, faults

from pmpipe.errors import ArchiveError, ConfigError
from stages.messages import Failed, FetchDocument, FetchedDocument, JobId, Release, SharedBytes

ACCEPT = "application/json"


class Documents(FetchProcess):
    """A fetch process that is asked for documents."""

    def want(
        self, url: str, *, authorization: str = "", etag: str = "", last_modified: str = "", limit: int = 1 << 24
    ) -> JobId:
        job = JobId(self.jobs_sent)
        self.jobs_sent += 1
        self.send(FetchDocument(job, f"d{job}", url, authorization, ACCEPT, etag, last_modified, limit))
        return job

    def document(self, url: str, **want: object) -> FetchedDocument:
        """Order and receive one document."""
        self.want(url, **want)  # type: ignore[arg-type]
        return self.next_document()

    def next_document(self) -> FetchedDocument:
        result = self.next_result()
        assert isinstance(result, FetchedDocument), result
        return result

    def refused(self, url: str, **want: object) -> Failed:
        """Order a document that cannot be had."""
        self.want(url, **want)  # type: ignore[arg-type]
        return self.failed()

    def body(self, result: FetchedDocument) -> bytes:
        assert isinstance(result.source, SharedBytes)
        return self.arena[result.source.offset : result.source.offset + result.source.length]

    def free(self, result: FetchedDocument) -> None:
        assert result.source is not None
        self.send(Release(result.job, result.source.offset))


@pytest.fixture
def leaf(registry: PackageRegistry) -> str:
    """The URL of a packument."""
    registry.publish(make_package("leaf", "1.0.0"))
    return f"{registry.url}/leaf"


def test_a_compressed_document_is_kept_as_it_was_received(registry: PackageRegistry, leaf: str) -> None:
    with Documents() as fetch:
        result = fetch.document(leaf)
        assert result.gzipped
        assert result.wire_bytes == len(fetch.body(result))
        assert json.loads(gzip.decompress(fetch.body(result)))["name"] == "leaf"
        assert (result.fresh_s, result.last_modified, result.attempts) == (300, LAST_MODIFIED, 1)
    (request,) = registry.requests
    assert (request.header("accept"), request.header("accept-encoding")) == (ACCEPT, "gzip")
    assert request.header("if-none-match") is None


def test_a_plain_document_is_kept_as_it_is(registry: PackageRegistry) -> None:
    url = registry.serve("/plain", b"{}", content_type="application/json")
    with Documents() as fetch:
        result = fetch.document(url)
        assert (fetch.body(result), result.gzipped, result.etag, result.fresh_s) == (b"{}", False, "", 0)


def test_an_empty_document_has_no_bytes(registry: PackageRegistry) -> None:
    with Documents() as fetch:
        assert fetch.body(fetch.document(registry.serve("/empty", b""))) == b""


def test_one_that_has_not_changed_takes_no_space(registry: PackageRegistry, leaf: str) -> None:
    with Documents() as fetch:
        first = fetch.document(leaf)
        second = fetch.document(leaf, etag=first.etag, last_modified=first.last_modified)
        assert (second.source, second.etag, second.wire_bytes) == (None, first.etag, 0)
    assert registry.requests[1].header("if-none-match") == first.etag
    assert registry.requests[1].header("if-modified-since") == LAST_MODIFIED


def test_one_that_has_changed_comes_anew(registry: PackageRegistry, leaf: str) -> None:
    with Documents() as fetch:
        assert fetch.document(leaf, etag='"another"').source is not None


def test_unchanged_without_having_been_asked_is_a_failure(registry: PackageRegistry, leaf: str) -> None:
    registry.misbehave("/leaf", faults.status(304))
    with Documents() as fetch:
        assert "304" in fetch.refused(leaf).what


def test_a_document_that_is_withdrawn_makes_room_for_others(registry: PackageRegistry, leaf: str) -> None:
    gate = threading.Event()
    registry.misbehave("/held", faults.hold(gate, at=1000))
    held = registry.serve("/held", b"x" * 10_000)
    with Documents(impatient(document_connections=1)) as fetch:
        job = fetch.want(held)
        registry.wait_for_requests("/held")
        following = fetch.want(leaf)
        fetch.withdraw(job)
        assert fetch.failed().job == job
        assert fetch.next_document().job == following
        gate.set()


def test_header_lines_of_one_request_do_not_stay_for_the_next(registry: PackageRegistry, leaf: str) -> None:
    tarball = registry.serve("/a.tgz", b"x")
    with Documents(impatient(maximum_connections=1, document_connections=1)) as fetch:
        fetch.document(leaf, etag='"e"', authorization="Bearer secret")
        fetch.fetch(tarball)
        fetch.document(leaf)
    second, third = registry.requests[1:]
    assert [second.header(name) for name in ("if-none-match", "authorization", "accept-encoding")] == [None] * 3
    assert [third.header(name) for name in ("if-none-match", "authorization")] == [None] * 2


def test_a_token_goes_with_validators_to_its_own_host_only(registry: PackageRegistry, leaf: str) -> None:
    with PackageRegistry() as other, Documents() as fetch:
        url = other.serve("/moved", b"{}")
        registry.misbehave("/leaf", faults.redirect(url))
        fetch.document(leaf, authorization="Bearer secret", etag='"e"')
        assert registry.requests[0].header("authorization") == "Bearer secret"
        assert other.requests[0].header("authorization") is None


def test_credentials_that_no_header_can_carry_are_told(leaf: str) -> None:
    with Documents() as fetch:
        failed = fetch.refused(leaf, authorization="Bearer secret\nX: y")
        assert failed.code == ConfigError.code
        assert "secret" not in texts_of(failed)


def test_an_overloaded_registry_is_asked_again(registry: PackageRegistry, leaf: str) -> None:
    registry.misbehave("/leaf", faults.status(503), first=2)
    with Documents() as fetch:
        assert fetch.document(leaf).attempts == 3


def test_one_that_was_cut_off_is_asked_for_again(registry: PackageRegistry, leaf: str) -> None:
    registry.misbehave("/leaf", faults.short_body(missing=5), first=1)
    with Documents() as fetch:
        result = fetch.document(leaf)
        assert gzip.decompress(fetch.body(result))
        assert result.attempts == 2


def test_one_that_is_not_there_is_told_at_once(registry: PackageRegistry) -> None:
    with Documents() as fetch:
        failed = fetch.refused(f"{registry.url}/nowhere")
    assert "d0 could not be fetched: 404" in failed.what
    assert len(registry.requests) == 1


@pytest.mark.parametrize("is_chunked", [True, False])
def test_one_that_is_too_long_is_refused(registry: PackageRegistry, is_chunked: bool) -> None:
    url = registry.serve("/long", b" " * 100_000)
    if is_chunked:
        registry.misbehave("/long", faults.chunked())
    with Documents() as fetch:
        failed = fetch.refused(url, limit=99_999)
        assert failed.code == ArchiveError.code
        assert fetch.document(url, limit=100_000).source is not None


def test_documents_go_before_tarballs(registry: PackageRegistry, leaf: str) -> None:
    gate = threading.Event()
    tarballs = [registry.serve(f"/{number}.tgz", b"x") for number in range(6)]
    registry.misbehave("/0.tgz", faults.hold(gate))
    with Documents(impatient(maximum_connections=1)) as fetch:
        for url in tarballs:
            fetch.order(url)
        registry.wait_for_requests("/0.tgz")
        # the tarballs' one connection is taken; a document has its own
        assert fetch.document(leaf).source is not None
        gate.set()
        for _ in tarballs:
            fetch.release(fetch.fetched())


def test_runs_no_more_downloads_of_both_kinds_than_connections(registry: PackageRegistry, leaf: str) -> None:
    gate = threading.Event()
    registry.misbehave("*", faults.hold(gate))
    tarball = registry.serve("/a.tgz", b"a tarball")
    with Documents(impatient(total_connections=3)) as fetch:
        tarballs = [fetch.order(tarball) for _ in range(2)]
        registry.wait_for_requests("*", 2)
        documents = [fetch.want(leaf) for _ in range(4)]
        registry.wait_for_requests("*", 3)
        fetch.settle()
        assert len(registry.requests) == 3
        gate.set()
        assert sorted(fetch.next_result().job for _ in range(6)) == tarballs + documents


def test_no_more_documents_are_under_way_than_may_be(registry: PackageRegistry, leaf: str) -> None:
    gate = threading.Event()
    registry.misbehave("/leaf", faults.hold(gate))
    with Documents(impatient(document_connections=3)) as fetch:
        for _ in range(8):
            fetch.want(leaf)
        registry.wait_for_requests("/leaf", 3)
        fetch.settle()
        assert len(registry.requests) == 3
        gate.set()
        for _ in range(8):
            fetch.next_document()


def test_nothing_starts_while_as_many_bytes_as_may_be_are_held(registry: PackageRegistry) -> None:
    body = os.urandom(40_000)
    url = registry.serve("/doc", body)
    with Documents(impatient(held_document_bytes=40_000, document_connections=1)) as fetch:
        fetch.want(url)
        fetch.want(url)
        first = fetch.next_document()
        assert fetch.settle() == []
        assert len(registry.requests) == 1
        fetch.free(first)
        assert fetch.body(fetch.next_document()) == body


def test_documents_do_not_wait_for_tarballs_to_be_unpacked(registry: PackageRegistry) -> None:
    body = os.urandom(40_000)
    tarball, document = registry.serve("/a.tgz", body), registry.serve("/doc", body)
    with Documents(impatient(held_bytes=len(body))) as fetch:
        fetch.order(tarball)
        held = fetch.fetched()
        # one has no place, the other is not begun
        fetch.order(tarball)
        fetch.order(tarball)
        assert fetch.settle() == []
        fetch.want(document)
        assert fetch.body(fetch.next_document()) == body
        fetch.release(held)
        fetch.release(fetch.fetched())
        fetch.fetched()


def test_many_documents_that_exceed_the_budget_together_all_arrive(registry: PackageRegistry) -> None:
    bodies = {f"/{number}": os.urandom(30_000) for number in range(30)}
    urls = {registry.serve(path, body): body for path, body in bodies.items()}
    with Documents(impatient(held_document_bytes=100_000)) as fetch:
        wanted = {fetch.want(url): body for url, body in urls.items()}
        for _ in bodies:
            result = fetch.next_document()
            assert fetch.body(result) == wanted[result.job]
            fetch.free(result)


def test_an_origin_that_is_down_fails_all_that_wait_for_it(registry: PackageRegistry) -> None:
    registry.misbehave("*", faults.hang_up(with_reset=True))
    with Documents(impatient(retries=1)) as fetch:
        began = time.monotonic()
        for number in range(20):
            fetch.want(f"{registry.url}/p{number}")
        for _ in range(20):
            fetch.failed()
        assert time.monotonic() - began < 20
