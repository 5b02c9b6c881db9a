"""The tree of ranges (MMVAD) that a process's address space is made of.

Where a range's fields and flags lie changed with most builds, so all comes from the kernel's types. Since Windows 8 the
links are in a node of their own (VadNode), before it in the struct itself; addresses are page numbers, whose high
bytes stand apart since Windows 8.1 (public PDBs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.objects import Objects
from kdnb.errors import KdnbError, MemoryReadError, UnsupportedError
from kdnb.results.vads import VadInfo, VadList

if TYPE_CHECKING:
    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = ["list_vads", "vad_root"]

PAGE_SHIFT = 12
VAD_LIMIT = 65_536
LEVEL_LIMIT = 1024
FAST_REFERENCES = {8: 15, 4: 7}
"""Low bits of an EX_FAST_REF, which count references."""
_ROOTS = ("VadRoot.Root", "VadRoot.BalancedRoot.RightChild")
_LEFT = ("VadNode.Left", "VadNode.LeftChild", "LeftChild")
_RIGHT = ("VadNode.Right", "VadNode.RightChild", "RightChild")
_FLAGS = "u.VadFlags."
_PATHS = (
    *_LEFT, *_RIGHT, "StartingVpn", "EndingVpn", "StartingVpnHigh", "EndingVpnHigh", "CommitChargeHigh",
    f"{_FLAGS}VadType", f"{_FLAGS}Protection", f"{_FLAGS}PrivateMemory", f"{_FLAGS}CommitCharge",
    "u1.VadFlags1.CommitCharge",
)  # fmt: skip


def vad_root(session: Session, process: int) -> int:
    """Address of the root of a process's tree; 0 where the process has no ranges."""
    layout = session.processes.records.layout("_EPROCESS", _ROOTS)
    if not any(path in layout.fields for path in _ROOTS):
        layout.offset(_ROOTS[0])  # says what is missing
    return session.processes.records.read("_EPROCESS", process, _ROOTS).number(*_ROOTS)


def list_vads(session: Session, root: int) -> VadList:
    """The ranges of the tree at `root`, in order; `UnsupportedError` without the kernel's types."""
    records = session.processes.records
    layout = records.layout("_MMVAD_SHORT", _PATHS)
    if layout.types is None or "StartingVpn" not in layout.fields:
        raise UnsupportedError("the layout of MMVAD changes with each build", "give the kernel's PDB with .sympath")
    found: list[VadInfo] = []
    seen: set[int] = set()
    above: list[tuple[Record, int]] = []
    at, level, note = root, 0, ""
    while (at or above) and not note:
        session.require_stopped()  # sees a cancel
        if at:
            if at in seen or len(seen) >= VAD_LIMIT or level >= LEVEL_LIMIT:
                note = (
                    f"the tree is damaged: it comes back to {at:x}" if at in seen else f"cut after {len(seen)} ranges"
                )
                break
            seen.add(at)
            try:
                record = records.read("_MMVAD_SHORT", at, _PATHS)
            except MemoryReadError as error:
                note = f"the tree ends early: {error.message}"
                break
            above.append((record, level))
            at, level = record.number(*_LEFT), level + 1
        else:
            record, level = above.pop()
            found.append(_describe(session, record, level))
            at, level = record.number(*_RIGHT), level + 1
    if note:  # what was on the way down is known all the same
        found.extend(_describe(session, record, level) for record, level in reversed(above))
    return VadList(root, tuple(found), session.pointer_size, note)


def _describe(session: Session, record: Record, level: int) -> VadInfo:
    start = record.number("StartingVpnHigh") << 32 | record.number("StartingVpn")
    end = record.number("EndingVpnHigh") << 32 | record.number("EndingVpn")
    commit = record.bits("u1.VadFlags1.CommitCharge", 0, 31) or record.bits(f"{_FLAGS}CommitCharge", 0, 19)
    private = bool(record.bits(f"{_FLAGS}PrivateMemory", 20, 1))
    return VadInfo(
        address=record.address,
        level=level,
        start=start << PAGE_SHIFT,
        end=(end << PAGE_SHIFT) + (1 << PAGE_SHIFT) - 1,
        commit=record.number("CommitChargeHigh") << 31 | commit,
        is_private=private,
        type=record.bits(f"{_FLAGS}VadType", 4, 3),
        protection=record.bits(f"{_FLAGS}Protection", 7, 5),
        name="" if private else _mapped_file(session, record.address),
    )


def _mapped_file(session: Session, address: int) -> str:
    """Path of the file behind a mapped range; empty where it has none, or it can't be read."""
    records = session.processes.records
    try:
        section = records.read("_MMVAD", address, ["Subsection"]).number("Subsection")
        area = records.read("_SUBSECTION", section, ["ControlArea"]).number("ControlArea") if section else 0
        file = records.read("_CONTROL_AREA", area, ["FilePointer"]).number("FilePointer") if area else 0
        return Objects(session).file_name(file & ~FAST_REFERENCES[session.pointer_size]) if file else ""
    except KdnbError:
        session.require_stopped()  # a cancel ends the command
        return ""
