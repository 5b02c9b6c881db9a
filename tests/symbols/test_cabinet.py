"""Cabinets, made here by the published layout: no tool for them runs on every system."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import SymbolFileError
from kdnb.symbols.cabinet import expand


def cabinet(data: bytes, *, method: int = 1, reserve: bytes = b"") -> bytes:
    """A cabinet with one file `program.pdb`."""
    blocks = []
    last = b""
    for at in range(0, len(data), 0x8000):
        piece = data[at : at + 0x8000]
        packer = (
            zlib.compressobj(9, zlib.DEFLATED, -15, zdict=last) if last else zlib.compressobj(9, zlib.DEFLATED, -15)
        )
        packed = b"CK" + packer.compress(piece) + packer.flush() if method == 1 else piece
        blocks.append(struct.pack("<IHH", 0, len(packed), len(piece)) + packed)
        last = piece
    reserved = struct.pack("<HBB", len(reserve), 0, 0) + reserve if reserve else b""
    name = struct.pack("<IIHHHH", len(data), 0, 0, 0, 0, 0) + b"program.pdb\0"
    files_at = 36 + len(reserved) + 8
    start = files_at + len(name)
    body = b"".join(blocks)
    head = struct.pack(
        "<4sIIIIIBBHHHHH", b"MSCF", 0, start + len(body), 0, files_at, 0, 3, 1, 1, 1, 4 if reserve else 0, 0, 0
    )
    return head + reserved + struct.pack("<IHH", start, len(blocks), method) + name + body


@pytest.mark.parametrize("method", [0, 1])
@pytest.mark.parametrize("reserve", [b"", b"signature"])
def test_a_file_comes_back_as_it_was(method: int, reserve: bytes) -> None:
    data = bytes(range(256)) * 300 + b"the end"
    assert expand(cabinet(data, method=method, reserve=reserve), "x") == data


def test_other_files_pass_untouched() -> None:
    assert expand(b"Microsoft C/C++ MSF 7.00", "x") == b"Microsoft C/C++ MSF 7.00"


def test_methods_that_are_not_read_are_named() -> None:
    with pytest.raises(SymbolFileError, match="x: compressed with LZX"):
        expand(cabinet(b"a" * 100, method=0x1503), "x")


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damage_is_one_error(at: int, junk: bytes) -> None:
    whole = cabinet(b"some bytes " * 40)
    damaged = whole[:at] + junk + whole[at + len(junk) :]
    with contextlib.suppress(SymbolFileError):
        expand(damaged, "x")


@given(st.integers(5, 110))
def test_a_cut_is_one_error(size: int) -> None:
    with pytest.raises(SymbolFileError):
        expand(cabinet(b"some bytes " * 400)[:size], "x")
