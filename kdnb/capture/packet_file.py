"""pcap and pcapng files: bytes in, one `CapturedFrame` for each packet out.

Knows the two container formats (all byte orders and time resolutions) and gzip around them; knows nothing
of what the packets hold. A damaged or truncated file gives the packets before the damage and one line in
`problems`. Formats: the IETF drafts opsawg-pcap and opsawg-pcapng.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kdnb.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CapturedFrame", "is_packet_file", "load", "read_frames"]

GZIP_MAGIC = b"\x1f\x8b"
UNPACKED_LIMIT = 1 << 32
"""No more than this is unpacked from one gzip file: a few hours of the fastest link, and no bomb."""

UNPACK_STEP = 1 << 16
"""Packed bytes taken at once; deflate makes at most 1032 times as many of them."""

FRAME_LIMIT = 1 << 26
"""Longest believable frame (libpcap's own limit is 256 KiB, USB captures reach 64 MiB)."""

PCAP_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1_000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    # Kuznetzov's variant: eight more bytes in each record header.
    b"\x34\xcd\xb2\xa1": ("<", 1_000, 24),
    b"\xa1\xb2\xcd\x34": (">", 1_000, 24),
}
"""First four bytes -> byte order, nanoseconds in one sub-second unit, size of a record header."""

SECTION_HEADER, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
OPTION_TIME_RESOLUTION, OPTION_TIME_OFFSET = 9, 14
LAST_TIME = 2**63 - 1


class CapturedFrame(NamedTuple):
    """One packet of a capture file. `number` is 1-based, as Wireshark counts; `time` in ns since 1970."""

    number: int
    time: int | None
    link_type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Interface:
    """An Interface Description Block: link type, snap length, and ticks per second of its clock."""

    link_type: int
    snap_length: int
    ticks: int
    offset: int

    def time(self, high: int, low: int) -> int | None:
        nanoseconds = ((high << 32) | low) * 1_000_000_000 // self.ticks + self.offset * 1_000_000_000
        return nanoseconds if 0 <= nanoseconds <= LAST_TIME else None


def load(path: str | Path, problems: list[str]) -> bytes | mmap.mmap:
    """The bytes of a file, unpacked when gzipped; `-` is standard input. Raises `CaptureError`."""
    if str(path) == "-":
        return unpack(sys.stdin.buffer.read(), problems)
    try:
        with open(os.fspath(path), "rb") as file:  # a number would be an open file
            try:
                data: bytes | mmap.mmap = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (ValueError, OSError):  # an empty file, a FIFO: nothing to map
                data = file.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise CaptureError(f"can't read {str(path)!r}: {reason}", "check the path") from None
    return unpack(data, problems)


def unpack(data: bytes | mmap.mmap, problems: list[str]) -> bytes | mmap.mmap:
    """`data`, or what could be unpacked of it when it is gzip (one member or several)."""
    if data[:2] != GZIP_MAGIC:
        return data
    parts: list[bytes] = []
    at = size = 0
    try:
        while data[at : at + 2] == GZIP_MAGIC:
            member = zlib.decompressobj(wbits=31)
            while not member.eof and size <= UNPACKED_LIMIT:
                chunk = data[at : at + UNPACK_STEP]
                if not chunk:
                    raise EOFError("it ends too early")
                at += len(chunk)
                parts.append(member.decompress(chunk))
                size += len(parts[-1])
            at -= len(member.unused_data)
            if size > UNPACKED_LIMIT:
                problems.append(f"the gzip data is longer than {UNPACKED_LIMIT >> 30} GiB: the rest was left out")
                break
    except (EOFError, zlib.error) as error:
        problems.append(f"the gzip data is damaged after {size} unpacked bytes ({error}): kept what was before")
    return b"".join(parts)


def is_packet_file(data: bytes | mmap.mmap) -> bool:
    """Whether the first bytes are those of a pcap or pcapng file."""
    return data[:4] in PCAP_MAGICS or data[:4] == SECTION_MAGIC


def read_frames(data: bytes | mmap.mmap, problems: list[str]) -> Iterator[CapturedFrame]:
    """The frames of a pcap or pcapng file in file order; damage ends them and adds a line to `problems`."""
    return read_pcapng(data, problems) if data[:4] == SECTION_MAGIC else read_pcap(data, problems)


def read_pcap(data: bytes | mmap.mmap, problems: list[str]) -> Iterator[CapturedFrame]:
    order, unit, header_size = PCAP_MAGICS[data[:4]]
    if len(data) < 24:
        problems.append("the pcap file ends inside its header")
        return
    link_type = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF  # the upper bits tell about checksums
    unpack_record = struct.Struct(order + "III").unpack_from
    at, end, number = 24, len(data), 0
    while at < end:
        start = at + header_size
        if start > end:
            problems.append(f"the file ends inside the header of frame {number + 1}: kept the {number} before it")
            return
        seconds, fraction, size = unpack_record(data, at)
        at = start + size
        if size > FRAME_LIMIT:
            problems.append(f"frame {number + 1} claims {size} bytes, the file is damaged: kept the {number} before it")
            return
        if at > end:
            problems.append(f"the file ends inside frame {number + 1}: kept the {number} before it")
            return
        number += 1
        yield CapturedFrame(number, seconds * 1_000_000_000 + fraction * unit, link_type, data[start:at])


def read_pcapng(data: bytes | mmap.mmap, problems: list[str]) -> Iterator[CapturedFrame]:
    order = "<"
    interfaces: list[Interface] = []
    at, end, number = 0, len(data), 0
    while at < end:
        if end - at < 12:
            problems.append(f"the file ends inside a block header: kept the {number} frames before it")
            return
        if data[at : at + 4] == SECTION_MAGIC:
            mark = data[at + 8 : at + 12]
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(mark, "")
            if not order:
                problems.append(f"a section has no byte order mark: kept the {number} frames before it")
                return
            interfaces = []
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12 or size % 4 or size > FRAME_LIMIT:
            problems.append(f"a block claims {size} bytes, the file is damaged: kept the {number} frames before it")
            return
        if at + size > end:
            problems.append(f"the file ends inside a block: kept the {number} frames before it")
            return
        body, body_end = at + 8, at + size - 4
        at += size
        if kind in (ENHANCED_PACKET, SIMPLE_PACKET, OLD_PACKET):
            frame = _packet_block(data, kind, order, body, body_end, interfaces, number + 1)
            if frame is None:
                problems.append(f"the block of frame {number + 1} is damaged: kept the {number} before it")
                return
            number += 1
            yield frame
        elif kind == INTERFACE:
            interface = _interface_block(data, order, body, body_end)
            if interface is None:
                problems.append(f"an interface block is damaged: kept the {number} frames before it")
                return
            interfaces.append(interface)


def _packet_block(
    data: bytes | mmap.mmap, kind: int, order: str, body: int, end: int, interfaces: list[Interface], number: int
) -> CapturedFrame | None:
    """One frame, or None when its block contradicts itself."""
    if kind == SIMPLE_PACKET:
        if end - body < 4 or not interfaces:
            return None
        (original,) = struct.unpack_from(order + "I", data, body)
        interface, start = interfaces[0], body + 4
        size = min(original, interface.snap_length or original, end - start)
        return CapturedFrame(number, None, interface.link_type, data[start : start + size])
    if end - body < 20:
        return None
    layout = "IIII" if kind == ENHANCED_PACKET else "HxxIII"
    index, high, low, size = struct.unpack_from(order + layout, data, body)
    start = body + 20
    if index >= len(interfaces) or start + size > end:
        return None
    interface = interfaces[index]
    return CapturedFrame(number, interface.time(high, low), interface.link_type, data[start : start + size])


def _interface_block(data: bytes | mmap.mmap, order: str, body: int, end: int) -> Interface | None:
    if end - body < 8:
        return None
    link_type, snap_length = struct.unpack_from(order + "HxxI", data, body)
    ticks, offset = 1_000_000, 0
    at = body + 8
    while at + 4 <= end:
        code, size = struct.unpack_from(order + "HH", data, at)
        at += 4
        if code == 0 or at + size > end:
            break
        if code == OPTION_TIME_RESOLUTION and size == 1:
            value = data[at]
            ticks = 1 << (value & 0x7F) if value & 0x80 else 10 ** (value & 0x7F)
        elif code == OPTION_TIME_OFFSET and size == 8:
            (offset,) = struct.unpack_from(order + "q", data, at)
        at += size + (-size % 4)
    return Interface(link_type, snap_length, ticks, offset)
