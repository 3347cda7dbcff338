"""How many requests may be made where a registry says that there are too many, with a clock of the test's."""

from __future__ import annotations

from stages.fetching.brake import Brake


def admitted(brake: Brake, now_s: float) -> int:
    """How many requests may be under way at a time."""
    number = 0
    while number < 1000 and brake.admits(now_s, number):
        number += 1
    return number


def test_nothing_is_held_back_where_nobody_complains():
    brake = Brake(64)
    brake.succeeded()
    assert admitted(brake, 0) == 64


def test_nothing_new_is_asked_for_in_the_pause():
    brake = Brake(64)
    brake.refused(10, 1, 64)
    assert [admitted(brake, now) for now in (10, 10.9, 11)] == [0, 0, 2]


def test_what_is_refused_in_a_pause_belongs_to_the_same_trouble():
    brake = Brake(64)
    for under_way in range(64, 0, -1):
        brake.refused(10.5, 1, under_way)
    for _ in range(30):
        brake.succeeded()
    assert admitted(brake, 12) == 32


def test_a_later_refusal_makes_the_pause_longer_and_none_shorter():
    brake = Brake(64)
    brake.refused(10, 5, 64)
    brake.refused(11, 1, 63)
    assert (admitted(brake, 14), admitted(brake, 15)) == (0, 2)


def test_beyond_half_of_what_was_too_many_it_goes_on_slowly():
    brake = Brake(64)
    brake.refused(10, 1, 16)
    for _ in range(6 + 10):
        brake.succeeded()
    assert admitted(brake, 11) == 9


def test_whatever_is_refused_something_goes_on_after_the_pause():
    brake = Brake(1)
    for second in range(10):
        brake.refused(second, 1, 1)
    assert brake.admits(10, 0)


def test_all_is_let_go_on_in_the_end():
    brake = Brake(64)
    brake.refused(10, 1, 64)
    for _ in range(2000):
        brake.succeeded()
    assert admitted(brake, 11) == 64
