"""Letting the target go: breakpoints in, int3s passed, caches dropped. Nothing here waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.register_names import program_counter
from kdnb.debugger.stops import BREAKPOINT_CODES, STEP_CODES
from kdnb.errors import MemoryReadError
from kdnb.protocol.constants import MachineType
from kdnb.results.events import LinkStateChange

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.target.base import Change

__all__ = ["Resuming"]

_COMPILED = {
    MachineType.AMD64: b"\xcc",
    MachineType.I386: b"\xcc",
    MachineType.ARM64: bytes.fromhex("00003ed4"),  # brk #0xF000
}
"""The instruction that DbgBreakPoint consists of (the protocol reference 3.5)."""


class Resuming:
    """The part of execution that sends Continue2."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._compiled: tuple[int, int] | None = None
        """Processor and address of the int3 in the code that the target stopped at."""

    def resume(self, status: int, *, trace: bool, quiet: bool = False, leave_out: int | None = None) -> None:
        """`leave_out`: an address whose breakpoint isn't inserted; a traced instruction's own never is."""
        session = self._session
        session.require_stopped()
        pc, processor = session.registers.pc, session.current_processor
        dr7 = session.breakpoints.insert(leave_out=pc if trace else leave_out)
        session.target.resume(processor, status, trace, dr7)
        session.break_ins.resumed()
        session.left_stop()
        if not trace and not quiet:
            session.events.on_state.publish(LinkStateChange("running"))

    def is_clean_step(self, change: Change, processor: int) -> bool:
        exception = change.exception
        if exception is None or exception.code not in STEP_CODES or change.processor != processor:
            return False
        return not self._session.breakpoints.hits_of(getattr(getattr(change, "report", None), "dr6", 0))

    def note_compiled_breakpoint(self, change: Change) -> None:
        """An int3 that is part of the code would stop the target again at once (1.8, 9.2)."""
        self._compiled = None
        session, exception = self._session, change.exception
        if exception is None or exception.code not in BREAKPOINT_CODES:
            return
        pc = change.program_counter & session.address_mask
        code = _COMPILED.get(session.machine)
        if code is not None and self._code_at(pc, len(code)) == code:
            self._compiled = (change.processor, pc)

    def pass_compiled_breakpoint(self) -> bool:
        """Set the PC behind such an int3, unless the user moved it. True where that was the current processor's."""
        if self._compiled is None:
            return False
        session = self._session
        (processor, pc), self._compiled = self._compiled, None
        if session.registers.get(program_counter(session.machine), processor) != pc:
            return False
        session.registers.move_pc(pc + len(_COMPILED[session.machine]), processor)
        return processor == session.current_processor

    def _code_at(self, pc: int, size: int) -> bytes:
        try:
            return self._session.memory.read(pc, size)
        except MemoryReadError:
            return b""
