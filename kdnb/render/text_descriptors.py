"""Text of `dg` (the command reference, 7.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.descriptors import Descriptor, DescriptorTable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_HEADS = {
    4: (
        "                                  P Si Gr Pr Lo",
        "Sel    Base     Limit     Type    l ze an es ng Flags",
        "---- -------- -------- ---------- - -- -- -- -- --------",
    ),
    8: (
        "                                                    P Si Gr Pr Lo",
        "Sel        Base              Limit          Type    l ze an es ng Flags",
        "---- ----------------- ----------------- ---------- - -- -- -- -- --------",
    ),
}
_SYSTEM = {2: "LDT", 5: "TaskGate", 6: "IntGate16", 7: "TrapGate16", 0xE: "IntGate", 0xF: "TrapGate"}


@lines.register(DescriptorTable)
def _table(value: DescriptorTable) -> Iterator[str]:
    size = value.address_size
    yield from _HEADS[size]
    for entry in value.descriptors:
        words = (
            "Bg" if entry.flags & 4 else "Nb",
            "Pg" if entry.flags & 8 else "By",
            "P " if entry.is_present else "Np",
            "Lo" if entry.is_long else "Nl",
        )
        yield (
            f"{entry.selector:04x} {format_address(entry.base, size)} {format_address(entry.limit, size)} "
            f"{_kind(entry, size):<10} {entry.privilege} {' '.join(words)} {entry.access | entry.flags << 8:08x}"
        )


def _kind(entry: Descriptor, size: int) -> str:
    kind = entry.access & 0xF
    if entry.is_system:
        if kind in (9, 0xB):
            return f"TSS{8 * size} {'Busy' if kind == 0xB else 'Avl'}"
        return _SYSTEM.get(kind, "<Reserved>")
    accessed = " Ac" if kind & 1 else ""
    if kind & 8:
        return f"Code {'RE' if kind & 2 else 'EO'}{accessed}"
    return f"Data {'RW' if kind & 2 else 'RO'}{accessed}"
