"""Segments: descriptors of the GDT, and where the segment that a register or selector names begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import ExpressionError, UnsupportedError
from kdnb.results.descriptors import Descriptor

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["read_descriptor", "segment_base"]

_LONG_MODE_BASES = {"fs": "msr_fs_base", "gs": "msr_gs_base"}


def read_descriptor(session: Session, selector: int) -> Descriptor:
    """The GDT's descriptor of a selector. Raises `MemoryReadError`."""
    table = session.registers.get("gdtr")
    data = session.memory.read(table + selector, 8)
    base = int.from_bytes(data[2:5], "little") | data[7] << 24
    limit = int.from_bytes(data[:2], "little") | (data[6] & 0xF) << 16
    access, flags = data[5], data[6] >> 4
    if flags & 8:
        limit = limit << 12 | 0xFFF
    if session.pointer_size == 8 and not access & 0x10 and access & 0xF:
        base |= session.memory.read_u32(table + selector + 8) << 32
    return Descriptor(selector, base, limit, access, flags)


def segment_base(session: Session, selector: int | str) -> int:
    """Base address of the segment that a register (`gs`) or a selector (`0x30`) names.

    In long mode all bases are 0 but those of fs and gs, which special registers hold.
    """
    if not session.registers.has("gdtr"):
        raise UnsupportedError("this machine has no segments", "give the address without a segment")
    if session.pointer_size == 8 and isinstance(selector, str):
        name = _LONG_MODE_BASES.get(selector)
        return session.registers.get(name) if name is not None else 0
    number = session.scope.get(selector) if isinstance(selector, str) else selector
    if not 0 < number <= session.registers.get("gdtl") or number & 4:
        raise ExpressionError(f"{number:x} is no selector of the GDT", "dg 0 ff shows them")
    return read_descriptor(session, number & ~7).base
