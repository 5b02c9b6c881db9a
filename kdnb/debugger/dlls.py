"""The loader's lists of a process's images, entry by entry, as `!dlls` shows them.

PEB_LDR_DATA and LDR_DATA_TABLE_ENTRY are the same up to the TLS index since Windows XP (public headers). They lie in
user memory: whatever a program wrote there is bounded and cleaned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.image_headers import image_headers
from kdnb.debugger.loader_entry import LoaderEntry32, LoaderEntry64
from kdnb.debugger.loader_list import LoaderList, clean
from kdnb.debugger.user_modules import loader_lists
from kdnb.errors import MemoryReadError, SymbolFileError, UnknownNameError
from kdnb.results.dlls import DllEntry, DllList
from kdnb.symbols.pe import PeImage
from kdnb.symbols.version_resource import version_resource

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.results.images import ImageHeaders

__all__ = ["ORDERS", "read_dlls"]

ORDERS = ("load", "memory", "initialization")
"""The loader's lists, in the order in which PEB_LDR_DATA and each entry have them."""
_LOAD_ORDER = {8: 0x10, 4: 0xC}
_WINDOWS_8 = 9200
"""The build from which on the flags are those of `_FLAGS`."""
_FLAGS = {
    0x1: "PACKAGED_BINARY", 0x2: "MARKED_FOR_REMOVAL", 0x4: "IMAGE_DLL", 0x8: "LOAD_NOTIFICATIONS_SENT",
    0x10: "TELEMETRY_ENTRY_PROCESSED", 0x20: "PROCESS_STATIC_IMPORT", 0x40: "IN_LEGACY_LISTS", 0x80: "IN_INDEXES",
    0x100: "SHIM_DLL", 0x200: "IN_EXCEPTION_TABLE", 0x1000: "LOAD_IN_PROGRESS", 0x2000: "LOAD_CONFIG_PROCESSED",
    0x4000: "ENTRY_PROCESSED", 0x8000: "PROTECT_DELAY_LOAD", 0x40000: "DONT_CALL_FOR_THREADS",
    0x80000: "PROCESS_ATTACH_CALLED", 0x100000: "PROCESS_ATTACH_FAILED", 0x200000: "COR_DEFERRED_VALIDATE",
    0x400000: "COR_IMAGE", 0x800000: "DONT_RELOCATE", 0x1000000: "COR_IL_ONLY", 0x10000000: "REDIRECTED",
    0x80000000: "COMPAT_DATABASE_PROCESSED",
}  # fmt: skip
"""Bits of LDR_DATA_TABLE_ENTRY.Flags, by ntdll's public PDBs."""
_OLD_FLAGS = {
    0x2: "STATIC_LINK", 0x4: "IMAGE_DLL", 0x1000: "LOAD_IN_PROGRESS", 0x2000: "UNLOAD_IN_PROGRESS",
    0x4000: "ENTRY_PROCESSED", 0x8000: "ENTRY_INSERTED", 0x10000: "CURRENT_LOAD", 0x20000: "FAILED_BUILTIN_LOAD",
    0x40000: "DONT_CALL_FOR_THREADS", 0x80000: "PROCESS_ATTACH_CALLED", 0x100000: "DEBUG_SYMBOLS_LOADED",
    0x200000: "IMAGE_NOT_AT_BASE", 0x400000: "COR_IMAGE", 0x800000: "COR_OWNS_UNMAP", 0x10000000: "REDIRECTED",
    0x80000000: "COMPAT_DATABASE_PROCESSED",
}  # fmt: skip
"""The same before Windows 8."""


def read_dlls(
    session: Session,
    order: str = "load",
    *,
    entry: int | None = None,
    containing: int | None = None,
    parts: str = "",
) -> DllList:
    """The entries of the process that is seen: all, the one at `entry`, or the one around `containing`.

    `parts`: `f` adds the headers, `s` the sections, `v` the version resource. Raises `UnsupportedError` for a process
    without user mode, `UnknownNameError` where no image lies at `containing`.
    """
    size = session.pointer_size
    index = ORDERS.index(order)
    walk = LoaderList(session, loader_lists(session) + _LOAD_ORDER[size] + index * 2 * size, index * 2 * size)
    if entry is not None:
        layout = LoaderEntry64 if size == 8 else LoaderEntry32
        fields = layout.decode(session.memory.read(entry, layout.SIZE))
        return DllList((_entry(session, entry, fields, walk.read_path(fields), parts),), size, order)
    found = [
        _entry(session, at, fields, path, parts)
        for at, fields, path in walk
        if containing is None or fields.base <= containing < fields.base + fields.size
    ]
    if containing is not None and not found:
        raise UnknownNameError(f"no image of the process lies at {containing:#x}", "!dlls lists them")
    return DllList(tuple(found), size, order, containing, walk.note)


def _entry(session: Session, address: int, fields: LoaderEntry64 | LoaderEntry32, path: str, parts: str) -> DllEntry:
    headers, version, note = _image(session, fields.base, parts)
    return DllEntry(
        address=address,
        path=path,
        base=fields.base,
        entry_point=fields.entry_point,
        size=fields.size,
        flags=fields.flags,
        flag_names=_flag_names(session, fields.flags),
        load_count=fields.load_count,
        tls_index=fields.tls_index,
        headers=headers,
        version=version,
        note=note,
    )


def _flag_names(session: Session, flags: int) -> tuple[str, ...]:
    is_old = session.version is not None and session.version.minor < _WINDOWS_8
    return tuple(f"LDRP_{name}" for bit, name in (_OLD_FLAGS if is_old else _FLAGS).items() if flags & bit)


def _image(session: Session, base: int, parts: str) -> tuple[ImageHeaders | None, tuple[tuple[str, str], ...], str]:
    """What is asked for of the image itself, and why it isn't there."""
    if not parts:
        return None, (), ""
    try:
        image = PeImage.parse(session.memory.read, base)
        headers = None
        if set(parts) & set("fs"):
            headers = image_headers(image, base, shows_headers="f" in parts, shows_sections="s" in parts)
        found = version_resource(image) if "v" in parts else None
    except (SymbolFileError, MemoryReadError) as error:
        return None, (), error.message
    if found is None:
        return headers, (), "no version resource" if "v" in parts else ""
    numbers = (("File version", found.file_version), ("Product version", found.product_version))
    fixed = tuple((name, ".".join(map(str, version))) for name, version in numbers)
    return headers, (*fixed, *((clean(name), clean(text)) for name, text in found.strings)), ""
