"""`!error`: what a status or error number means (the command reference, 7.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import UsageError
from kdnb.protocol.names import status_name, status_text
from kdnb.protocol.win32_errors import WIN32_ERRORS
from kdnb.results.values import ErrorCode, LastErrors

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

SMALLEST_STATUS = 0x10000
"""Numbers below are Win32 errors unless the flag says otherwise."""
_LAST_ERRORS = {8: (0x68, 0x1250), 4: (0x34, 0xBF4)}
"""Offsets of LastErrorValue and LastStatusValue in a TEB; no build ever moved them."""


@command(
    "!error",
    summary="Explain a status or error number.",
    syntax="!error Value [1]",
    details="Small numbers are Win32 errors, others NTSTATUS codes; a 1 behind the number makes it an NTSTATUS.",
    examples=("!error c0000005", "!error 5", "!error 103 1"),
    needs_stop=False,
)
def explain_error(session: Session, arguments: Arguments) -> Result:
    """The number with its name and text."""
    value = arguments.expression() & 0xFFFFFFFF
    as_status = not arguments.at_end and arguments.expression() == 1
    arguments.finish()
    if value < SMALLEST_STATUS and not as_status:
        return _win32(value)
    return _status(value)


def _win32(value: int) -> ErrorCode:
    return ErrorCode(value, "Win32", "", WIN32_ERRORS.get(value, ""))


def _status(value: int) -> ErrorCode:
    return ErrorCode(value, "NTSTATUS", status_name(value) or "", status_text(value) or "")


@command(
    "!gle",
    summary="Show the last error and status of the current thread.",
    syntax="!gle",
    details="They are in its TEB; a thread of the kernel has none.",
    tier="C",
)
def last_errors(session: Session, arguments: Arguments) -> Result:
    """LastErrorValue and LastStatusValue."""
    arguments.finish()
    teb = session.processes.teb()
    if not teb:
        raise UsageError("the current thread is one of the kernel: it has no TEB", "!running shows what runs where")
    error, status = _LAST_ERRORS[session.pointer_size]
    return LastErrors(_win32(session.memory.read_u32(teb + error)), _status(session.memory.read_u32(teb + status)))
