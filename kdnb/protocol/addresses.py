"""How an address is written: WinDbg's grave accent on 64-bit targets, plain digits on 32-bit ones."""

from __future__ import annotations

__all__ = ["format_address"]


def format_address(address: int, size: int = 8) -> str:
    """`fffff803`59a00000` for `size` 8, `80500000` for 4 (sign-extended addresses are cut to 32 bits)."""
    if size == 4:
        return f"{address & 0xFFFFFFFF:08x}"
    address &= 0xFFFFFFFFFFFFFFFF
    return f"{address >> 32:08x}`{address & 0xFFFFFFFF:08x}"
