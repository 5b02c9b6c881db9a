"""Reads over every kind of bad line, in virtual time: what the checks can see never reaches the user.

The same runs with 10,000 packets each: `python -m tests.benchmarks.fault_matrix`.
"""

from __future__ import annotations

import pytest

from kdnb.errors import LinkError
from kdnb.protocol.constants import Direction
from kdnb.target.base import LinkLost, StateChanged
from kdnb.target.settings import LiveSettings
from kdnb.testing import FaultyLine
from kdnb.transport.faults import FaultRules
from tests.benchmarks.fault_matrix import KDNET, SERIAL, WAIT_LIMIT, run
from tests.target.virtual_target import BASE, KDNET_READ, MEMORY, virtual

PACKETS = 200


@pytest.mark.parametrize("rules", SERIAL)
def test_a_bad_serial_line_gives_right_bytes_or_an_error(rules):
    outcome = run(rules, network=False, packets=PACKETS)
    assert (outcome.twice, outcome.lost) == (0, 0)
    assert outcome.wrong <= (1 if rules.startswith("flip") else 0)  # two flips that cancel out: no check sees them
    assert outcome.failed <= 1
    assert outcome.longest < WAIT_LIMIT
    assert outcome.largest == 3944


@pytest.mark.parametrize("rules", KDNET)
def test_a_bad_network_gives_right_bytes_or_an_error(rules):
    outcome = run(rules, network=True, packets=PACKETS)
    assert (outcome.wrong, outcome.twice, outcome.lost) == (0, 0, 0)
    assert outcome.failed <= 1
    assert outcome.longest < WAIT_LIMIT
    assert outcome.largest == KDNET_READ


@pytest.mark.parametrize("direction", ["to_host", "to_target"])
def test_one_bad_direction_alone(direction):
    outcome = run(f"damage=0.1,drop=0.0002,dir={direction}", network=False, packets=PACKETS)
    assert (outcome.wrong, outcome.twice, outcome.failed) == (0, 0, 0)


def test_requests_shrink_where_bytes_are_damaged_and_grow_again():
    outcome = run("flip=0.001", network=False, packets=PACKETS)
    assert outcome.smallest < 1000
    assert outcome.largest == 3944


def swapping(direction):
    """A line that changes two payload bytes of a reply: the sum of the bytes can't see that."""

    class Swapping(FaultyLine):
        hits = 0

        def feed(self, data, now):
            if direction is Direction.TO_HOST and len(data) > 300 and Swapping.hits < 3:
                Swapping.hits += 1
                body = bytearray(data)
                place = next(i for i in range(100 + 40 * Swapping.hits, 300) if body[i] != body[i + 1])
                body[place], body[place + 1] = body[place + 1], body[place]
                data = bytes(body)
            super().feed(data, now)

    return Swapping(FaultRules(), direction)


def test_what_the_byte_sum_lets_pass_is_found_by_reading_twice():
    plain, _ = virtual(line=swapping)
    plain.connect(30.0, break_in=True)
    assert plain.read_virtual(BASE, 1000) != MEMORY[:1000]
    verified, machine = virtual(line=swapping, settings=LiveSettings(verify=True))
    verified.connect(30.0, break_in=True)
    for _ in range(3):
        assert verified.read_virtual(BASE, 1000) == MEMORY[:1000]
    assert machine.answered >= 6


class Cable:
    """A line that is cut from the given byte on, for so many seconds."""

    def __init__(self, after: int, seconds: float) -> None:
        self.after, self.seconds = after, seconds
        self.passed, self.until = 0, None

    def __call__(self, direction):
        cable = self

        class Cut(FaultyLine):
            def feed(self, data, now):
                start = cable.passed
                cable.passed += len(data)
                if cable.until is None and cable.passed > cable.after:
                    cable.until = now + cable.seconds
                    data = data[: max(cable.after - start, 0)]
                elif cable.until is not None and now < cable.until:
                    data = b""
                super().feed(data, now)

        return Cut(FaultRules(), direction)


@pytest.mark.parametrize("after", [300, 1000, 3000, 4500])
@pytest.mark.parametrize("seconds", [0.5, 4.0, 12.0])
def test_a_cable_that_was_cut_in_the_middle_of_a_packet_is_survived(after, seconds):
    target, _ = virtual(line=Cable(after, seconds))
    target.connect(60.0, break_in=True)
    assert target.read_virtual(BASE, 8000) == MEMORY[:8000]


def test_a_cable_that_stays_cut_is_an_error_within_the_limit_and_the_session_goes_on_after_it():
    target, machine = virtual(line=Cable(1000, 100.0))
    target.connect(30.0, break_in=True)
    began = machine.joined.clock.now
    with pytest.raises(LinkError, match="no reply to ReadVirtualMemory"):
        target.read_virtual(BASE, 8000)
    assert machine.joined.clock.now - began < WAIT_LIMIT
    machine.joined.advance(began + 101)
    assert target.read_virtual(BASE, 8000) == MEMORY[:8000]
    events = [target.wait(0.0) for _ in range(10)]
    assert not any(isinstance(event, LinkLost) for event in events)
    assert sum(isinstance(event, StateChanged) for event in events) == 1  # the announcement after RESET is no new stop


@pytest.mark.parametrize("seed", range(4))
def test_prints_come_once_where_every_fifth_packet_is_damaged(seed):
    outcome = run("damage=0.2", network=False, packets=400, seed=seed)
    assert outcome.twice == outcome.wrong == 0
