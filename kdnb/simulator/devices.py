"""The board's I/O ports: timer, keyboard controller, clock, serial line, PCI, and the debugger's own port.

Toys with the registers of the real ones: reading twice gives what the real device would plausibly give, and time is
the machine's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.simulator.pci import PciConfiguration

__all__ = ["DEBUG_BREAK_PORT", "Devices"]

DEBUG_BREAK_PORT = 0x4B44
"""Reads 1 once after a break-in was requested."""

POST_PORT, POST_READY = 0x80, 0xAA
_KEYBOARD_COMMAND, _PULSE_RESET = 0x64, 0xFE
_POWER_PORT, _POWER_OFF = 0x604, 0x2000
_CMOS_INDEX, _CMOS_DATA = 0x70, 0x71
_PCI_ADDRESS, _PCI_DATA = range(0xCF8, 0xCFC), range(0xCFC, 0xD00)
_SERIAL = range(0x3F8, 0x400)
_TIMER_RATE = 18643  # PIT counts per tick of 1/64 s


class Devices:
    """Everything behind `in` and `out`. `ticks` tells the machine's time."""

    def __init__(self, ticks: Callable[[], int], pci: PciConfiguration) -> None:
        self._ticks = ticks
        self._pci = pci
        self._latches: dict[int, int] = {}
        self._pci_address = 0
        self._cmos_index = 0
        self.break_requested = False
        self.ready = False
        self.reset_requested = False
        self.power_off_requested = False

    def read(self, port: int, size: int) -> int:
        """Value of `size` bytes; ports where nothing answers read all ones."""
        if port in _PCI_DATA:
            data = self._pci.read(*self._pci_place(port), size)
            return int.from_bytes(data.ljust(size, b"\xff"), "little")
        if port in _PCI_ADDRESS:
            return self._pci_address >> (8 * (port - 0xCF8)) & _mask(size)
        return sum(self._read_byte(port + i) << (8 * i) for i in range(size))

    def write(self, port: int, size: int, value: int) -> None:
        value &= _mask(size)
        if port in _PCI_DATA:
            self._pci.write(*self._pci_place(port), value.to_bytes(size, "little"))
        elif port in _PCI_ADDRESS:
            self._pci_address = value
        elif port == _POWER_PORT and value == _POWER_OFF:
            self.power_off_requested = True
        else:
            for i in range(size):
                self._write_byte(port + i, value >> (8 * i) & 0xFF)

    def _read_byte(self, port: int) -> int:
        if port == DEBUG_BREAK_PORT:
            requested, self.break_requested = self.break_requested, False
            return int(requested)
        if port in (0x40, 0x41, 0x42):
            return (-self._ticks() * _TIMER_RATE) & 0xFF
        if port == _CMOS_DATA:
            return self._cmos()
        if port in _SERIAL:
            return 0x60 if port == 0x3FD else self._latches.get(port, 0)
        fixed = {0x60: 0, 0x61: 0x20, 0x64: 0x1C, 0x20: 0, 0xA0: 0}
        return self._latches.get(port, fixed.get(port, 0xFF))

    def _write_byte(self, port: int, value: int) -> None:
        if port == _CMOS_INDEX:
            self._cmos_index = value & 0x7F
        elif port == _KEYBOARD_COMMAND and value == _PULSE_RESET:
            self.reset_requested = True
        elif port == POST_PORT and value == POST_READY:
            self.ready = True
        if port in (0x21, 0xA1, 0x61, POST_PORT) or port in _SERIAL:
            self._latches[port] = value

    def _cmos(self) -> int:
        """The clock in BCD: noon of 20 November 2020 plus the machine's own time."""
        seconds = self._ticks() // 64
        hour = (12 + seconds // 3600) % 24
        clock = {0: seconds % 60, 2: seconds // 60 % 60, 4: hour, 6: 6, 7: 0x20, 8: 0x11, 9: 0x20, 0x0B: 2, 0x0D: 0x80}
        value = clock.get(self._cmos_index, 0)
        return value // 10 << 4 | value % 10 if self._cmos_index in (0, 2, 4) else value

    def _pci_place(self, port: int) -> tuple[int, int, int]:
        """Bus, slot number (device, function) and offset that the address register selects."""
        address = self._pci_address
        slot = address >> 11 & 0x1F | (address >> 8 & 7) << 5
        return address >> 16 & 0xFF, slot, address & 0xFC | port & 3


def _mask(size: int) -> int:
    return (1 << (8 * size)) - 1
