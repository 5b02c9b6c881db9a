"""Text of `!vad` (the command reference, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.vads import IMAGE, VadList

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

PAGE = 4096


@lines.register(VadList)
def _vads(value: VadList) -> Iterator[str]:
    digits = 2 * value.address_size
    yield f"{'VAD':<{digits}} Level {'Start':>16} {'End':>16}      Commit"
    for each in value:
        kind = "Private" if each.is_private else "Mapped"
        image = "Exe" if each.type == IMAGE else ""
        yield (
            f"{each.address:0{digits}x} {each.level:>5} {each.start // PAGE:>16x} {each.end // PAGE:>16x}"
            f" {each.commit:>11} {kind:<7} {image:<3}  {each.protection_words:<18} {each.name}"
        ).rstrip()
    yield ""
    count, levels = len(value), [each.level for each in value]
    average = sum(levels) // count if count else 0
    yield f"Total VADs: {count}, average level: {average}, maximum depth: {max(levels, default=0)}"
    private = sum(each.commit for each in value if each.is_private)
    yield f"Total private commit: {private:#x} pages ({private * PAGE // 1024} KB)"
    if value.note:
        yield f"WARNING: {value.note}"
