"""Processor and ports: `rdmsr wrmsr ib iw id ob ow od !irql` (the command reference, 7.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.processor import processor_number
from kdnb.debugger.cpus import interrupt_level
from kdnb.errors import ExpressionError, RequestFailed, UnsupportedError
from kdnb.protocol.constants import Api, MachineType, Status
from kdnb.protocol.messages.io import MsrBody
from kdnb.results.values import MsrValue, PortValue, Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

SIZES = {"b": 1, "w": 2, "d": 4}
_LEVELS = {0: "LOW_LEVEL", 1: "APC_LEVEL", 2: "DISPATCH_LEVEL"}
_LEVELS_64 = {12: "SYNCH_LEVEL", 13: "CLOCK_LEVEL", 14: "IPI_LEVEL", 15: "HIGH_LEVEL"}
_LEVELS_X86 = {27: "SYNCH_LEVEL", 28: "CLOCK2_LEVEL", 29: "IPI_LEVEL", 30: "POWER_LEVEL", 31: "HIGH_LEVEL"}


@command(
    "rdmsr",
    summary="Read a model-specific register.",
    syntax="rdmsr Number",
    examples=("rdmsr c0000082",),
)
def read_msr(session: Session, arguments: Arguments) -> Result:
    """Its 64 bits."""
    number = arguments.expression() & 0xFFFFFFFF
    arguments.finish()
    try:
        reply = session.target.request(Api.ReadMachineSpecificRegister, MsrBody(number, 0, 0))
    except RequestFailed as error:
        raise _no_such(number, error) from error
    body = reply.body
    assert isinstance(body, MsrBody)
    return MsrValue(number, body.high << 32 | body.low)


@command(
    "wrmsr",
    summary="Write a model-specific register.",
    syntax="wrmsr Number Value",
    tier="B",
    changes_target=True,
    dangerous=True,
)
def write_msr(session: Session, arguments: Arguments) -> Result:
    """Silent when it worked."""
    number = arguments.expression() & 0xFFFFFFFF
    value = arguments.expression()
    arguments.finish()
    try:
        session.target.request(Api.WriteMachineSpecificRegister, MsrBody(number, value & 0xFFFFFFFF, value >> 32))
    except RequestFailed as error:
        raise _no_such(number, error) from error
    return MsrValue(number, value)


def _no_such(number: int, error: RequestFailed) -> RequestFailed:
    """What a failure says of the register; a target without the request says nothing of it."""
    if error.status == Status.NOT_IMPLEMENTED:
        return error
    message = f"no such msr {number:x} ({error.message})"
    return RequestFailed(message, "check the number", api=error.api, status=error.status)


def _port(arguments: Arguments) -> int:
    port = arguments.expression()
    if port > 0xFFFF:
        raise ExpressionError(f"Range error in '{arguments.name} {arguments.text[:60]}'", "ports are 0 to ffff")
    return port


@command(
    "ib",
    "iw",
    "id",
    summary="Read a byte, word or doubleword from an I/O port.",
    syntax="ib|iw|id Port",
    details="Reading some ports has side effects in the device.",
    examples=("ib 3fd",),
    tier="B",
)
def read_port(session: Session, arguments: Arguments) -> Result:
    """What the port gave."""
    port, size = _port(arguments), SIZES[arguments.name[1]]
    arguments.finish()
    return PortValue(port, session.calls.read_port(port, size), size)


@command(
    "ob",
    "ow",
    "od",
    summary="Write a byte, word or doubleword to an I/O port.",
    syntax="ob|ow|od Port Value",
    tier="B",
    changes_target=True,
    dangerous=True,
)
def write_port(session: Session, arguments: Arguments) -> Result:
    """Silent when it worked."""
    port, size = _port(arguments), SIZES[arguments.name[1]]
    value = arguments.number(size)
    arguments.finish()
    session.calls.write_port(port, size, value)
    return Text("")


@command(
    "!irql",
    summary="Show the interrupt request level at which a processor was stopped.",
    syntax="!irql [Processor]",
    details="What the kernel saved when it went to the debugger (KPRCB.DebuggerSavedIRQL); where its types lack "
    "that field, CR8 on x64 and KPCR.Irql on x86. The number is decimal.",
    examples=("!irql", "!irql 1"),
)
def show_irql(session: Session, arguments: Arguments) -> Result:
    """The level in words."""
    number = processor_number(session, arguments)
    level = interrupt_level(session, number)
    if level is None:
        raise UnsupportedError(f"!irql of {session.machine.name} is not known", "x64 and x86 are")
    names = _LEVELS | (_LEVELS_X86 if session.machine == MachineType.I386 else _LEVELS_64)
    name = names.get(level, "device level")
    return Text(f"Debugger saved IRQL for processor 0x{number:x} -- {level} ({name})")
