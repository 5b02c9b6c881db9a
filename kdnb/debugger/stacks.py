"""Stack walks as values: frames with names, arguments and modules."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from kdnb.debugger.registers import MACHINE_NAMES
from kdnb.debugger.unwind import unwind
from kdnb.errors import MemoryReadError, SymbolFileError
from kdnb.protocol.constants import MachineType
from kdnb.results.stack import Frame, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.debugger.unwind import UnwoundFrame

__all__ = ["source_at", "walk"]

SET_CONTEXT = "  *** Stack trace for last set context - .thread/.cxr resets it"


class _KernelMemory:
    """The half of memory that all processes share; user addresses read as unmapped."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def read(self, address: int, size: int) -> bytes:
        return self.read_available(address, size, at_least=size)

    def read_available(self, address: int, size: int, at_least: int = 0) -> bytes:
        if self._session.address_space.is_user(address):
            if at_least:
                raise MemoryReadError(address, size)
            return b""
        return self._session.memory.read_available(address, size)


def walk(
    session: Session, limit: int = 256, registers: Mapping[str, int] | None = None, process: int | None = None
) -> Stack:
    """The call stack of the current scope, innermost frame first, or the one that begins at `registers`.

    `process` is whose thread it is: where another's user memory is seen, the walk ends behind the kernel's frames.
    """
    session.require_stopped()
    start = session.scope.values() if registers is None else registers
    seen = process is None or process == session.address_space.seen()
    memory = session.memory if seen else _KernelMemory(session)
    found, note = unwind(start, session.machine, memory, session.modules, limit)
    return Stack(
        frames=tuple(
            _frame(session, number, frame, caller)
            for number, (frame, caller) in enumerate(zip_longest(found, found[1:]))
        ),
        machine=MACHINE_NAMES[session.machine],
        processor=session.current_processor,
        address_size=session.pointer_size,
        note=note or "",
        heading=SET_CONTEXT if session.scope.context is not None and registers is None else "",
    )


def _frame(session: Session, number: int, frame: UnwoundFrame, caller: UnwoundFrame | None) -> Frame:
    module = session.modules.find(frame.lookup_address)
    entry = None
    if frame.function is not None and module is not None:
        base = module.base
        entry = (base + frame.function.begin, base + frame.function.end, base + frame.function.unwind)
    return Frame(
        number=number,
        child_sp=frame.child_sp,
        return_address=frame.return_address,
        instruction_pointer=frame.instruction_pointer,
        symbol=session.symbols.format(frame.instruction_pointer),
        module=module.name if module is not None else "",
        arguments=_arguments(session, frame, caller),
        registers=frame.registers,
        trap_frame=frame.trap_frame,
        source=source_at(module, frame.lookup_address),
        is_guess=frame.is_guess,
        frame_summary=frame.frame_summary,
        warning=frame.warning,
        function_entry=entry,
    )


def source_at(module: Module | None, address: int) -> str:
    """`file @ line`, only of symbols that are loaded anyway."""
    if module is None or module.symbol_status == "deferred":
        return ""
    try:
        line = module.pdb.line_at(address - module.base) if module.pdb is not None else None
        symbol = module.symbols.nearest_symbol(address - module.base)
    except SymbolFileError:
        return ""
    if line is None or (symbol is not None and line.rva < symbol.rva):
        return ""  # the line of a function before this one, which has none
    return f"{line.file} @ {line.line}"


def _arguments(session: Session, frame: UnwoundFrame, caller: UnwoundFrame | None) -> tuple[int, ...]:
    """x64: the four home places above the return address; x86: the three words there. Empty where unreadable."""
    size = session.pointer_size
    if session.machine == MachineType.I386:
        at, count = frame.child_sp + 2 * size, 3
    elif caller is not None:
        at, count = caller.child_sp, 4
    else:
        return ()
    data = session.memory.read_available(at, count * size)
    if len(data) < count * size:
        return ()
    return tuple(int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size))
