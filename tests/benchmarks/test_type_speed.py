"""How long does a 10 MB type stream take to open, and a type to be found in it? Measured against a plain loop over as
many records of the same process and moment, since machines differ and are shared. Figures are printed (`pytest -s`)."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from kdnb.symbols.types import StructType, TypeTable

if TYPE_CHECKING:
    from collections.abc import Callable

STRUCTS = 28_000
MEMBERS = 12
OPENING = 300
"""Turns of the plain loop that one record may cost when names are gathered (seen: 30 to 40)."""
LOOKUP = 3000
"""Turns that finding one struct and its fields may cost (seen: 150 to 400)."""


def record(kind: int, body: bytes) -> bytes:
    body += b"\xf3\xf2\xf1"[: -len(body) % 4]
    return struct.pack("<HH", len(body) + 2, kind) + body


def stream() -> bytes:
    """A field list and a struct in turn, as MSVC writes them."""
    parts = []
    for number in range(STRUCTS):
        fields = b"".join(
            struct.pack("<HHIH", 0x150D, 3, 0x75, 8 * at) + f"MemberNumber{at:02d}\0\xf1".encode("latin-1")
            for at in range(MEMBERS)
        )
        name = f"_STRUCT_{number}\0.?AU_STRUCT_{number}@@\0".encode()
        head = struct.pack("<HHIIIH", MEMBERS, 0x200, 0x1000 + 2 * number, 0, 0, 8 * MEMBERS)
        parts += [record(0x1203, fields), record(0x1505, head + name)]
    body = b"".join(parts)
    return struct.pack("<5I36x", 20040203, 56, 0x1000, 0x1000 + 2 * STRUCTS, len(body)) + body


def best(run: Callable[[], object], rounds: int = 3) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def plain_loop(data: bytes) -> int:
    total = 0
    for at in range(0, 2 * STRUCTS * 8, 8):
        total += int.from_bytes(data[at : at + 2], "little")
    return total


def test_ten_megabytes_open_quickly_and_a_lookup_is_quick() -> None:
    data = stream()
    assert len(data) > 10e6
    turn = best(lambda: plain_loop(data)) / (2 * STRUCTS)
    opening = best(lambda: TypeTable(data).lookup("_STRUCT_1"))
    types = TypeTable(data)
    types.lookup("_STRUCT_0")
    wanted = iter(range(1, STRUCTS))

    def find() -> None:
        for _ in range(100):
            found = types.lookup(f"_struct_{next(wanted)}")
            assert isinstance(found, StructType)
            assert len(found.fields) == MEMBERS

    lookup = best(find) / 100
    print(f"\n{len(data) / 1e6:.1f} MB: opened in {opening:.2f} s, a struct with its fields in {lookup * 1e3:.3f} ms")
    assert opening / (2 * STRUCTS) / turn < OPENING
    assert lookup / turn < LOOKUP
