"""From a state change to the value that people see: why the target stopped, and where.

Only what costs little is asked of the target here: a break-in is told from a bug check by the status that
DbgBreakPointWithStatus got, the instruction comes with the state change itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.disassembly import disassemble
from kdnb.debugger.loader_list import clean
from kdnb.errors import KdnbError
from kdnb.protocol.constants import BreakStatus, MachineType, Status
from kdnb.protocol.names import bugcheck_name
from kdnb.results.events import Stop

if TYPE_CHECKING:
    from kdnb.debugger.breakpoints import Breakpoint
    from kdnb.debugger.session import Session
    from kdnb.results.disassembly import Instruction
    from kdnb.target.base import Change

__all__ = ["Cause", "break_cause", "break_status", "describe"]

BREAKPOINT_CODES = frozenset({Status.BREAKPOINT, Status.WX86_BREAKPOINT})
STEP_CODES = frozenset({Status.SINGLE_STEP, Status.WX86_SINGLE_STEP})
_ARGUMENT = {MachineType.AMD64: "rcx", MachineType.I386: "eax", MachineType.ARM64: "x0"}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a stop is reported."""

    reason: str
    hits: tuple[Breakpoint, ...] = ()
    details: str = ""
    requested: bool = False
    commands: tuple[str, ...] = ()
    """Commands of the event filter that stopped the target."""


def break_cause(session: Session, change: Change) -> Cause:
    """An int3 that is none of ours: a break-in, a bug check, or a breakpoint compiled into the code."""
    status = break_status(session, change)
    if status in (BreakStatus.BUGCHECK_FIRST, BreakStatus.BUGCHECK_SECOND):
        return Cause("bugcheck", details=bugcheck_text(session))
    return Cause("break", requested=status == BreakStatus.CONTROL_C and session.break_wanted)


def break_status(session: Session, change: Change) -> int:
    """Argument of DbgBreakPointWithStatus if that is where the target sits, else 0 (2.2)."""
    address = change.program_counter & session.address_mask
    block = session.debugger_data
    known = block.get("breakpoint_with_status") if block is not None else None
    register = _ARGUMENT.get(session.machine)
    if known is None or register is None or known & session.address_mask != address:
        return 0
    return session.registers.get(register) & 0xFFFFFFFF


def bugcheck_parameters(session: Session) -> tuple[int, ...] | None:
    """Code and four parameters from KiBugCheckData; None where the target doesn't say."""
    block = session.debugger_data
    address = block.get("ki_bugcheck_data") if block is not None else None
    if address is None:
        return None
    size = session.pointer_size
    data = session.memory.read_available(address, 5 * size)
    if len(data) < 5 * size:
        return None
    values = tuple(int.from_bytes(data[at : at + size], "little") for at in range(0, 5 * size, size))
    return values if values[0] else None


def bugcheck_text(session: Session) -> str:
    """`*** Fatal System Error: 0x0000007e` with its name and parameters, as WinDbg prints them."""
    values = bugcheck_parameters(session)
    if values is None:
        return "A fatal system error has occurred."
    digits = 2 * session.pointer_size
    code, *parameters = values
    listed = ",".join(f"0x{value:0{digits}X}" for value in parameters)
    name = bugcheck_name(code & 0xFFFFFFFF)
    return f"*** Fatal System Error: 0x{code & 0xFFFFFFFF:08x}{f' {name}' if name else ''}\n    ({listed})"


def describe(session: Session, change: Change, cause: Cause) -> Stop:
    """The stop as a value. The first one of a session doesn't wait for symbols from the target."""
    heard_at = session.log.heard_at if session.log is not None else None  # before anything is asked
    address = session.registers.pc
    exception = change.exception
    is_step = cause.reason == "step"
    first_stop = session.sequence == 0
    return Stop(
        reason=cause.reason,
        processor=change.processor,
        address=address,
        code=int(Status.SINGLE_STEP) if is_step else exception.code if exception is not None else 0,
        first_chance=bool(exception.first_chance) if exception is not None else True,
        parameters=tuple(exception.parameters) if exception is not None and not is_step else (),
        breakpoints=tuple(b.number for b in cause.hits if b.number >= 0),
        thread=change.thread & session.address_mask,
        symbol=_symbol(session, address, cheap=first_stop),
        instruction=_instruction(session, change, address, cheap=first_stop),
        address_size=session.pointer_size,
        processor_count=session.processor_count,
        sequence=session.sequence + 1,
        details=cause.details,
        requested=cause.requested,
        time_ns=heard_at,
    )


def load_details(path: str, base: int, size: int, *, unload: bool) -> str:
    """The line about an image that came or went; the path is the target's."""
    verb = "Unloaded" if unload else "Loaded"
    return f"{verb} {clean(path)} at {base:#x}" + (f" ({size:#x} bytes)" if size else "")


def _symbol(session: Session, address: int, *, cheap: bool) -> str:
    try:
        return session.symbols.format(address, cheap=cheap)
    except KdnbError:
        return f"{address:#x}"


def _instruction(session: Session, change: Change, address: int, *, cheap: bool) -> Instruction | None:
    """The instruction at the stop, from the bytes that the control report carries."""

    def name(at: int) -> str | None:
        nearest = session.symbols.nearest(at, cheap=cheap)
        return nearest.text if nearest is not None else None

    report = getattr(change, "report", None)
    stream: bytes = getattr(report, "instruction_stream", b"")[: getattr(report, "instruction_count", 0)]
    stream = session.breakpoints.without_ours(address, stream)
    here = change.program_counter & session.address_mask == address
    try:
        if here and stream:
            found = disassemble(_Stream(address, stream), address, 1, session.machine, name)
            if found and found[0].data and found[0].mnemonic != "???":
                return found[0]
        return disassemble(session.memory, address, 1, session.machine, name)[0]
    except KdnbError:
        return None


class _Stream:
    """A few bytes of code as memory."""

    def __init__(self, address: int, data: bytes) -> None:
        self._address = address
        self._data = data

    def read(self, address: int, size: int) -> bytes:
        at = address - self._address
        return self._data[at : at + size] if 0 <= at <= len(self._data) else b""
