"""Header lines as libcurl hands them over."""

import pytest

from stages.fetching.response_head import DocumentHead, ResponseHead, read_document_head, read_head, retry_after_s

#: Sun, 06 Nov 1994 08:49:37 GMT
DATE_S = 784111777


def lines(*texts: str) -> list[bytes]:
    return [f"{text}\r\n".encode("latin-1") for text in (*texts, "")]


def test_reads_status_and_length():
    assert read_head(lines("HTTP/1.1 200 OK", "content-LENGTH:  12 ", "X: y")) == ResponseHead(200, 12)


def test_the_last_response_counts():
    head = lines("HTTP/1.1 200 Connection established", "Content-Length: 1", "HTTP/1.1 100 Continue", "HTTP/2 404")
    assert read_head(head) == ResponseHead(404, None, http2=True)


def test_a_chunked_body_has_no_known_length():
    assert read_head(lines("HTTP/1.1 200", "Content-Length: 1", "Transfer-Encoding: chunked")).length is None


@pytest.mark.parametrize("length", ["", "x", "-1", "1, 1", "9" * 5000])
def test_a_length_that_is_no_number_is_not_known(length):
    assert read_head(lines("HTTP/1.1 200 OK", f"Content-Length: {length}")).length is None


@pytest.mark.parametrize("line", ["HTTP/x: y", "HTTP/:", "HTTP/1.1: 404", "HTTP/1.1 404: y", "HTTP/1.1 4: y"])
def test_a_header_line_that_begins_like_a_status_line_is_none(line):
    head = lines("HTTP/1.1 200 OK", "Content-Length: 12", line, "Retry-After: 7")
    assert read_head(head) == ResponseHead(200, 12)
    assert retry_after_s(head, DATE_S) == 7


def test_of_an_endless_content_coding_the_beginning_is_read():
    assert len(read_head(lines("HTTP/1.1 200 OK", f"Content-Encoding: {'x' * 90_000}")).encoding) == 100


def test_header_lines_without_a_status_line_are_a_bug():
    with pytest.raises(ValueError, match="without a status line"):
        read_head(lines("Content-Length: 1"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 10),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 10),
        ("Sun Nov  6 08:49:37 1994", 10),
        ("Sun, 06 Nov 1994 08:49:20 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("Sun, 99 Nov 99999999999 08:49:37 GMT", 0),
    ],
)
def test_reads_retry_after_in_all_its_forms(value, seconds):
    assert retry_after_s(lines("HTTP/1.1 429 Slow down", f"Retry-After: {value}"), DATE_S - 10) == seconds


def test_retry_after_is_rounded_up():
    assert retry_after_s(lines("HTTP/1.1 429", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"), DATE_S - 0.5) == 1


def test_no_retry_after_is_zero():
    assert retry_after_s(lines("HTTP/1.1 503 Down"), DATE_S) == 0


# -- documents ------------------------------------------------------------------------------------------------------


def document(*fields: str) -> DocumentHead:
    return read_document_head(lines("HTTP/1.1 200 OK", *fields))


def test_reads_the_validators_of_a_document():
    head = document('ETag: W/"a, b"', "Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT")
    assert (head.etag, head.last_modified) == ('W/"a, b"', "Wed, 01 Jan 2020 00:00:00 GMT")


def test_a_document_without_fields_is_plain_and_never_fresh():
    assert document() == DocumentHead(gzipped=False, etag="", last_modified="", fresh_s=0)


def test_the_document_of_the_last_response_counts():
    head = read_document_head(lines("HTTP/1.1 302 Found", 'ETag: "a"', "Content-Encoding: gzip", "HTTP/1.1 200 OK"))
    assert head == document()


@pytest.mark.parametrize("etag", ['"caf\xe9"', '"a\tb"', f'"{"x" * 2000}"'])
def test_a_validator_that_no_later_request_can_carry_is_none(etag):
    assert document(f"ETag: {etag}").etag == ""


@pytest.mark.parametrize(
    ("encoding", "gzipped", "read"),
    [
        ("gzip", True, "gzip"),
        ("X-GZip", True, "x-gzip"),
        ("identity", False, ""),
        ("br", False, "br"),
        ("gzip, br", False, "gzip, br"),
    ],
)
def test_reads_the_content_coding(encoding, gzipped, read):
    assert document(f"Content-Encoding: {encoding}").gzipped is gzipped
    assert read_head(lines("HTTP/1.1 200 OK", f"Content-Encoding: {encoding}")).encoding == read


@pytest.mark.parametrize(
    ("fields", "fresh_s"),
    [
        (["public, max-age=300"], 300),
        (['private, MAX-AGE = "60"'], 60),
        (["max-age=0"], 0),
        (["max-age=-5"], 0),
        (["max-age=soon"], 0),
        (["max-age=9999999999999999999"], 1 << 31),
        (["max-age=" + "9" * 5000], 0),
        (["no-store"], -1),
        (["no-cache, no-store, must-revalidate"], -1),
        (["max-age=300, no-store"], -1),
        (["max-age=300, no-cache"], 0),
        (["max-age=300", "no-store"], -1),
        (["no-store", "max-age=300"], -1),
        (["max-age=300", "public"], 300),
        ([",,=,"], 0),
        ([], 0),
    ],
)
def test_reads_how_long_a_document_is_fresh(fields, fresh_s):
    assert document(*(f"Cache-Control: {field}" for field in fields)).fresh_s == fresh_s


@pytest.mark.parametrize(
    ("age", "fresh_s"), [("0", 300), ("250", 50), ("300", 0), ("9" * 19, 0), ("9" * 30, 300), ("-5", 300), ("", 300)]
)
def test_the_time_in_which_others_have_kept_a_document_is_over(age, fresh_s):
    assert document("Cache-Control: max-age=300", f"Age: {age}").fresh_s == fresh_s
    assert document(f"AGE:{age}", "Cache-Control: no-store").fresh_s == -1
