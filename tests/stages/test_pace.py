"""Which transfers have been too slow for too long, with a clock of the test's."""

from __future__ import annotations

from stages.fetching.pace import Pace


def slow_for_s(*looks: tuple[float, int] | None) -> list[float]:
    """What a pace of 32 bytes a second at least says at each look: (time, bytes so far); None: it is paused."""
    pace = Pace(32)
    answers = []
    for look in looks:
        if look is None:
            pace.pause()
        else:
            answers.append(pace.slow_for_s(*look))
    return answers


def test_one_that_stands_still_is_slow_from_the_first_look_on():
    assert slow_for_s((10, 0), (11, 0), (12, 0), (14.5, 0)) == [0, 1, 2, 4.5]


def test_one_that_drips_is_slow():
    assert slow_for_s((10, 0), (11, 31), (12, 62), (14, 125)) == [0, 1, 2, 4]


def test_one_that_goes_on_is_not():
    assert slow_for_s((10, 0), (11, 32), (12, 64), (14, 128)) == [0, 0, 0, 0]


def test_bytes_that_come_late_count_as_a_new_beginning():
    assert slow_for_s((10, 0), (11, 0), (12, 1000), (13, 1000)) == [0, 1, 0, 1]


def test_a_time_in_which_nobody_looked_does_not_count():
    # the whole program was stopped by Ctrl-Z
    assert slow_for_s((10, 0), (11, 0), (1000, 0), (1001, 0)) == [0, 1, 0, 1]


def test_a_pause_does_not_count():
    assert slow_for_s(None, (10, 0), (11, 0), None, (300, 0), (301, 0)) == [0, 1, 0, 1]
