"""Cabinets, made here by the published layout; where cabextract is there, it has to read them the same."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import SymbolFileError
from kdnb.symbols.cabinet import expand
from tests.symbols.lzx_writer import compress
from tests.symbols.test_lzx import sample

if TYPE_CHECKING:
    from pathlib import Path

LZX = 0x1203
"""LZX with a window of 18 bits."""


def checksum(data: bytes, seed: int) -> int:
    """The published one, byte by byte."""
    for at in range(0, len(data) - 3, 4):
        seed ^= int.from_bytes(data[at : at + 4], "little")
    for at, byte in enumerate(reversed(data[len(data) & ~3 :])):
        seed ^= byte << 8 * at
    return seed


def data_block(packed: bytes, size: int) -> bytes:
    sizes = struct.pack("<HH", len(packed), size)
    return struct.pack("<I", checksum(sizes, checksum(packed, 0))) + sizes + packed


def cabinet(data: bytes, *, method: int = 1, reserve: bytes = b"") -> bytes:
    """A cabinet with one file `program.pdb`."""
    blocks = []
    last = b""
    frames = compress(data, method >> 8, translation=len(data)) if method == LZX else []
    for at in range(0, len(data), 0x8000):
        piece = data[at : at + 0x8000]
        if method == LZX:
            blocks.append(data_block(frames[at // 0x8000], len(piece)))
            continue
        packer = (
            zlib.compressobj(9, zlib.DEFLATED, -15, zdict=last) if last else zlib.compressobj(9, zlib.DEFLATED, -15)
        )
        packed = b"CK" + packer.compress(piece) + packer.flush() if method == 1 else piece
        blocks.append(data_block(packed, len(piece)))
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


@pytest.mark.parametrize("method", [0, 1, LZX])
@pytest.mark.parametrize("reserve", [b"", b"signature"])
def test_a_file_comes_back_as_it_was(method: int, reserve: bytes) -> None:
    data = bytes(range(256)) * 300 + b"the end"
    assert expand(cabinet(data, method=method, reserve=reserve), "x") == data


def test_other_files_pass_untouched() -> None:
    assert expand(b"Microsoft C/C++ MSF 7.00", "x") == b"Microsoft C/C++ MSF 7.00"


@pytest.mark.external("cabextract")
@pytest.mark.parametrize("method", [0, 1, LZX])
def test_cabextract_reads_the_same(method: int, tmp_path: Path) -> None:
    data = sample(150_003)
    packed = cabinet(data, method=method)
    (tmp_path / "program.pd_").write_bytes(packed)
    done = subprocess.run(
        ["cabextract", "-q", "-d", str(tmp_path), str(tmp_path / "program.pd_")], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "program.pdb").read_bytes() == expand(packed, "x") == data


def test_methods_that_are_not_read_are_named() -> None:
    with pytest.raises(SymbolFileError, match="x: compressed with Quantum"):
        expand(cabinet(b"a" * 100, method=0x1222), "x")


@pytest.mark.parametrize("method", [0, 1, LZX])
def test_a_flipped_bit_is_seen_by_the_checksum(method: int) -> None:
    packed = bytearray(cabinet(b"some bytes " * 400, method=method))
    packed[-3] ^= 0x10
    with pytest.raises(SymbolFileError, match="damaged"):
        expand(bytes(packed), "x")


@pytest.mark.parametrize("method", [1, LZX])
def test_unpacking_can_be_given_up_between_two_blocks(method: int) -> None:
    class Enough(Exception):
        pass

    asked = 0

    def between() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise Enough

    with pytest.raises(Enough):
        expand(cabinet(sample(100_000), method=method), "x", between)


def test_a_size_beyond_the_limit_is_refused_at_once() -> None:
    packed = bytearray(cabinet(b"a" * 100))
    packed[44:48] = b"\xff\xff\xff\x7f"
    with pytest.raises(SymbolFileError, match="would unpack to 2147483647 bytes"):
        expand(bytes(packed), "x")


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
