"""Text of numbers, words and facts about the target: `? .formats .echo vertarget .exr ...` (2.4, 6, 7.9, 7.13)."""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kdnb.render.lines import file_time, lines, printable
from kdnb.results.addresses import format_address
from kdnb.results.clock import TargetTime
from kdnb.results.values import (
    BugCheck,
    Evaluation,
    ExceptionInfo,
    Formats,
    MsrValue,
    PortValue,
    TargetInfo,
    Text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


def _signed(value: int, size: int) -> int:
    value &= (1 << 8 * size) - 1
    return value - (1 << 8 * size) if value >> (8 * size - 1) else value


@lines.register(Evaluation)
def _evaluation(value: Evaluation) -> Iterator[str]:
    size = value.address_size
    if value.value >> 32 not in (0, 0xFFFF_FFFF):
        size = 8  # a 64-bit value of a 32-bit target
    yield f"Evaluate expression: {_signed(value.value, size)} = {format_address(value.value, size)}"


@lines.register(Formats)
def _formats(value: Formats) -> Iterator[str]:
    size = value.address_size
    number = value.value & ((1 << 8 * size) - 1)
    data = number.to_bytes(size, "little")
    yield "Evaluate expression:"
    yield f"  Hex:     {format_address(number, size)}"
    yield f"  Decimal: {_signed(number, size)}"
    yield f"  Decimal (unsigned) : {number}"
    yield f"  Octal:   {number:0{22 if size == 8 else 11}o}"
    yield f"  Binary:  {' '.join(f'{byte:08b}' for byte in reversed(data))}"
    yield f"  Chars:   {''.join(chr(byte) if 0x20 <= byte < 0x7F else '.' for byte in reversed(data))}"
    yield f"  Time:    {_time(number)}"
    low, high = struct.unpack("<2f", data.ljust(8, b"\0"))
    yield f"  Float:   low {_general(low)} high {_general(high)}"
    yield f"  Double:  {_general(struct.unpack('<d', data.ljust(8, bytes(1)))[0])}"


def _general(number: float) -> str:
    """`%g` as Microsoft's run-time library wrote it: exponents of three digits."""
    return re.sub(r"e([+-])(\d\d)$", r"e\g<1>0\2", f"{number:.6g}")


def _time(number: int) -> str:
    """A 32-bit number as seconds since 1970, a larger one as FILETIME (100 ns since 1601); both UTC."""
    if number >> 32 == 0:
        return datetime.fromtimestamp(number, UTC).ctime()
    text = file_time(number)
    return text if text.startswith("*") else f"{text} (UTC + 0:00)"


@lines.register(Text)
def _text(value: Text) -> Iterator[str]:
    if value.text:
        yield from printable(value.text).split("\n")


_WINDOWS = ((22000, "11"), (10240, "10"), (9600, "8.1"), (9200, "8"), (7600, "7"), (6000, "Vista"))
_MACHINES = {"amd64": "x64", "x86": "x86 compatible", "arm64": "ARM 64-bit (AArch64)", "arm": "ARM (NT)"}


def _windows_name(build: int) -> str:
    for first, name in _WINDOWS:
        if build >= first:
            return name
    return {3790: "Server 2003", 2600: "XP", 2195: "2000"}.get(build, "NT")


@lines.register(TargetInfo)
def _target(value: TargetInfo) -> Iterator[str]:
    size = value.address_size
    many = f"MP ({value.processor_count} procs)" if value.processor_count > 1 else "UP"
    flavour = "Free" if value.free_build else "Checked"
    if value.target_kind == "NT":
        system = f"Windows {_windows_name(value.build)} Kernel Version {value.build}"
    else:
        system = f"{value.target_kind} Version {value.build}"
    yield f"{system} {many} {flavour} {_MACHINES.get(value.machine, value.machine)}"
    if value.build_lab:
        yield f"Built by: {value.build_lab}"
    base, loaded = format_address(value.kernel_base, size), format_address(value.loaded_module_list, size)
    yield f"Kernel base = 0x{base} PsLoadedModuleList = 0x{loaded}"
    if value.time is not None:
        yield from _target_time(value.time)
    if value.debugger:
        yield f"kdnb Version {value.debugger}"


@lines.register(BugCheck)
def _bug_check(value: BugCheck) -> Iterator[str]:
    yield f"Bugcheck code {value.code:08X}" + (f" ({value.name})" if value.name else "")
    yield "Arguments " + " ".join(format_address(number, value.address_size) for number in value.parameters)


@lines.register(ExceptionInfo)
def _exception(value: ExceptionInfo) -> Iterator[str]:
    digits = 2 * value.address_size
    where = f" ({value.symbol})" if value.symbol else ""
    yield f"ExceptionAddress: {value.address & ((1 << 4 * digits) - 1):0{digits}x}{where}"
    yield f"   ExceptionCode: {value.code:08x}" + (f" ({value.name})" if value.name else "")
    yield f"  ExceptionFlags: {value.flags:08x}"
    yield f"NumberParameters: {len(value.parameters)}"
    for index, number in enumerate(value.parameters):
        yield f"   Parameter[{index}]: {number:0{digits}x}"
    if value.code == 0xC0000005 and len(value.parameters) >= 2:
        verb = {0: "read from", 1: "write to", 8: "execute non-executable"}.get(value.parameters[0], "access")
        yield f"Attempt to {verb} address {value.parameters[1]:0{digits}x}"


@lines.register(TargetTime)
def _target_time(value: TargetTime) -> Iterator[str]:
    if value.system_time <= 0:
        yield "Debug session time: the target keeps no system time"
    else:
        local = value.system_time - value.zone_bias
        zone = -value.zone_bias // 600_000_000
        sign, minutes = ("+" if zone >= 0 else "-"), abs(zone)
        yield f"Debug session time: {file_time(local)} (UTC {sign} {minutes // 60}:{minutes % 60:02})"
    seconds, rest = divmod(max(value.uptime, 0), 10_000_000)
    days, seconds = divmod(seconds, 86400)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    yield f"System Uptime: {days} days {hours}:{minutes:02}:{seconds % 60:02}.{rest // 10_000:03}"


@lines.register(MsrValue)
def _msr(value: MsrValue) -> Iterator[str]:
    yield f"msr[{value.msr:x}] = {format_address(value.value)}"


@lines.register(PortValue)
def _port(value: PortValue) -> Iterator[str]:
    yield f"{value.port:08x}: {value.value:0{2 * value.size}x}"
