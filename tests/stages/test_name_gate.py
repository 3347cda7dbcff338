"""One download asks for a name, the others wait for the answer."""

from stages.name_gate import NameGate

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
