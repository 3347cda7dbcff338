"""What crosses the queues comes out as it went in."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import messages
from stages.messages import Job, Release, Removed, Result, decode_jobs, decode_results, encode

#: text as it crosses: whatever is UTF-8
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
st.register_type_strategy(str, TEXT)
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))


def messages_of(union: Any) -> st.SearchStrategy[Any]:
    return st.one_of([st.from_type(one) for one in get_args(union)])


@given(st.lists(messages_of(Job), max_size=4))
def test_jobs_come_out_as_they_went_in(jobs: list[Any]) -> None:
    assert decode_jobs(encode(jobs)) == jobs


@given(st.lists(messages_of(Result), max_size=4))
def test_results_come_out_as_they_went_in(results: list[Any]) -> None:
    assert decode_results(encode(results)) == results


@given(st.binary(max_size=40))
def test_noise_is_no_batch(noise: bytes) -> None:
    try:
        decode_jobs(noise)
    except msgspec.DecodeError:
        return
    assert noise[:1] == b"\x90", "only an empty batch is as short as that by chance"


def test_a_datagram_that_was_cut_off_is_refused() -> None:
    datagram = encode([Removed(messages.JobId(1))] * 3)
    for length in range(len(datagram)):
        with pytest.raises(msgspec.DecodeError):
            decode_results(datagram[:length])


def test_a_result_is_no_job() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_jobs(encode([Removed(messages.JobId(1))]))


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Release(messages.JobId(1), 2).offset = 3  # type: ignore[misc]
