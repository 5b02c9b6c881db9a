"""What a processor's block (KPRCB) says: what the kernel noted at its start, what runs on it, what it counted.

The block is far too long to be read whole, so each field is read by itself: by the kernel's types, or by the offsets
that KDBG gives. CpuStep stands two bytes behind CpuType in every build (public PDBs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.loader_list import clean
from kdnb.errors import UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.results.hardware import ControlBlock, CpuInfo
from kdnb.symbols.types import StructType

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["control_block", "cpu_info", "interrupt_level"]

STEP_BEHIND_TYPE = 2
VENDOR_SIZE = 13
_IN_BLOCK = {
    "CpuType": "offset_prcb_cpu_type", "MHz": "offset_prcb_mhz", "VendorString": "offset_prcb_vendor_string",
    "CurrentThread": "offset_prcb_current_thread", "IdleThread": "offset_prcb_idle_thread",
}  # fmt: skip
_KPCR_IRQL = 0x24
"""KPCR.Irql of x86, the same in every build."""


def cpu_info(session: Session, number: int) -> CpuInfo:
    """One processor; `UnsupportedError` where neither types nor KDBG say where to look."""
    prcb = session.processes.prcb(number)

    def field(name: str, size: int = 0) -> bytes:
        place = _place(session, name)
        return session.memory.read(prcb + place[0], size or place[1]) if place is not None else b""

    def integer(name: str, size: int = 0) -> int | None:
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
        update_signature=integer("UpdateSignature"),
        features=integer("FeatureBits"),
    )


def control_block(session: Session, number: int) -> ControlBlock:
    """What `!prcb` shows of one processor. NextThread lies between the other two in every build (public PDBs)."""
    prcb = session.processes.prcb(number)
    missing: list[str] = []

    def field(name: str, size: int = 0) -> int | None:
        place = _place(session, name)
        data = session.memory.read_available(prcb + place[0], size or place[1]) if place is not None else b""
        if not data:
            missing.append(name)
            return None
        return int.from_bytes(data, "little")

    size = session.pointer_size
    current = _place(session, "CurrentThread")
    threads = session.memory.read_available(prcb + current[0], 2 * size) if current is not None else b""
    return ControlBlock(
        number=number,
        address=prcb,
        level=interrupt_level(session, number),
        current_thread=field("CurrentThread", size),
        next_thread=int.from_bytes(threads[size:], "little") if len(threads) == 2 * size else None,
        idle_thread=field("IdleThread", size),
        group=field("Group"),
        group_index=field("GroupIndex"),
        group_set_member=field("GroupSetMember"),
        interrupt_count=field("InterruptCount"),
        dpc_time=field("DpcTime"),
        interrupt_time=field("InterruptTime"),
        kernel_time=field("KernelTime"),
        user_time=field("UserTime"),
        missing=tuple(missing),
        address_size=size,
    )


def interrupt_level(session: Session, number: int) -> int | None:
    """IRQL at which a processor was stopped; None where that isn't known.

    The kernel saves it before it raises the level for the debugger (KPRCB.DebuggerSavedIRQL); where there is no such
    field, it is KPCR.Irql of x86 and CR8 of x64.
    """
    saved = _place(session, "DebuggerSavedIRQL")
    if saved is not None:
        return session.memory.read_u8(session.processes.prcb(number) + saved[0])
    if session.machine == MachineType.I386:
        return session.memory.read_u8(session.processes.pcr(number) + _KPCR_IRQL)
    return session.registers.values(number, special=True).get("cr8")


def _offset(session: Session, name: str) -> int | None:
    place = _place(session, name)
    return place[0] if place is not None else None


def _place(session: Session, name: str) -> tuple[int, int] | None:
    """Offset and size of a field, by the types or by KDBG, which tells pointers and what has a known size."""
    kernel = session.modules.kernel
    types = kernel.types if kernel is not None else None
    prcb = types.lookup("_KPRCB") if types is not None else None
    found = prcb.field(name) if isinstance(prcb, StructType) else None
    if found is not None:
        return found.offset, min(found.type.size, 8)
    block = session.debugger_data
    offset = block.get(_IN_BLOCK[name]) if block is not None and name in _IN_BLOCK else None
    return (offset, session.pointer_size) if offset is not None else None
