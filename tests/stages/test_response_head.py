"""Header lines as libcurl hands them over."""

import pytest

from stages.response_head import ResponseHead, read_head, retry_after_s

#: Sun, 06 Nov 1994 08:49:37 GMT
DATE_S = 784111777


def lines(*texts: str) -> list[bytes]:
    return [f"{text}\r\n".encode("latin-1") for text in (*texts, "")]


def test_reads_status_and_length():
    assert read_head(lines("HTTP/1.1 200 OK", "content-LENGTH:  12 ", "X: y")) == ResponseHead(200, 12)


def test_the_last_response_counts():
    head = lines("HTTP/1.1 200 Connection established", "Content-Length: 1", "HTTP/1.1 100 Continue", "HTTP/2 404")
    assert read_head(head) == ResponseHead(404, None)


def test_a_chunked_body_has_no_known_length():
    assert read_head(lines("HTTP/1.1 200", "Content-Length: 1", "Transfer-Encoding: chunked")).length is None


@pytest.mark.parametrize("length", ["", "x", "-1", "1, 1", "9" * 5000])
def test_a_length_that_is_no_number_is_not_known(length):
    assert read_head(lines("HTTP/1.1 200 OK", f"Content-Length: {length}")).length is None


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
