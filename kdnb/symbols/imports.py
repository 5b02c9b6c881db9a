"""Which import a slot of the import address table stands for; nothing is read but the way to that one name."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError

if TYPE_CHECKING:
    from kdnb.symbols.pe import PeImage

__all__ = ["import_name"]

_IMPORT = 1
_DESCRIPTOR = struct.Struct("<5I")
_MOST_DESCRIPTORS = 1024
_MOST_SLOTS = 0x10000


def import_name(image: PeImage, slot: int) -> str:
    """The name of the function whose address the loader puts at the RVA `slot`; empty if that is no import by name.

    Taken from the import name table, which stays as it is in a loaded image.
    """
    try:
        found = _table(image, slot)
        if found is None:
            return ""
        names, index = found
        size = 8 if image.is_64bit else 4
        entry = int.from_bytes(image.read(names + size * index, size), "little")
        if not entry or entry >> (8 * size - 1):
            return ""
        return image.string_at(entry + 2)
    except SymbolFileError:
        return ""


def _table(image: PeImage, slot: int) -> tuple[int, int] | None:
    """(RVA of the name table, index in it) of the module whose part of the address table holds `slot`."""
    rva, size = image.directory(_IMPORT)
    best: tuple[int, int] | None = None
    for index in range(min(size // _DESCRIPTOR.size, _MOST_DESCRIPTORS) if rva else 0):
        names, _, _, module, addresses = _DESCRIPTOR.unpack(image.read(rva + _DESCRIPTOR.size * index, 20))
        if not module:
            break
        if names and addresses <= slot and (best is None or addresses > best[1]):
            best = names, addresses
    if best is None:
        return None
    index, odd = divmod(slot - best[1], 8 if image.is_64bit else 4)
    return (best[0], index) if not odd and index < _MOST_SLOTS else None
