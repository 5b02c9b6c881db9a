"""The kernel's structures by field: where each field lies, and whole structs read in one go.

Offsets come from the kernel's PDB; where it has no types, from the KDBG block (the protocol reference 6.2); and what
neither gives, from the builds whose layouts are known. A field that none knows is None: builds differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.kernel_layouts import field_names, known_fields, known_size
from kdnb.debugger.loader_list import clean
from kdnb.errors import UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.types import BitField, StructType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kdnb.debugger.session import Session
    from kdnb.symbols.types import FieldType, TypeTable

__all__ = ["Layout", "Record", "Records"]

MAX_RECORD = 0x4000
"""No kernel struct that is read here is longer; a PDB may claim anything."""
MAX_OFFSET = 0x10_0000
"""Where a struct within another may begin: the page counts of Windows 11 lie 4280 bytes (hex) inside MI_PARTITION."""
MAX_TEXT = 2048
"""Bytes of a name."""

# What KDBG tells: field -> (name in the block, bytes; 0 for a pointer).
_KDBG: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "_EPROCESS": {
        "Peb": ("offset_eprocess_peb", 0),
        "InheritedFromUniqueProcessId": ("offset_eprocess_parent_cid", 0),
        "Pcb.DirectoryTableBase": ("offset_eprocess_directory_table_base", 0),
    },
    "_ETHREAD": {
        "Tcb.Teb": ("offset_kthread_teb", 0),
        "Tcb.KernelStack": ("offset_kthread_kernel_stack", 0),
        "Tcb.InitialStack": ("offset_kthread_initial_stack", 0),
        "Tcb.StackLimit": ("offset_kthread_stack_limit", 0),
        "Tcb.StackBase": ("offset_kthread_stack_base", 0),
        "Tcb.ApcState.Process": ("offset_kthread_apc_process", 0),
        "Tcb.State": ("offset_kthread_state", 1),
        "Tcb.WaitReason": ("offset_kthread_wait_reason", 1),
        "IrpList": ("offset_ethread_irp_list", 16),
    },
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one struct. `size` is the struct's, as far as it is known: what one read fetches."""

    name: str
    fields: Mapping[str, tuple[int, int]]
    """Path with dots -> (offset, size)."""
    size: int
    types: StructType | None = None

    def offset(self, path: str) -> int:
        """Offset of a field that has to be there; `UnsupportedError` where the build is not known well enough."""
        place = self.fields.get(path)
        if place is None:
            raise UnsupportedError(
                f"where {self.name.lstrip('_')}.{path} lies in this build is not known", "give its PDBs with .sympath"
            )
        return place[0]


class Record:
    """One struct in memory, read as a whole. Fields are numbers; what the layout doesn't have is None."""

    __slots__ = ("address", "data", "layout")

    def __init__(self, layout: Layout, address: int, data: bytes) -> None:
        self.layout = layout
        self.address = address
        self.data = data

    def get(self, *paths: str) -> int | None:
        """The first of these fields that exists (they were renamed over the builds)."""
        for path in paths:
            data = self.bytes(path)
            if data:
                return int.from_bytes(data, "little")
        return None

    def number(self, *paths: str) -> int:
        """Like `get`, 0 for what isn't there."""
        return self.get(*paths) or 0

    def bytes(self, path: str) -> bytes:
        """A field's bytes; empty where it isn't there."""
        place = self.layout.fields.get(path)
        if place is None or place[0] + place[1] > len(self.data):
            return b""
        return self.data[place[0] : place[0] + place[1]]

    def bits(self, path: str, position: int, length: int) -> int:
        """A bit field; `position` and `length` hold where no types tell them."""
        of = _type_at(self.layout.types, path) if self.layout.types is not None else None
        if isinstance(of, BitField):
            position, length = of.position, of.length
        return self.number(path) >> position & ((1 << length) - 1)

    def address_of(self, path: str) -> int:
        return self.address + self.layout.offset(path)


class Records:
    """Layouts of one session's kernel, and reads by them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layouts: dict[str, Layout] = {}
        self._source: object = self

    def layout(self, name: str, paths: Iterable[str] = ()) -> Layout:
        """The layout of `_NAME` with at least the fields in `paths`, where they are known."""
        types = self._types()
        source = types if types is not None else self._session.version
        if source is not self._source:
            self._layouts.clear()
            self._source = source
        layout = self._layouts.get(name)
        if layout is None or any(path not in layout.fields for path in paths):
            layout = self._layouts[name] = self._make(name, types, paths, layout)
        return layout

    def read(self, name: str, address: int, paths: Iterable[str] = ()) -> Record:
        """The struct at `address`, in one read. Raises `MemoryReadError` where its first byte can't be read."""
        layout = self.layout(name, paths)
        memory = self._session.memory
        data = memory.read_available(address, layout.size)
        return Record(layout, address & self._session.address_mask, data or memory.read(address, 1))

    def string(self, record: Record, path: str) -> str:
        """The text of a UNICODE_STRING in a struct, without control characters; empty where it can't be read."""
        data, size = record.bytes(path), self._session.pointer_size
        length, buffer = int.from_bytes(data[:2], "little"), int.from_bytes(data[size : 2 * size], "little")
        text = self._session.memory.read_available(buffer, min(length, MAX_TEXT)) if buffer and length else b""
        return clean(text[: len(text) & ~1].decode("utf-16-le", "replace"))

    def _types(self) -> TypeTable | None:
        kernel = self._session.modules.kernel
        return kernel.types if kernel is not None else None

    def _make(self, name: str, types: TypeTable | None, paths: Iterable[str], before: Layout | None) -> Layout:
        known = dict(self._known(name))
        wanted = dict.fromkeys([*known, *field_names(name), *paths, *(before.fields if before is not None else ())])
        found = types.lookup(name) if types is not None else None
        if not isinstance(found, StructType):
            end = max([at + size for at, size in known.values()], default=1)
            return Layout(name, known, min(max(end, known_size(name, self._build())), MAX_RECORD))
        fields = {path: place for path in wanted if (place := _place(found, path)) is not None}
        return Layout(name, fields or known, min(max(found.size, 1), MAX_RECORD), found)

    def _build(self) -> int:
        """Of an x64 kernel; 0 for others."""
        session = self._session
        return session.version.minor if session.version is not None and session.machine == MachineType.AMD64 else 0

    def _known(self, name: str) -> Mapping[str, tuple[int, int]]:
        """Offsets without types. Where KDBG contradicts the table, the build is another than it seems."""
        session = self._session
        fields, block = known_fields(name, self._build()), session.debugger_data
        told = {
            path: (offset, size or session.pointer_size)
            for path, (key, size) in _KDBG.get(name, {}).items()
            if block is not None and (offset := block.get(key)) is not None
        }
        if any(fields[path][0] != offset for path, (offset, _) in told.items() if path in fields):
            return told
        return {**fields, **told}


def _type_at(struct: StructType, path: str) -> FieldType | None:
    """The type of `A.B.C`."""
    of: FieldType = struct
    for part in path.split("."):
        field = of.field(part) if isinstance(of, StructType) else None
        if field is None:
            return None
        of = field.type
    return of


def _place(struct: StructType, path: str) -> tuple[int, int] | None:
    """Offset and size of `A.B.C`."""
    offset = 0
    of: FieldType = struct
    for part in path.split("."):
        field = of.field(part) if isinstance(of, StructType) else None
        if field is None:
            return None
        offset += field.offset
        of = field.type
    return (offset, of.size) if 0 < of.size <= MAX_RECORD and offset <= MAX_OFFSET else None
