"""Memory with holes, and a module in it whose function table is written by hand."""

from __future__ import annotations

import struct

from kdnb.debugger.unwind import UnwoundFrame, unwind
from kdnb.errors import MemoryReadError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.pe import PeImage
from kdnb.symbols.unwind_info import GENERAL_REGISTERS

STACK = 0x7000


class FlatMemory:
    """Pages that come into being when written; everything else is a hole."""

    def __init__(self, address: int = 0, data: bytes = b"") -> None:
        self._bytes: dict[int, int] = {}
        self.write(address, data)

    def read(self, address: int, size: int) -> bytes:
        result = bytearray()
        for at in range(address, address + size):
            if at not in self._bytes:
                raise MemoryReadError(address, size, bytes(result))
            result.append(self._bytes[at])
        return bytes(result)

    def write(self, address: int, data: bytes) -> None:
        self._bytes.update(enumerate(data, address))

    def write_u32(self, address: int, *values: int) -> None:
        self.write(address, struct.pack(f"<{len(values)}I", *values))


class HandMadeModule:
    """A PE image of which only the headers, a function table and unwind data exist; zeros elsewhere."""

    frame_table = None

    def __init__(self, memory: FlatMemory | None = None, base: int = 0x1_0000) -> None:
        self.memory = memory or FlatMemory()
        self.base, self.size = base, 0x4000
        self.memory.write(base, pe_headers() + bytes(self.size - 0x200))
        self._entries: list[bytes] = []
        self._at = 0x2000
        self._stack = STACK
        self.memory.write(0x6000, bytes(0x2000))

    @property
    def image(self) -> PeImage:
        return PeImage.parse(self.memory.read, self.base)

    def find(self, address: int) -> HandMadeModule | None:
        return self if self.base <= address < self.base + self.size else None

    @staticmethod
    def entry(begin: int, end: int, info: int) -> bytes:
        return struct.pack("<III", begin, end, info)

    def function(self, begin: int, end: int, info: bytes) -> int:
        """Add a function with its UNWIND_INFO; the RVA of that."""
        rva = self._at
        self.memory.write(self.base + rva, info)
        self._at += (len(info) + 3) & ~3
        self._entries.append(self.entry(begin, end, rva))
        self.memory.write(self.base + 0x3000, b"".join(self._entries))
        self.memory.write(self.base + 0x80 + 24 + 112 + 8 * 3, struct.pack("<II", 0x3000, 12 * len(self._entries)))
        return rva

    def push(self, *values: int) -> None:
        """Put values on the stack, upwards from where the stack pointer is."""
        self.memory.write(self._stack, struct.pack(f"<{len(values)}Q", *values))


def walk(module: HandMadeModule, rip: int, **registers: int) -> tuple[list[UnwoundFrame], str | None]:
    """The x64 stack of a processor at `rip` with the module's stack; registers not given are 0."""
    values = dict.fromkeys(GENERAL_REGISTERS, 0) | {"rsp": STACK, "rip": rip} | registers
    return unwind(values, MachineType.AMD64, module.memory, module)


def pe_headers(machine: int = 0x8664, size_of_image: int = 0x4000) -> bytes:
    """0x200 bytes of headers of an image without sections."""
    header = bytearray(0x200)
    header[:2] = b"MZ"
    struct.pack_into("<I", header, 0x3C, 0x80)
    struct.pack_into("<4sHHIIIHH", header, 0x80, b"PE", machine, 0, 0x5F000000, 0, 0, 240, 0x2022)
    struct.pack_into("<H", header, 0x98, 0x20B)
    struct.pack_into("<II", header, 0x98 + 56, size_of_image, 0x200)
    struct.pack_into("<I", header, 0x98 + 108, 16)
    return bytes(header)
