"""Device APIs: I/O ports and bus configuration (protocol reference 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import Status
from kdnb.simulator.stub_halt import Halt, Outcome, refuse, reply

if TYPE_CHECKING:
    from kdnb.protocol.messages.io import BusDataBody, IoBody, IoExtendedBody
    from kdnb.protocol.messages.manipulate import Manipulate

_PCI_CONFIGURATION = 4
_IO_SPACE = 1
_WIDTHS = (1, 2, 4)


def read_io_space(halt: Halt, request: Manipulate, body: IoBody | IoExtendedBody) -> Outcome:
    return _port_problem(request, body) or reply(request, value=halt.machine.io_read(body.address, body.size))


def write_io_space(halt: Halt, request: Manipulate, body: IoBody | IoExtendedBody) -> Outcome:
    problem = _port_problem(request, body)
    if problem is None:
        halt.machine.io_write(body.address, body.size, body.value)
    return problem or reply(request)


def read_io_space_extended(halt: Halt, request: Manipulate, body: IoExtendedBody) -> Outcome:
    """Only the I/O address space of the one bus exists."""
    if body.address_space != _IO_SPACE:
        return refuse(request, Status.INVALID_PARAMETER)
    return read_io_space(halt, request, body)


def write_io_space_extended(halt: Halt, request: Manipulate, body: IoExtendedBody) -> Outcome:
    if body.address_space != _IO_SPACE:
        return refuse(request, Status.INVALID_PARAMETER)
    return write_io_space(halt, request, body)


def get_bus_data(halt: Halt, request: Manipulate, body: BusDataBody) -> Outcome:
    if body.bus_data_type != _PCI_CONFIGURATION:
        return reply(request, Status.UNSUCCESSFUL, length=0)
    data = halt.machine.pci.read(body.bus_number, body.slot_number, body.offset, min(body.length, halt.largest_read))
    return reply(request, Status.SUCCESS if data else Status.UNSUCCESSFUL, data, length=len(data))


def set_bus_data(halt: Halt, request: Manipulate, body: BusDataBody) -> Outcome:
    if body.bus_data_type != _PCI_CONFIGURATION:
        return reply(request, Status.UNSUCCESSFUL, length=0)
    taken = halt.machine.pci.write(body.bus_number, body.slot_number, body.offset, request.data[: body.length])
    return reply(request, Status.SUCCESS if taken else Status.UNSUCCESSFUL, length=taken)


def _port_problem(request: Manipulate, body: IoBody | IoExtendedBody) -> Outcome | None:
    """Sizes other than 1, 2, 4 are no port access; an odd address for a wide one is misaligned."""
    if body.size not in _WIDTHS:
        return refuse(request, Status.INVALID_PARAMETER)
    if body.address % body.size:
        return refuse(request, Status.DATATYPE_MISALIGNMENT)
    return None
