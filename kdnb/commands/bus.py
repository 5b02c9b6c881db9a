"""Buses and other requests by name: `!pci !ecb !ecw !ecd .pagein !chklowmem` (the command reference, 7.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, RequestFailed
from kdnb.results.hardware import PciDevice, PciDevices, PciNode, PciTree
from kdnb.results.memory import MemoryDump
from kdnb.results.values import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

BUSES, SLOTS, FUNCTIONS = 256, 32, 8
HEADER_SIZE = 0x40
SPACE_SIZE, EXTENDED_SIZE = 0x100, 0x1000
MULTI_FUNCTION = 0x80
BRIDGE_HEADER = 1
SECONDARY_BUS = 0x19
"""Where a bridge's header has the number of the bus behind it."""
NOT_OFFERED = "this target doesn't offer bus data"
_FROM_FIRST = 0x2
_RAW = 0x4 | 0x8 | 0x100


@command(
    "!pci",
    summary="List the devices of a PCI bus, or show the configuration space of one.",
    syntax="!pci [0|2 [Bus [Device [Function]]]]\n!pci 100|4|8 Bus Device [Function [First Last]]",
    details="2 lists all buses from 0 to Bus. With 100 (4 bytes, 8 doublewords) the configuration space is shown as it "
    "is. The bus data are asked of the target, never while it boots: a real one crashed by that.",
    examples=("!pci", "!pci 0 0 3", "!pci 100 0 0 0", "!pci 4 0 0 0 0 f"),
    tier="B",
)
def show_pci(session: Session, arguments: Arguments) -> Result:
    """The devices, or bytes of one."""
    flags = arguments.expression(0)
    bus = arguments.expression(0)
    if flags & _RAW:
        return _raw_space(session, arguments, flags, bus)
    slot = None if arguments.at_end else arguments.expression()
    function = None if arguments.at_end else arguments.expression()
    arguments.finish()
    _check(arguments, bus, slot or 0, function or 0)
    buses = range(0 if flags & _FROM_FIRST else bus, bus + 1)
    slots = range(SLOTS) if slot is None else (slot,)
    devices = [one for number in buses for one in _devices(session, number, slots)]
    if not devices:
        _probe(session)
    return PciDevices(tuple(device for device in devices if function in (None, device.function)))


def _probe(session: Session) -> None:
    """Raise where nothing was found because the target refuses all such requests: each machine has a bus 0."""
    try:
        session.calls.read_bus(0, 0, 0, HEADER_SIZE)
    except RequestFailed as error:
        raise RequestFailed(error.message, NOT_OFFERED, api=error.api, status=error.status) from error


def _check(arguments: Arguments, bus: int, slot: int, function: int) -> None:
    if bus >= BUSES or slot >= SLOTS or function >= FUNCTIONS:
        hint = "bus 0 to ff, device 0 to 1f, function 0 to 7"
        raise ExpressionError(f"Range error in '{arguments.name} {arguments.text[:60]}'", hint)


def _devices(session: Session, bus: int, slots: Iterable[int] = range(SLOTS)) -> Iterator[PciDevice]:
    """The functions of the devices of a bus."""
    for slot in slots:
        session.require_stopped()  # sees a cancel
        header = _header(session, bus, slot)
        if header is None:
            continue
        yield _device(bus, slot, 0, header)
        for function in range(1, FUNCTIONS if header[0xE] & MULTI_FUNCTION else 1):
            more = _header(session, bus, slot | function << 5)
            if more is not None:
                yield _device(bus, slot, function, more)


@command(
    "!pcitree",
    summary="Show the devices of all PCI buses, those behind a bridge below it.",
    syntax="!pcitree",
    details="Begins at bus 0 and follows the bridges that name a bus of their own. Each function costs a request.",
    examples=("!pcitree",),
    tier="C",
)
def show_pci_tree(session: Session, arguments: Arguments) -> Result:
    """The devices, depth first."""
    arguments.finish()
    return PciTree(tuple(_below(session, 0, set())))


def _below(session: Session, bus: int, seen: set[int], depth: int = 0) -> Iterator[PciNode]:
    seen.add(bus)
    for device in _devices(session, bus):
        secondary = None
        if device.header_type == BRIDGE_HEADER:
            header = _header(session, bus, device.device | device.function << 5)
            secondary = header[SECONDARY_BUS] if header is not None else None
        yield PciNode(device, depth, secondary)
        if secondary and secondary not in seen:
            yield from _below(session, secondary, seen, depth + 1)


def _header(session: Session, bus: int, slot: int) -> bytes | None:
    """The first bytes of a function's configuration space; None where there is no such function."""
    try:
        data = session.calls.read_bus(bus, slot, 0, HEADER_SIZE)
    except RequestFailed:
        return None
    return data if len(data) == HEADER_SIZE and data[:2] != b"\xff\xff" else None


def _device(bus: int, slot: int, function: int, header: bytes) -> PciDevice:
    vendor, device = (int.from_bytes(header[at : at + 2], "little") for at in (0, 2))
    return PciDevice(
        bus, slot, function, vendor, device, int.from_bytes(header[9:12], "little"), header[8], header[0xE] & 0x7F
    )


def _raw_space(session: Session, arguments: Arguments, flags: int, bus: int) -> MemoryDump:
    if arguments.at_end:
        raise ExpressionError("Numeric expression missing from '<EOL>'", "bus and device are missing: !pci 100 0 3")
    slot, function = arguments.expression(), arguments.expression(0)
    first, last = arguments.expression(0), arguments.expression(SPACE_SIZE - 1)
    arguments.finish()
    _check(arguments, bus, slot, function)
    if not first <= last < EXTENDED_SIZE:
        raise ExpressionError(f"Range error in '!pci {arguments.text[:60]}'", "offsets 0 to fff")
    data = session.calls.read_bus(bus, slot | function << 5, first, last - first + 1)
    unit, columns = (1, 16) if flags & 4 else (4, 4)
    return MemoryDump("!db" if unit == 1 else "!dd", first, data, last - first + 1, unit, columns, 8, False, True)


_WIDTHS = {"!ecb": 1, "!ecw": 2, "!ecd": 4}


@command(
    *_WIDTHS,
    summary="Write a byte, word or doubleword into PCI configuration space.",
    syntax="!ecb|!ecw|!ecd Bus.Device.Function.Offset Value",
    details="The four numbers are hexadecimal.",
    tier="B",
    changes_target=True,
    dangerous=True,
)
def write_pci(session: Session, arguments: Arguments) -> Result:
    """Silent when it worked."""
    place = arguments.match(r"([\da-fA-F]+)\.([\da-fA-F]+)\.([\da-fA-F]+)\.([\da-fA-F]+)(?=\s)")
    if place is None:
        raise ExpressionError(f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", "!ecb 0.1f.0.3c 0b")
    bus, slot, function, offset = (int(number, 16) for number in place.groups())
    size = _WIDTHS[arguments.name]
    value = arguments.number(size)
    arguments.finish()
    _check(arguments, bus, slot, function)
    if offset + size > EXTENDED_SIZE:
        raise ExpressionError(f"Range error in '{arguments.name} {arguments.text[:60]}'", "offsets 0 to fff")
    session.calls.write_bus(bus, slot | function << 5, offset, value.to_bytes(size, "little"))
    return Text("")


@command(
    ".pagein",
    summary="Have the target bring a page in.",
    syntax=".pagein Address",
    details="The request behind it is from before Windows XP: a target of today refuses it.",
    tier="C",
    changes_target=True,
)
def page_in(session: Session, arguments: Arguments) -> Result:
    """A line about what became of it."""
    address = arguments.expression() & session.address_mask
    arguments.finish()
    try:
        session.calls.page_in(address)
    except RequestFailed as error:
        hint = "targets of today don't page in for a debugger: stop where the page is used"
        raise RequestFailed(error.message, hint, api=error.api, status=error.status) from error
    return Text(f"the page of {address:#x} is in")


@command(
    "!chklowmem",
    summary="Have the target check whether memory below 4 GB was touched (/nolowmem).",
    syntax="!chklowmem",
    details="Some targets stop in a nested break instead of answering.",
    tier="C",
    dangerous=True,
    changes_target=True,
)
def check_low_memory(session: Session, arguments: Arguments) -> Result:
    """A line about what the target found."""
    arguments.finish()
    session.calls.check_low_memory()
    return Text("Low memory is as it should be.")
