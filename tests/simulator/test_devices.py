"""The board's ports, and its debug registers' meaning."""

from __future__ import annotations

import pytest

from kdnb.simulator.debug_registers import DebugRegisters, Watch
from kdnb.simulator.devices import DEBUG_BREAK_PORT, Devices
from kdnb.simulator.pci import PciConfiguration


def devices(ticks: int = 0) -> Devices:
    return Devices(lambda: ticks, PciConfiguration())


def test_a_break_in_is_read_once() -> None:
    board = devices()
    board.break_requested = True

    assert [board.read(DEBUG_BREAK_PORT, 1) for _ in range(2)] == [1, 0]


def test_ports_where_nothing_answers_read_all_ones() -> None:
    assert devices().read(0x1234, 4) == 0xFFFFFFFF


def test_the_clock_counts_the_machines_own_time_in_bcd() -> None:
    board = devices(ticks=64 * (2 * 3600 + 34 * 60 + 56))
    values = []
    for register in (4, 2, 0):
        board.write(0x70, 1, register)
        values.append(board.read(0x71, 1))

    assert values == [0x14, 0x34, 0x56]


def test_pci_configuration_is_reached_by_address_and_data_ports() -> None:
    board = devices()
    board.write(0xCF8, 4, 0x80001000)  # device 2: the display

    assert board.read(0xCFC, 4) == 0x11111234
    assert board.read(0xCFE, 2) == 0x1111
    assert board.read(0xCF8, 4) == 0x80001000


def test_the_serial_line_keeps_what_was_written_and_is_always_ready() -> None:
    board = devices()
    board.write(0x3FB, 1, 0x83)

    assert (board.read(0x3FB, 1), board.read(0x3FD, 1)) == (0x83, 0x60)


def test_the_guest_tells_by_a_port_that_it_is_up() -> None:
    board = devices()
    board.write(0x80, 1, 0x12)
    assert not board.ready
    board.write(0x80, 1, 0xAA)
    assert board.ready


@pytest.mark.parametrize(
    ("dr7", "watches"),
    [
        (0x400, []),
        (0x401, [Watch(0, 0x1003, 1, True, False)]),
        (0x408, [Watch(1, 0x2007, 1, True, False)]),
        (0x401 | 0b0001 << 16, [Watch(0, 0x1003, 1, False, False)]),
        (0x401 | 0b0101 << 16, [Watch(0, 0x1002, 2, False, False)]),
        (0x401 | 0b1111 << 16, [Watch(0, 0x1000, 4, False, True)]),
        (0x402 | 0b1001 << 16, [Watch(0, 0x1000, 8, False, False)]),
        (0x401 | 0b0010 << 16, []),
    ],
)
def test_dr7_says_which_addresses_are_watched_and_how(dr7: int, watches: list[Watch]) -> None:
    assert DebugRegisters([0x1003, 0x2007, 0, 0], dr7=dr7).watches() == watches
