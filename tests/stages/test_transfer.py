"""A transfer's decisions, one ending at a time: no network, no clock."""

import errno

import pytest

from pmpipe.errors import ConfigError, RegistryError
from pmpipe.npm.texts.url import Url, parse_url
from stages.fetch import FetchSettings, retry_wait_s
from stages.fetching.transfer import Again, Completed, GaveUp, NotModified, Transfer, check_request
from stages.fetching.transfer_ending import Ending, Failure
from stages.fetching.transfer_failure import shown_url
from stages.messages import JobId

URL = "https://registry.example/react/-/react-19.1.0.tgz"


class CountingSink:
    """A sink that takes everything and counts how often it had to start over."""

    def __init__(self) -> None:
        self.rewinds = 0

    def begin(self, length: int | None) -> None:
        pass

    def write(self, data: bytes) -> bool:
        return True

    def rewind(self) -> None:
        self.rewinds += 1


def transfer_of(url: str = URL, *, authorization: str = "", **settings: object) -> Transfer:
    return Transfer(
        job=JobId(1),
        label="react@19.1.0",
        first=parse_url(url),
        authorization=authorization,
        sink=CountingSink(),
        settings=FetchSettings(**settings),
    )


def ended(transfer: Transfer, **ending: object) -> Completed | Again | GaveUp:
    transfer.next_request()
    return transfer.handle(Ending(**{"status": 0, **ending}))


def failure_after(transfer: Transfer, **ending: object) -> GaveUp:
    while isinstance(step := ended(transfer, **ending), Again):
        pass
    assert isinstance(step, GaveUp)
    return step


# -- waits --------------------------------------------------------------------------------------------------------


def test_waits_as_npm_does_by_default():
    settings = FetchSettings()
    assert [retry_wait_s(settings, attempts) for attempts in (1, 2, 3)] == [10, 60, 60]


def test_waits_follow_the_settings_however_many_retries_there_are():
    settings = FetchSettings(retry_minimum_s=1, retry_factor=2, retry_maximum_s=1e9)
    assert [retry_wait_s(settings, attempts) for attempts in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert retry_wait_s(settings, 10_000) == 1e9
    assert retry_wait_s(FetchSettings(retry_factor=1e200), 6) == 60


def test_each_failed_attempt_waits_longer_and_the_last_one_gives_up():
    transfer = transfer_of()
    steps = [ended(transfer, status=500) for _ in range(3)]
    assert steps[:2] == [Again(10), Again(60)]
    assert isinstance(steps[2], GaveUp)
    assert transfer.sink.rewinds == 3


@pytest.mark.parametrize(("asked_s", "waited_s"), [(1, 1), (59, 59), (61, 60), (21_600, 60)])
def test_retry_after_counts_up_to_a_minute(asked_s, waited_s):
    assert ended(transfer_of(), status=429, retry_after_s=asked_s) == Again(waited_s)


def test_no_retries_means_one_attempt():
    assert isinstance(ended(transfer_of(retries=0), status=500), GaveUp)


def test_an_unresolved_name_is_asked_once_more_after_a_second():
    transfer = transfer_of(retries=10)
    assert ended(transfer, code=6) == Again(1)
    assert isinstance(ended(transfer, code=6), GaveUp)


def test_counts_the_bytes_of_all_attempts():
    transfer = transfer_of()
    ended(transfer, status=200, code=18, received_bytes=100)
    assert ended(transfer, status=200, received_bytes=250) == Completed(350, 2)


# -- shared connections -------------------------------------------------------------------------------------------


def test_what_is_to_be_alone_is_asked_for_once_more_and_does_not_count():
    transfer = transfer_of(retries=0)
    assert not transfer.next_request().alone
    assert transfer.handle(Ending(status=0, code=92, wants_alone=True)) == Again(0)
    assert transfer.next_request().alone
    assert transfer.handle(Ending(status=200, received_bytes=7)) == Completed(7, 1)


def test_what_is_alone_and_fails_counts():
    transfer = transfer_of(retries=0)
    assert ended(transfer, code=92, wants_alone=True) == Again(0)
    gave_up = ended(transfer, code=92, wants_alone=True)
    assert isinstance(gave_up, GaveUp)
    assert "(1 attempt)" in gave_up.failed.details[0]


# -- outcomes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [206, 300, 304, 100])
def test_a_status_that_no_request_asked_for_is_a_failure(status):
    assert str(status) in failure_after(transfer_of(), status=status).failed.what


def test_a_redirect_without_a_location_is_a_failure():
    assert "302" in failure_after(transfer_of(), status=302).failed.what


@pytest.mark.parametrize("code", [51, 58, 60, 77])
def test_certificate_trouble_is_final_and_concerns_the_host(code):
    step = failure_after(transfer_of(), code=code, message="unable to get local issuer certificate")
    assert step.failed.host_is_down
    assert step.origin_down == "https://registry.example"
    assert "(1 attempt)" in step.failed.details[0]
    assert "cafile" in step.failed.hint


@pytest.mark.parametrize("why", ["certificate has expired (10)", "certificate is not yet valid (9)"])
def test_a_certificate_that_is_out_of_date_may_be_the_fault_of_this_machine_s_clock(why):
    step = failure_after(transfer_of(), code=60, message=f"SSL certificate OpenSSL verify result: {why}")
    assert "the date of this machine" in step.failed.hint
    assert "cafile" not in step.failed.hint


def test_a_proxy_that_cannot_be_trusted_is_told_from_the_registry():
    step = failure_after(transfer_of(), code=60, is_proxy_untrusted=True, message="self-signed certificate")
    assert "the proxy for registry.example" in step.failed.what
    assert "proxy's certificate" in step.failed.hint


def test_a_proxy_that_refuses_may_want_a_password():
    step = failure_after(transfer_of(), code=97, message="User was rejected by the SOCKS5 server (2 3).")
    assert "password" in step.failed.hint


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (7, "the proxy proxy.example:3128 for registry.example cannot be reached"),
        (5, "the name of the proxy proxy.example:3128 cannot be resolved (for registry.example)"),
    ],
)
def test_a_proxy_that_cannot_be_had_is_named_with_all_places_that_may_name_one(code, what):
    step = failure_after(transfer_of(https_proxy="http://me:p@ssw0rd@proxy.example:3128"), code=code)
    assert what in step.failed.what
    assert all(place in step.failed.hint for place in ("proxy", "https-proxy", "HTTPS_PROXY", "HTTP_PROXY", "noproxy"))
    assert "ssw0rd" not in "".join((step.failed.what, *step.failed.details, step.failed.cause))


@pytest.mark.parametrize(
    ("status", "said"), [(407, "password"), (403, "password"), (502, "cannot reach"), (503, "reach")]
)
def test_a_proxy_that_does_not_connect_is_told_by_why(status, said):
    failed = failure_after(transfer_of(https_proxy="http://proxy.example:3128"), connect_status=status, code=56).failed
    assert said in failed.hint
    assert "NO_PROXY" in failed.hint


def test_a_registry_that_cannot_be_reached_may_need_a_proxy():
    step = failure_after(transfer_of(), code=7, os_errno=errno.ECONNREFUSED)
    assert step.failed.what.endswith("registry.example cannot be reached (ECONNREFUSED)")
    assert "HTTPS_PROXY" in step.failed.hint


@pytest.mark.parametrize("status", [408, 420, 429, 500, 503])
def test_a_registry_that_cannot_keep_up_is_no_reason_to_blame_the_package(status):
    failed = failure_after(transfer_of(), status=status).failed
    assert "(3 attempts)" in failed.details[0]
    assert "maxsockets" in failed.hint


@pytest.mark.parametrize("code", [18, 28, 52, 56])
def test_a_connection_that_breaks_is_no_reason_to_blame_the_package(code):
    assert "try again later" in failure_after(transfer_of(), code=code).failed.hint


def test_a_refusal_of_another_kind_has_a_hint_at_the_registry():
    # nginx answers so where a client certificate is missing
    assert "client certificate" in failure_after(transfer_of(), status=400).failed.hint


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (43, "unable to set private key file: '(memory blob)' type PEM"),
        # the two files in each other's place
        (58, "could not load PEM client certificate from CURLOPT_SSLCERT_BLOB, OpenSSL error no start line"),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_a_matter_of_the_settings(code, message):
    step = failure_after(transfer_of(), code=code, message=message)
    assert step.failed.code == ConfigError.code
    assert "keyfile" in step.failed.hint
    assert "(1 attempt)" in step.failed.details[0]
    assert step.origin_down == "https://registry.example"


def test_authorities_that_cannot_be_read_are_not_asked_to_be_named():
    message = "error adding trust anchors from file: /ca.pem"
    hint = failure_after(transfer_of(), code=77, message=message).failed.hint
    assert "PEM" in hint
    assert "strict-ssl" not in hint


@pytest.mark.parametrize(
    ("message", "os_errno", "attempts"),
    [
        ("TLS connect error: error:0A00010B:SSL routines::wrong version number", 0, "1 attempt"),
        ("TLS connect error: unexpected eof while reading", 0, "3 attempts"),
        ("Recv failure: Connection reset by peer", errno.ECONNRESET, "3 attempts"),
    ],
)
def test_a_handshake_is_tried_again_only_if_the_peer_hung_up(message, os_errno, attempts):
    step = failure_after(transfer_of(), code=35, message=message, os_errno=os_errno)
    assert f"({attempts})" in step.failed.details[0]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        # TLS 1.3 and 1.2
        (
            56,
            "OpenSSL SSL_read: OpenSSL/3.6.5: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0",
        ),
        (35, "TLS connect error: error:0A000412:SSL routines::ssl/tls alert bad certificate"),
    ],
)
def test_a_registry_that_wants_a_client_certificate_is_asked_once_and_said_to_want_one(code, message):
    step = failure_after(transfer_of(), code=code, message=message)
    assert "registry.example refused the TLS connection" in step.failed.what
    assert "client certificate" in step.failed.hint
    assert "(1 attempt)" in step.failed.details[0]
    assert step.origin_down == "https://registry.example"


def test_a_port_that_speaks_no_tls_may_be_one_for_plain_http():
    message = "TLS connect error: error:0A00010B:SSL routines::wrong version number"
    hint = failure_after(transfer_of(), code=35, message=message).failed.hint
    assert "http://" in hint
    assert "strict-ssl" not in hint


def test_an_alert_that_is_not_about_a_certificate_says_nothing_of_one():
    message = "TLS connect error: error:0A000410:SSL routines::ssl/tls alert handshake failure"
    assert "certificate" not in failure_after(transfer_of(), code=35, message=message).failed.hint


def test_too_many_open_files_do_not_condemn_the_host():
    step = failure_after(transfer_of(), code=7, os_errno=errno.EMFILE)
    assert not step.failed.host_is_down
    assert "EMFILE" in step.failed.what


def test_an_unknown_libcurl_error_is_a_failure_with_its_words():
    step = failure_after(transfer_of(), code=8, message="Weird server reply")
    assert "Weird server reply" in step.failed.what
    assert step.failed.cause == "libcurl error 8 at registry.example"


def test_users_in_messages_of_libcurl_are_left_out():
    step = failure_after(transfer_of(), code=5, message="Could not resolve proxy: me:passw0rd@proxy.example")
    assert "passw0rd" not in "".join((step.failed.what, *step.failed.details))


def test_a_basic_password_is_blotted_out():
    # the credentials are those of the user "me" with the password of the excerpt
    transfer = transfer_of(authorization="Basic bWU6cGFzc3cwcmQ=")
    step = failure_after(transfer, status=401, excerpt=b'{"error":"passw0rd or bWU6cGFzc3cwcmQ= is wrong"}')
    assert "server says: *** or *** is wrong" in step.failed.details


@pytest.mark.parametrize(
    ("excerpt", "said"),
    [
        (b'{"error":"not found"}', "server says: not found"),
        (b'{"message":"gone"}', "server says: gone"),
        (b"<!doctype html><h1>404</h1>", None),
        (b'{"error":{"code":1}}', None),
        (b'["error"]', None),
        (b'{"error":"cut off', None),
        (b"\xff\xfe", None),
        (b"[" * 4096, None),
        (b"", None),
    ],
)
def test_quotes_a_reason_only_where_registries_put_it(excerpt, said):
    details = failure_after(transfer_of(), status=404, excerpt=excerpt).failed.details
    assert (details[1] if len(details) > 1 else None) == said


# -- redirects ----------------------------------------------------------------------------------------------------


def header_after_redirect(location: str) -> tuple[str, ...]:
    transfer = transfer_of(authorization="Bearer t0ken")
    assert ended(transfer, status=302, location=location) == Again(0)
    return transfer.next_request().headers


@pytest.mark.parametrize(
    "location",
    [
        "https://registry.example/other.tgz",
        "https://REGISTRY.example:443/other.tgz",
        "https://registry.example/a?b=@other.example",
    ],
)
def test_the_token_stays_at_its_origin(location):
    assert header_after_redirect(location) == ("Authorization: Bearer t0ken",)


@pytest.mark.parametrize(
    "location",
    [
        "https://other.example/a.tgz",
        "https://registry.example:8443/a.tgz",
        "https://registry.example.other.example/a.tgz",
        "https://registry.example@other.example/a.tgz",
        "https://registry.example:443@other.example/a.tgz",
        "https://sub.registry.example/a.tgz",
        "https://registry.example./a.tgz",
    ],
)
def test_the_token_goes_nowhere_else(location):
    assert header_after_redirect(location) == ()


@pytest.mark.parametrize(
    "location",
    ["https://other.example\\@registry.example/", "https://", "file:///etc/passwd", "http://registry.example/"],
)
def test_a_redirect_that_could_be_misread_or_is_insecure_is_not_followed(location):
    assert isinstance(ended(transfer_of(), status=302, location=location), GaveUp)


def test_a_redirect_to_an_endless_address_is_not_followed():
    location = "https://registry.example/" + "a" * 100_000
    failed = failure_after(transfer_of(), status=302, location=location).failed
    assert "a URL of 100,025 characters" in failed.what
    assert "aaa" not in "".join((failed.what, *failed.details))


def test_names_where_a_redirect_led():
    transfer = transfer_of()
    ended(transfer, status=302, location="https://cdn.example/a.tgz?signature=5igned")
    failed = failure_after(transfer, status=403).failed
    assert failed.details[1] == "redirected to: https://cdn.example/a.tgz?…"
    assert failed.cause == "403 from cdn.example"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_behind_a_redirect_is_no_reason_to_log_in_there(status):
    transfer = transfer_of(authorization="Bearer t0ken")
    ended(transfer, status=302, location="https://cdn.example/a.tgz")
    hint = failure_after(transfer, status=status).failed.hint
    assert "https://registry.example redirects to https://cdn.example, where no token is sent" in hint
    assert "log in" not in hint


def test_what_was_sent_elsewhere_and_back_has_no_token_and_the_next_attempt_has_it_again():
    transfer = transfer_of(authorization="Bearer t0ken")
    ended(transfer, status=302, location="https://other.example/a.tgz")
    ended(transfer, status=302, location="https://registry.example/private.tgz")
    assert transfer.next_request().headers == ()
    assert isinstance(transfer.handle(Ending(status=500)), Again)
    assert transfer.next_request().headers == ("Authorization: Bearer t0ken",)


def test_a_refusal_of_what_was_redirected_elsewhere_and_back_says_why_there_was_no_token():
    transfer = transfer_of(authorization="Bearer t0ken")
    ended(transfer, status=302, location="https://other.example/a.tgz")
    ended(transfer, status=302, location="https://registry.example/private.tgz")
    hint = failure_after(transfer, status=401).failed.hint
    assert "redirects to another host, which redirects back, where no token is sent" in hint


@pytest.mark.parametrize(
    ("authorization", "said"),
    [
        ("", "no token or password was sent"),
        ("Bearer t0ken", "the token that was sent"),
        ("Basic bWU6cGFzc3cwcmQ=", "the user and password that were sent"),
    ],
)
def test_a_refusal_says_whether_a_token_was_sent(authorization, said):
    assert said in failure_after(transfer_of(authorization=authorization), status=401).failed.hint


def test_what_is_not_found_may_be_kept_from_the_token_that_was_sent():
    failed = failure_after(transfer_of(authorization="Bearer t0ken"), status=404).failed
    assert "the token that was sent" in failed.hint


@pytest.mark.parametrize(
    "ending",
    [
        {"code": 52, "message": "Empty reply from server"},
        {"code": 56, "message": "Recv failure: Connection reset by peer"},
        {"code": 1, "message": "Received HTTP/0.9 when not allowed"},
        {"status": 400, "excerpt": b"<center>The plain HTTP request was sent to HTTPS port</center>"},
        {"status": 400, "excerpt": b"Client sent an HTTP request to an HTTPS server.\n"},
    ],
)
def test_plain_http_that_a_server_of_tls_cannot_read_is_told_as_what_it_may_be(ending):
    said = "its URL has to begin with https://"
    assert said in failure_after(transfer_of("http://registry.example/a"), **ending).failed.hint
    assert said not in failure_after(transfer_of(), **ending).failed.hint
    by_proxy = transfer_of("http://registry.example/a", http_proxy="http://proxy.example:3128")
    assert said not in failure_after(by_proxy, **ending).failed.hint


@pytest.mark.parametrize("ending", [{"code": 56, "status": 200}, {"code": 18, "status": 200}, {"status": 400}])
def test_a_server_that_has_answered_plain_http_is_not_taken_for_one_of_tls(ending):
    assert "https://" not in failure_after(transfer_of("http://registry.example/a"), **ending).failed.hint


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("key", ["//registry.example/npm/", "//registry.example:8443/", "//Registry.example/"])
def test_a_refusal_names_what_is_configured_for_the_same_host_and_not_for_the_address(status, key):
    hint = failure_after(transfer_of(login_keys=("//other.example/", key)), status=status).failed.hint
    assert f"what is configured for {key} is not for this address" in hint
    assert "other.example" not in hint


def test_a_refusal_says_that_what_is_configured_is_not_sent_over_plain_http():
    transfer = transfer_of("http://registry.example/a", login_keys=("//registry.example/",))
    assert "for //registry.example/ is not sent over plain http" in failure_after(transfer, status=401).failed.hint


def test_what_is_configured_for_a_folder_of_a_similar_name_is_not_said_to_be_kept_from_plain_http():
    transfer = transfer_of("http://registry.example/npm-virtual/a", login_keys=("//registry.example/npm",))
    hint = failure_after(transfer, status=401).failed.hint
    assert "for //registry.example/npm is not for this address" in hint
    assert "plain http" not in hint


def test_a_refusal_names_nothing_that_is_configured_where_something_was_sent():
    transfer = transfer_of(authorization="Bearer t0ken", login_keys=("//registry.example/npm/",))
    assert "is configured" not in failure_after(transfer, status=401).failed.hint


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_behind_a_redirect_that_stays_at_the_registry_wants_a_login(status):
    transfer = transfer_of(authorization="Bearer t0ken")
    ended(transfer, status=302, location="https://registry.example/other.tgz")
    assert (
        "the token that was sent to registry.example may be wrong" in failure_after(transfer, status=status).failed.hint
    )


def test_a_host_behind_a_redirect_is_the_one_that_is_down():
    transfer = transfer_of(retries=0)
    ended(transfer, status=302, location="https://cdn.example/a.tgz")
    step = ended(transfer, code=7, os_errno=errno.ECONNREFUSED)
    assert isinstance(step, GaveUp)
    assert step.origin_down == "https://cdn.example"


# -- what a job may ask for ---------------------------------------------------------------------------------------


def test_a_usable_request_is_read():
    assert isinstance(check_request(URL, "Bearer t0ken"), Url)


@pytest.mark.parametrize("authorization", ["Bearer a\nb", "Bearer a\r", "Bearer \x00", "Bearer café"])
def test_credentials_that_no_header_can_carry_are_a_fault_of_the_configuration(authorization):
    failure = check_request(URL, authorization)
    assert isinstance(failure, Failure)
    assert failure.code == ConfigError.code


@pytest.mark.parametrize("url", ["", "react", "file:///a", "https://a b/", "https://a\\b", "https:///a"])
def test_a_url_that_cannot_be_used_is_a_failure(url):
    failure = check_request(url, "")
    assert isinstance(failure, Failure)
    assert failure.code == RegistryError.code


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@registry.example/a.tgz?sig=1#x", "https://registry.example/a.tgz?…"),
        ("https://registry.example:8443/a%20b", "https://registry.example:8443/a%20b"),
        ("https://me:pass@bad host/a?sig=1", "https://bad host/a"),
        ("me:pass@\x1b[31m", r"\x1b[31m"),
    ],
)
def test_shows_urls_without_secrets(url, shown):
    assert shown_url(url) == shown


# -- requests with validators ---------------------------------------------------------------------------------------


def conditional() -> Transfer:
    transfer = transfer_of(authorization="Bearer x")
    transfer.headers, transfer.is_conditional = ('If-None-Match: "e"',), True
    return transfer


def test_not_modified_answers_a_request_with_validators():
    transfer = conditional()
    assert transfer.next_request().headers == ('If-None-Match: "e"', "Authorization: Bearer x")
    assert transfer.handle(Ending(status=304)) == NotModified(0, 1)
    assert transfer.sink.rewinds == 1


def test_not_modified_answers_no_other_request():
    assert isinstance(ended(transfer_of(), status=304), GaveUp)


def test_not_modified_counts_although_the_connection_breaks_behind_it():
    assert ended(conditional(), status=304, code=56) == NotModified(0, 1)


def test_validators_follow_a_redirect_to_another_host_and_the_token_does_not():
    transfer = conditional()
    ended(transfer, status=302, location="https://other.example/a")
    assert transfer.next_request().headers == ('If-None-Match: "e"',)
    assert transfer.handle(Ending(status=304)) == NotModified(0, 1)
