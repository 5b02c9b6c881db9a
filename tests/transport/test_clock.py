"""The clock of the packets: right, and fine enough to time a round trip."""

from __future__ import annotations

import itertools
import time

from kdnb.transport.clock import wall_time_ns


def test_it_is_the_time_of_day():
    before = time.time_ns()
    now = wall_time_ns()
    assert abs(now - before) < 60e9


def test_its_steps_are_below_a_tenth_of_a_millisecond():
    readings = [wall_time_ns() for _ in range(10_000)]
    steps = [later - earlier for earlier, later in itertools.pairwise(readings) if later != earlier]
    assert 0 < min(steps) < 100_000
