"""A toy PCI bus: enough configuration space for `!pci`-like reads and writes to mean something.

Device numbers are those of the i440FX machine that emulators commonly show; nothing is wired to them.
"""

from __future__ import annotations

import struct

_CONFIGURATION_SIZE = 256
_WRITABLE = range(0x04, 0x06), range(0x0C, 0x0E), range(0x10, 0x28), range(0x3C, 0x3D)
"""Command, cache line and latency, base addresses, interrupt line: the rest is fixed by the device."""

_HOST_BRIDGE = (0x8086, 0x1237, 0x060000)
_ISA_BRIDGE = (0x8086, 0x7000, 0x060100)
_DISPLAY = (0x1234, 0x1111, 0x030000)
_NETWORK = (0x8086, 0x100E, 0x020000)
_SLOTS = {0: _HOST_BRIDGE, 1: _ISA_BRIDGE, 2: _DISPLAY, 3: _NETWORK}


class PciConfiguration:
    """Configuration space of bus 0; a slot number is device bits 0-4, function bits 5-7."""

    def __init__(self) -> None:
        self._devices = {slot: _device(*numbers) for slot, numbers in _SLOTS.items()}

    def read(self, bus: int, slot: int, offset: int, length: int) -> bytes:
        """Bytes up to the end of the space; an empty slot of bus 0 reads FF FF, another bus nothing."""
        if bus != 0 or offset >= _CONFIGURATION_SIZE:
            return b""
        device = self._devices.get(slot)
        if device is None:
            return b"\xff" * min(length, 2)
        return bytes(device[offset : offset + length])

    def write(self, bus: int, slot: int, offset: int, data: bytes) -> int:
        """Store what a device lets one write; the number of bytes taken."""
        device = self._devices.get(slot)
        if bus != 0 or device is None:
            return 0
        data = data[: max(0, _CONFIGURATION_SIZE - offset)]
        for at, byte in enumerate(data, offset):
            if any(at in writable for writable in _WRITABLE):
                device[at] = byte
        return len(data)


def _device(vendor: int, device: int, class_code: int) -> bytearray:
    space = bytearray(_CONFIGURATION_SIZE)
    struct.pack_into("<HHHHI", space, 0, vendor, device, 0x0007, 0x0200, class_code << 8)
    return space
