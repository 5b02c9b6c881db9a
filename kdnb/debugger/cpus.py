"""What the kernel noted of its processors in KPRCB when they started.

The block is far too long to be read whole, so each field is read by itself: by the kernel's types, or by the offsets
that KDBG gives. CpuStep stands two bytes behind CpuType in every build (public PDBs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.loader_list import clean
from kdnb.errors import UnsupportedError
from kdnb.results.hardware import CpuInfo
from kdnb.symbols.types import StructType

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["cpu_info"]

STEP_BEHIND_TYPE = 2
VENDOR_SIZE = 13
_IN_BLOCK = {
    "CpuType": "offset_prcb_cpu_type", "MHz": "offset_prcb_mhz", "VendorString": "offset_prcb_vendor_string",
}  # fmt: skip


def cpu_info(session: Session, number: int) -> CpuInfo:
    """One processor; `UnsupportedError` where neither types nor KDBG say where to look."""
    prcb = session.processes.prcb(number)

    def field(name: str, size: int) -> bytes:
        offset = _offset(session, name)
        return session.memory.read(prcb + offset, size) if offset is not None else b""

    def integer(name: str, size: int) -> int | None:
        data = field(name, size)
        return int.from_bytes(data, "little") if data else None

    offset = _offset(session, "CpuType")
    if offset is None:
        raise UnsupportedError("where KPRCB.CpuType lies in this build is not known", "give its PDBs with .sympath")
    step = session.memory.read_u16(prcb + offset + STEP_BEHIND_TYPE)
    return CpuInfo(
        number=number,
        family=session.memory.read_u8(prcb + offset),
        model=step >> 8,
        stepping=step & 0xFF,
        manufacturer=clean(field("VendorString", VENDOR_SIZE).split(b"\0", 1)[0].decode("latin-1")),
        mhz=integer("MHz", 4) or 0,
        update_signature=integer("UpdateSignature", 8),
        features=integer("FeatureBits", 4),
    )


def _offset(session: Session, name: str) -> int | None:
    kernel = session.modules.kernel
    types = kernel.types if kernel is not None else None
    prcb = types.lookup("_KPRCB") if types is not None else None
    found = prcb.field(name) if isinstance(prcb, StructType) else None
    if found is not None:
        return found.offset
    block = session.debugger_data
    return block.get(_IN_BLOCK[name]) if block is not None and name in _IN_BLOCK else None
