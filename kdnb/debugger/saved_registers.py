"""Registers that the target's kernel saved in memory: KTRAP_FRAME and CONTEXT records.

KTRAP_FRAME differs between builds: its PDB is asked first, then the layouts that all public headers agree on. CONTEXT
is part of the binary interface and never changes (the protocol reference 5.1 to 5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.register_names import HIDDEN, HIDDEN_PREFIXES
from kdnb.errors import UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.protocol.context.registers import context_type, register_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kdnb.debugger.session import Session

__all__ = ["read_context", "read_trap_frame"]

# Register: (field, offset, size). The offsets stand for kernels without types.
_X64 = {
    "rax": ("Rax", 0x30, 8), "rcx": ("Rcx", 0x38, 8), "rdx": ("Rdx", 0x40, 8), "r8": ("R8", 0x48, 8),
    "r9": ("R9", 0x50, 8), "r10": ("R10", 0x58, 8), "r11": ("R11", 0x60, 8), "rbx": ("Rbx", 0x140, 8),
    "rdi": ("Rdi", 0x148, 8), "rsi": ("Rsi", 0x150, 8), "rbp": ("Rbp", 0x158, 8), "rip": ("Rip", 0x168, 8),
    "cs": ("SegCs", 0x170, 2), "efl": ("EFlags", 0x178, 4), "rsp": ("Rsp", 0x180, 8), "ss": ("SegSs", 0x188, 2),
}  # fmt: skip
_X86 = {
    "gs": ("SegGs", 0x30, 2), "es": ("SegEs", 0x34, 2), "ds": ("SegDs", 0x38, 2), "edx": ("Edx", 0x3C, 4),
    "ecx": ("Ecx", 0x40, 4), "eax": ("Eax", 0x44, 4), "fs": ("SegFs", 0x50, 2), "edi": ("Edi", 0x54, 4),
    "esi": ("Esi", 0x58, 4), "ebx": ("Ebx", 0x5C, 4), "ebp": ("Ebp", 0x60, 4), "eip": ("Eip", 0x68, 4),
    "cs": ("SegCs", 0x6C, 2), "efl": ("EFlags", 0x70, 4), "esp": ("HardwareEsp", 0x74, 4),
    "ss": ("HardwareSegSs", 0x78, 2),
}  # fmt: skip
_LAYOUTS: dict[MachineType, tuple[int, Mapping[str, tuple[str, int, int]]]] = {
    MachineType.AMD64: (0x190, _X64),
    MachineType.I386: (0x8C, _X86),
}
_NOT_SAVED = ("r12", "r13", "r14", "r15")
_MAX_FRAME = 0x1000
_V86_FLAG = 0x20000


def read_trap_frame(session: Session, address: int) -> dict[str, int]:
    """The interrupted code's registers in the KTRAP_FRAME at `address`; what a frame doesn't hold is 0.

    Raises `MemoryReadError`, and `UnsupportedError` for machines whose frames are not known here.
    """
    layout = _LAYOUTS.get(session.machine)
    if layout is None:
        raise UnsupportedError(f"trap frames of {session.machine.name} are not known", "x64 and x86 are")
    size, known = layout
    places = dict(_places(session, known))
    data = session.memory.read(address, min(max(size, *(at + width for at, width in places.values())), _MAX_FRAME))
    values = {name: int.from_bytes(data[at : at + width], "little") for name, (at, width) in places.items()}
    if session.machine == MachineType.AMD64:
        return values | dict.fromkeys(_NOT_SAVED, 0)
    if not values["cs"] & 1 and not values["efl"] & _V86_FLAG:
        # The processor pushes SS and ESP only on a change of privilege: the interrupted stack begins in their place.
        values["esp"], values["ss"] = address + places["esp"][0], session.registers.get("ss")
    return values


def _places(session: Session, known: Mapping[str, tuple[str, int, int]]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Register -> (offset, size), by the kernel's types where it has them."""
    kernel = session.modules.kernel
    types = kernel.types if kernel is not None else None
    record = types.lookup("_KTRAP_FRAME") if types is not None else None
    fields = {entry.name: entry for entry in getattr(record, "fields", ())}
    for register, (name, offset, size) in known.items():
        entry = fields.get(name)
        yield register, (entry.offset if entry is not None and entry.offset < _MAX_FRAME - size else offset, size)


def read_context(session: Session, address: int) -> dict[str, int]:
    """The registers of the CONTEXT at `address`. Raises `MemoryReadError`."""
    form = context_type(session.machine)
    if form is None:
        raise UnsupportedError(f"registers of {session.machine.name} are not known", "x64 and x86 are")
    values = register_values(form.decode(session.memory.read(address, form.SIZE)))
    return {n: v for n, v in values.items() if n not in HIDDEN and not n.startswith((*HIDDEN_PREFIXES, "dr"))}
