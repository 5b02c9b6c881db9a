"""LZX streams of every kind, from the writer beside this; that cabextract reads the same is in `test_cabinet`."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import SymbolFileError
from kdnb.symbols.lzx import FRAME, decompress
from tests.symbols.lzx_writer import compress


def sample(size: int) -> bytes:
    """Bytes with matches near and far, and with call instructions."""
    chance = random.Random(size)
    words = [chance.randbytes(chance.randrange(2, 40)) for _ in range(150)]
    words += [b"\xe8" + chance.randrange(-5000, 1 << 18).to_bytes(4, "little", signed=True) for _ in range(50)]
    words.append(b"a" * 300)
    return b"".join(chance.choices(words, k=size // 10))[:size].ljust(size, b"\0")


def unpack(frames: list[bytes], size: int, window_bits: int) -> bytes:
    return b"".join(decompress(b"".join(frames), size, window_bits))


@pytest.mark.parametrize("kinds", [(1,), (2,), (3,), (1, 2, 3)], ids=["verbatim", "aligned", "uncompressed", "mixed"])
@pytest.mark.parametrize("translation", [0, 200_000], ids=["plain", "calls"])
@pytest.mark.parametrize("size", [1, 11, 20011, FRAME, FRAME + 1, 150_001])
def test_what_was_packed_comes_back(size: int, translation: int, kinds: tuple[int, ...]) -> None:
    data = sample(size)
    assert unpack(compress(data, 16, kinds=kinds, translation=translation), size, 16) == data


@pytest.mark.parametrize("window_bits", range(15, 22))
def test_all_windows_are_known(window_bits: int) -> None:
    data = sample(90_000)
    assert unpack(compress(data, window_bits), len(data), window_bits) == data


def test_a_window_slides_over_long_streams() -> None:
    data = sample(7 * FRAME) * 2
    assert unpack(compress(data, 15, block=50_000), len(data), 15) == data


def test_frames_come_one_at_a_time() -> None:
    data = sample(2 * FRAME + 5)
    assert [len(frame) for frame in decompress(b"".join(compress(data, 15)), len(data), 15)] == [FRAME, FRAME, 5]


@pytest.mark.parametrize("window_bits", [0, 14, 22])
def test_a_window_that_no_cabinet_has_is_refused(window_bits: int) -> None:
    with pytest.raises(SymbolFileError, match="damaged"):
        decompress(b"", 1, window_bits)


@pytest.mark.parametrize("kinds", [(1,), (3,)])
@given(share=st.floats(0, 0.95))
def test_a_cut_is_one_error(kinds: tuple[int, ...], share: float) -> None:
    data = sample(5000)
    packed = b"".join(compress(data, 15, kinds=kinds))
    with pytest.raises(SymbolFileError):
        unpack([packed[: int(len(packed) * share)]], len(data), 15)


@given(st.integers(0, 9000), st.binary(min_size=1, max_size=8))
def test_damage_is_one_error_or_other_bytes_of_the_same_size(at: int, junk: bytes) -> None:
    data = sample(8000)
    packed = b"".join(compress(data, 15, block=3001))
    with contextlib.suppress(SymbolFileError):
        assert len(unpack([packed[:at] + junk + packed[at + len(junk) :]], len(data), 15)) == len(data)


@given(st.binary(max_size=200), st.integers(15, 21))
def test_any_bytes_are_one_error_or_data(junk: bytes, window_bits: int) -> None:
    with contextlib.suppress(SymbolFileError):
        unpack([junk], 3000, window_bits)
