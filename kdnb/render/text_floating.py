"""Text of the x87 and MMX registers (`rF`, `rM 10`): control and status in letters, 80-bit numbers in decimal."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["float80_words", "mmx_lines", "x87_lines"]

_ROUNDING = ("rn", "rd", "ru", "rz")
_PRECISION = ("24", "??", "53", "64")
_EXCEPTIONS = "puozdi"
"""Precision, underflow, overflow, zero divide, denormal, invalid: bits 5 to 0."""
_DIGITS = Context(prec=60, Emax=9999, Emin=-9999)
_BIAS = 16383
_INTEGER_BIT = 1 << 63


def x87_lines(values: Mapping[str, int]) -> Iterator[str]:
    """Control, status and tag word, where the last instruction was, then the stack of numbers."""
    if "fpcw" not in values:
        return
    control, status = values["fpcw"] & 0xFFFF, values["fpsw"] & 0xFFFF
    # A mask bit that is set holds an exception back: WinDbg shows small letters for those.
    masks = "".join(
        letter if control >> bit & 1 else letter.upper()
        for letter, bit in zip(_EXCEPTIONS, range(5, -1, -1), strict=True)
    )
    raised = "".join(
        letter if status >> bit & 1 else "-" for letter, bit in zip(f"es{_EXCEPTIONS}", range(7, -1, -1), strict=True)
    )
    conditions = f"{status >> 14 & 1}{status >> 10 & 1}{status >> 9 & 1}{status >> 8 & 1}"
    yield (
        f"fpcw={control:04X}: {_ROUNDING[control >> 10 & 3]} {_PRECISION[control >> 8 & 3]} {masks}  "
        f"fpsw={status:04X}: top={status >> 11 & 7:x} cc={conditions} {raised}  fptw={values['fptw'] & 0xFFFF:04X}"
    )
    yield f"mxcsr={values.get('mxcsr', 0):08x}"
    names = [name for name in (f"st{number}" for number in range(8)) if name in values]
    for at in range(0, len(names), 2):
        yield "  ".join(f"{name}={float80_words(values[name])}" for name in names[at : at + 2])


def mmx_lines(values: Mapping[str, int]) -> Iterator[str]:
    """mm0 to mm7: the low 64 bits of the x87 registers, which the stack's top counts from."""
    if "st0" not in values:
        return
    top = values["fpsw"] >> 11 & 7
    numbers = [values[f"st{(number - top) % 8}"] & (1 << 64) - 1 for number in range(8)]
    for at in range(0, 8, 2):
        yield "  ".join(f"mm{number}={numbers[number]:016x}" for number in (at, at + 1))


def float80_words(number: int) -> str:
    """An 80-bit number with 22 digits, ` 1.000000000000000000000e+0000`."""
    number &= (1 << 80) - 1
    sign = "-" if number >> 79 else " "
    exponent, mantissa = number >> 64 & 0x7FFF, number & (1 << 64) - 1
    if exponent == 0x7FFF:
        return f"{sign}1.#INF" if mantissa == _INTEGER_BIT else f"{sign}1.#{'QNAN' if mantissa >> 62 & 1 else 'SNAN'}"
    if not mantissa:
        return f"{sign}{0:.21f}e+0000"
    power = Decimal(2)
    size = _DIGITS.multiply(Decimal(mantissa), _DIGITS.power(power, Decimal(max(exponent, 1) - _BIAS - 63)))
    digits, _, scale = f"{size:.21e}".partition("e")
    return f"{sign}{digits}e{int(scale):+05d}"
