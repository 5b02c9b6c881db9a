"""Text of `dt` and `!list` (the command reference, 7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.lists import ForEach
from kdnb.results.typed_values import DataView, TypedValue
from kdnb.results.types import EnumInfo, TypeDump, TypeDumps, TypeNames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.types import FieldInfo

__all__: list[str] = []

_NAME_WIDTH = 16


@lines.register(TypeDump)
def _dump(value: TypeDump) -> Iterator[str]:
    yield from (line for line in value.header.split("\n") if line)
    if value.is_compact:
        yield "".join(_field(value, field, 0) for field in value.fields)
        return
    widths: dict[int, int] = {}
    for field in value.fields:
        widths[field.depth] = max(widths.get(field.depth, _NAME_WIDTH), len(field.name))
    for field in value.fields:
        yield _field(value, field, widths[field.depth])
    if value.note:
        yield value.note


def _field(value: TypeDump, field: FieldInfo, width: int) -> str:
    words = field.type if field.text is None else field.text
    indent = "   " * (field.depth + 1) if value.indent else ""
    if field.name.startswith("["):  # an element of an array has no offset of its own
        return f"{'   ' * field.depth} {field.name} {words}".rstrip() if value.indent else f"{field.name} {words}"
    offset = f"+0x{field.offset:03x} " if value.offsets else ""
    # A type's trailing blank (`Ptr64     void `) and the one of `(null) ` are part of WinDbg's words.
    return f"{indent}{offset}{field.name:<{width}} : {words}"


@lines.register(TypeDumps)
def _dumps(value: TypeDumps) -> Iterator[str]:
    for index, dump in enumerate(value.dumps):
        if index:
            yield ""
        name = f"{value.link} at " if value.link else f"[{index}] at "
        place = f"0x{format_address(dump.address or 0, dump.address_size)}"
        head = dump.name if dump.address is None else f"{name}{place}"
        yield head
        yield "-" * len(head)
        yield from _dump(dump)
    if value.note:
        yield value.note


@lines.register(TypeNames)
def _names(value: TypeNames) -> Iterator[str]:
    if value.sizes is None:
        yield from (f"          {name}" for name in value.names)
        yield from (f"{format_address(address, value.address_size)}  {name}" for address, name in value.variables)
    else:
        yield value.header
        width = len(format_address(0, value.address_size))
        yield f"{'Address':<{width}}  Size Symbol"
        listed = [("", name) for name in value.names]
        listed += [(format_address(address, value.address_size), name) for address, name in value.variables]
        yield from (f"{address:<{width}}   {value.sizes.get(name, 0):03x} {name}" for address, name in listed)
    if value.left_out:
        yield f"... {value.left_out} more names left out; give a narrower pattern"


@lines.register(EnumInfo)
def _enum(value: EnumInfo) -> Iterator[str]:
    if value.text:
        yield value.text
        return
    yield f"Enum {value.name}"
    yield from (f"   {word} = 0n{number}" for number, word in value.values.items())


@lines.register(TypedValue)
def _typed_value(value: TypedValue) -> Iterator[str]:
    yield f"{value.type} {value.text}".rstrip()
    if value.dump is not None:
        yield from _dump(value.dump)


@lines.register(DataView)
def _data_view(value: DataView) -> Iterator[str]:
    for field in value.fields:
        indent = "    " * field.depth
        offset = f"[+0x{field.offset:03x}] " if field.offset is not None else ""
        text = f": {field.text} " if field.text else ""
        pad = _NAME_WIDTH if field.depth else 0
        yield f"{indent}{offset}{field.name:<{pad}} {text}[Type: {field.type}]"
    if value.note:
        yield value.note


@lines.register(ForEach)
def _for_each(value: ForEach) -> Iterator[str]:
    for result in value.results:
        yield from lines(result)
        yield ""
    if value.note:
        yield value.note
