"""Text of `dt` (the command reference, 7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines, printable
from kdnb.results.types import TypeDump, TypeDumps, TypeNames

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_NAME_WIDTH = 16


@lines.register(TypeDump)
def _dump(value: TypeDump) -> Iterator[str]:
    if value.header:
        yield printable(value.header)
    width = max([_NAME_WIDTH, *(len(field.name) for field in value.fields)])
    for field in value.fields:
        offset = f"+0x{field.offset:03x} " if value.offsets else ""
        words = field.type if field.text is None else field.text
        size = f" ({field.size} bytes)" if value.verbose else ""
        indent = "   " * (field.depth + 1)
        yield f"{indent}{offset}{printable(field.name):<{width}} : {printable(words)}{size}".rstrip()


@lines.register(TypeDumps)
def _dumps(value: TypeDumps) -> Iterator[str]:
    for index, dump in enumerate(value.dumps):
        if index:
            yield ""
        yield from _dump(dump)
    if value.note:
        yield printable(value.note)


@lines.register(TypeNames)
def _names(value: TypeNames) -> Iterator[str]:
    yield from (f"          {printable(name)}" for name in value.names)
    if value.left_out:
        yield f"... {value.left_out} more names left out; give a narrower pattern"
