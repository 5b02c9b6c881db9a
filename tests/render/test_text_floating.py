"""x87 and MMX registers as text."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.render.text_floating import float80_words, mmx_lines, x87_lines

REGISTERS = {"fpcw": 0x27F, "fpsw": 0, "fptw": 0, "mxcsr": 0x1F80} | {f"st{number}": number for number in range(8)}


def extended(number: float) -> int:
    """The 80-bit form of a double that is normal or 0."""
    bits = struct.unpack("<Q", struct.pack("<d", number))[0]
    sign, exponent, fraction = bits >> 63, bits >> 52 & 0x7FF, bits & (1 << 52) - 1
    if not exponent:
        return sign << 79
    return sign << 79 | (exponent - 1023 + 16383) << 64 | 1 << 63 | fraction << 11


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, " 0.000000000000000000000e+0000"),
        (1 << 79, "-0.000000000000000000000e+0000"),
        (0x3FFF8000000000000000, " 1.000000000000000000000e+0000"),
        (0xC000C000000000000000, "-3.000000000000000000000e+0000"),
        (0x4000C90FDAA22168C235, " 3.141592653589793238513e+0000"),
        (0x3FFB8000000000000000, " 6.250000000000000000000e-0002"),
        (0x7FFF8000000000000000, " 1.#INF"),
        (0xFFFFC000000000000000, "-1.#QNAN"),
        (0x7FFF8000000000000001, " 1.#SNAN"),
        (0x7FFEFFFFFFFFFFFFFFFF, " 1.189731495357231765021e+4932"),
        (1, " 3.645199531882474602528e-4951"),
    ],
)
def test_80_bit_numbers(number: int, words: str) -> None:
    assert float80_words(number) == words


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_doubles_read_back_as_they_were(number: float) -> None:
    assert float(float80_words(extended(number))) == number


def test_control_and_status_are_told_in_letters() -> None:
    first, second, *numbers = x87_lines(REGISTERS)
    assert first == "fpcw=027F: rn 53 puozdi  fpsw=0000: top=0 cc=0000 --------  fptw=0000"
    assert second == "mxcsr=00001f80"
    assert len(numbers) == 4
    odd = next(x87_lines(REGISTERS | {"fpcw": 0xF5E, "fpsw": 0x7B85}))
    assert odd == "fpcw=0F5E: rz 64 PuozdI  fpsw=7B85: top=7 cc=1011 e----z-i  fptw=0000"


def test_mmx_registers_count_from_the_stacks_top() -> None:
    assert next(mmx_lines(REGISTERS)) == "mm0=0000000000000000  mm1=0000000000000001"
    turned = next(mmx_lines(REGISTERS | {"fpsw": 7 << 11}))
    assert turned == "mm0=0000000000000001  mm1=0000000000000002"


def test_machines_without_an_x87_unit_show_nothing() -> None:
    assert list(x87_lines({"x0": 1})) == list(mmx_lines({"x0": 1})) == []
