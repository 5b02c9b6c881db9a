"""Text of `!gflag !ioctldecode !obja !address`; the layouts are those of Microsoft's pages on these extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.decoded import AddressUsage, GlobalFlags, IoControlCode, ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_METHODS = ("METHOD_BUFFERED", "METHOD_IN_DIRECT", "METHOD_OUT_DIRECT", "METHOD_NEITHER")
_ACCESS = ("FILE_ANY_ACCESS", "FILE_READ_ACCESS", "FILE_WRITE_ACCESS", "FILE_READ_ACCESS FILE_WRITE_ACCESS")


@lines.register(GlobalFlags)
def _flags(value: GlobalFlags) -> Iterator[str]:
    yield f"{'New' if value.is_new else 'Current'} NtGlobalFlag contents: 0x{value.value:08x}"
    yield from (f"    {short} - {meaning}" for short, meaning in value.names)


@lines.register(IoControlCode)
def _control_code(value: IoControlCode) -> Iterator[str]:
    names = " ".join(f"({name})" for name in value.device_names)
    yield f"Device Type    : 0x{value.device_type:x} {names}".rstrip()
    yield f"Method         : 0x{value.method:x} {_METHODS[value.method & 3]}"
    yield f"Access         : {_ACCESS[value.access & 3]}"
    yield f"Function       : 0x{value.function:x}"


@lines.register(ObjectAttributes)
def _attributes(value: ObjectAttributes) -> Iterator[str]:
    address = f"{value.address:0{2 * value.address_size}x}"
    yield f"Obja +{address} at {address}:"
    if value.root_directory:
        yield f"        RootDirectory {value.root_directory:x}"
    if value.name or value.problem:
        yield f"        Name is {value.name or f'unreadable: {value.problem}'}"
    yield from (f"        {name}" for name in value.names)


@lines.register(AddressUsage)
def _usage(value: AddressUsage) -> Iterator[str]:
    yield f"{'Usage:':<24}{value.usage}"
    if value.start is not None and value.end is not None:
        for word, number in (("Base Address", value.start), ("End Address", value.end)):
            yield f"{word + ':':<24}{format_address(number, value.address_size)}"
        yield f"{'Region Size:':<24}{format_address(value.end - value.start, value.address_size)}"
    yield f"{'Protect:':<24}{value.protection}"
    yield from (f"{word + ':':<24}{text}" for word, text in value.details)
    yield from (f"{'More info:':<24}{command}" for command in value.commands)
