"""One download asks for a name, the others wait for the answer."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from stages.fetching.name_gate import NameGate

PEER = "https://registry.example"


def test_one_asks_and_the_others_wait_in_their_order():
    gate = NameGate[str]()
    assert gate.admits(PEER, 1, "first")
    assert not gate.admits(PEER, 2, "second")
    assert not gate.admits(PEER, 3, "third")
    assert gate.open(PEER) == ["second", "third"]


def test_nobody_waits_for_a_name_that_has_an_answer():
    gate = NameGate[str]()
    gate.admits(PEER, 1, "first")
    gate.open(PEER)
    assert gate.admits(PEER, 2, "second")
    assert gate.admits(PEER, 3, "third")
    assert gate.open(PEER) == []


def test_the_one_that_asks_may_ask_again():
    gate = NameGate[str]()
    assert gate.admits(PEER, 1, "first attempt")
    assert not gate.admits(PEER, 2, "other")
    assert gate.admits(PEER, 1, "second attempt")
    assert gate.open(PEER) == ["other"]


def test_each_peer_has_its_own_gate():
    gate = NameGate[str]()
    assert gate.admits(PEER, 1, "first")
    assert gate.admits("https://other.example", 2, "second")
    assert not gate.admits(PEER, 3, "third")
    assert gate.open("https://other.example") == []
    assert gate.open(PEER) == ["third"]


def test_whoever_leaves_lets_the_others_go_on():
    gate = NameGate[str]()
    assert gate.admits(PEER, 1, "first")
    assert not gate.admits(PEER, 2, "second")
    assert gate.leave(2) == []
    assert gate.leave(1) == ["second"]
    assert gate.leave(1) == []


def test_who_asks_for_the_same_name_again_leaves_only_the_others_open():
    gate = NameGate[str]()
    assert gate.admits(PEER, 1, "first attempt")
    assert gate.admits("https://other.example", 1, "behind a redirect")
    assert not gate.admits(PEER, 2, "second")
    assert not gate.admits("https://other.example", 3, "third")
    assert gate.leave(1, staying_at=PEER) == ["third"]
    assert gate.leave(1) == ["second"]


class Downloads:
    """Downloads that go through a gate as the fetch process has them, and end as the test says."""

    def __init__(self, plans: list[list[int]]) -> None:
        #: for each download the peers that its requests go to, in their order
        self._plans = plans
        self._gate = NameGate[int]()
        self._next = [0] * len(plans)
        self._waiting = deque(range(len(plans)))
        self.under_way: list[int] = []
        self.done = 0

    def start_all(self) -> None:
        while self._waiting:
            download = self._waiting.popleft()
            if not self._plans[download]:
                self._end(download)
            elif self._gate.admits(self._peer(download), download, download):
                self.under_way.append(download)

    def connect(self, index: int) -> None:
        self._waiting.extendleft(reversed(self._gate.open(self._peer(self.under_way[index]))))

    def end_request(self, index: int, *, is_nameless: bool) -> None:
        download = self.under_way.pop(index)
        asked = self._peer(download)
        self._next[download] += 1
        if self._next[download] == len(self._plans[download]):
            self._end(download)
            return
        stays = is_nameless and self._peer(download) == asked
        self._waiting.extendleft(reversed(self._gate.leave(download, asked if stays else "")))
        self._waiting.append(download)

    def _end(self, download: int) -> None:
        self.done += 1
        self._waiting.extendleft(reversed(self._gate.leave(download)))

    def _peer(self, download: int) -> str:
        return f"https://{self._plans[download][self._next[download]]}.example"


@given(st.lists(st.lists(st.integers(0, 2), max_size=4), max_size=8), st.data())
def test_nobody_is_left_waiting_whatever_becomes_of_those_that_ask(plans: list[list[int]], data: st.DataObject):
    downloads = Downloads(plans)
    downloads.start_all()
    while downloads.under_way:
        index = data.draw(st.integers(0, len(downloads.under_way) - 1))
        if data.draw(st.booleans()):
            downloads.connect(index)
        downloads.end_request(index, is_nameless=data.draw(st.booleans()))
        downloads.start_all()
    assert downloads.done == len(plans)


def test_one_that_waits_can_be_taken_out():
    gate = NameGate[str]()
    assert gate.admits(PEER, 1, "first")
    assert not gate.admits(PEER, 2, "second")
    assert not gate.admits(PEER, 3, "third")
    assert gate.withdraw(lambda download: download == "second") == "second"
    assert gate.withdraw(lambda download: download == "second") is None
    assert gate.open(PEER) == ["third"]
