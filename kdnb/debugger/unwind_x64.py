"""From one x64 frame to its caller by the image's unwind data (the protocol reference 8.1 to 8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.epilog import MAX_EPILOG, Epilog, decode_epilog
from kdnb.debugger.unwind_step import UnwindStep, read_integer
from kdnb.errors import MemoryReadError, SymbolFileError
from kdnb.symbols.unwind_info import UnwindInfo, UnwindOp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.results.memory import MemoryReader
    from kdnb.symbols.pe import PeImage
    from kdnb.symbols.unwind_info import RuntimeFunction, UnwindCode

__all__ = ["unwind_leaf", "unwind_x64"]

_MASK = 0xFFFFFFFFFFFFFFFF
_MAX_CHAIN = 32  # RtlVirtualUnwind's own limit


def unwind_leaf(registers: Mapping[str, int], memory: MemoryReader, warning: str = "") -> UnwindStep:
    """The caller of a function without an entry: it has not moved the stack pointer. Raises `MemoryReadError`."""
    return _Frame(registers, memory).finish(None, warning)


def unwind_x64(
    registers: Mapping[str, int], memory: MemoryReader, image: PeImage, base: int, exact: bool
) -> UnwindStep:
    """The caller of the function around `rip` in the image at `base`.

    `exact` says that `rip` is the next instruction rather than a return address, whose call lies before it.
    Raises `MemoryReadError` for the stack and `SymbolFileError` for unwind data that can't be read.
    """
    rva = registers["rip"] - base
    table = image.function_table
    found = table.lookup(rva if exact else rva - 1)
    if found is None:
        return unwind_leaf(registers, memory)
    function = table.resolve(found)
    info = image.unwind_info(function.unwind)
    frame = _Frame(registers, memory)
    epilog = _find_epilog(function, info, rva, image, base, memory) if exact else None
    if epilog is not None:
        frame.run_epilog(epilog)
        return frame.finish(function)
    # Outside the range counts as the body: a return address behind a last call, an entry that another stands for.
    offset = rva - function.begin if rva in function else None
    if offset is not None and registers["rsp"] >> 63 and _is_pushing_machine_frame(info, offset):
        raise SymbolFileError("the entry of the system call has yet to push whom it interrupted")
    frame.undo(info, offset)
    for _ in range(_MAX_CHAIN):
        if frame.trap_frame is not None or info.chained is None:
            return frame.finish(function)
        info = image.unwind_info(table.resolve(info.chained).unwind)
        frame.undo(info, None)
    raise SymbolFileError("unwind records chained without end")


def _is_pushing_machine_frame(info: UnwindInfo, offset: int) -> bool:
    """Whether code pushes what the processor would at an interrupt: no record says how far it has come."""
    return any(code.op == UnwindOp.PUSH_MACHFRAME and code.prolog_offset > offset for code in info.codes)


def _find_epilog(
    function: RuntimeFunction, info: UnwindInfo, rva: int, image: PeImage, base: int, memory: MemoryReader
) -> Epilog | None:
    ranges = info.epilogs(function)
    inside = any(start <= rva < end for start, end in ranges)
    if info.version == 2 and not inside:
        return None
    try:
        code = memory.read(base + rva, MAX_EPILOG)
    except MemoryReadError as error:
        code = error.partial

    def leaves(target: int) -> bool:
        return _leaves(image, function, target - base)

    return decode_epilog(code, base + rva, leaves, info.frame_register, adjusted=info.version == 2)


def _leaves(image: PeImage, function: RuntimeFunction, target: int) -> bool:
    """Whether a jump from `function` to the RVA `target` is a tail call, rather than a way to another part of it.

    A jump to the function's own first instruction is a tail call of itself.
    """
    other = image.function_table.lookup(target)
    if other is None:
        return True
    primary = _primary(image, function)
    return target == primary.begin or _primary(image, other) != primary


def _primary(image: PeImage, function: RuntimeFunction) -> RuntimeFunction:
    """The entry at the end of the chain: it stands for the whole function."""
    for _ in range(_MAX_CHAIN):
        function = image.function_table.resolve(function)
        chained = image.unwind_info(function.unwind).chained
        if chained is None:
            return function
        function = chained
    raise SymbolFileError("unwind records chained without end")


class _Frame:
    """The registers of one frame while they turn into the caller's."""

    def __init__(self, registers: Mapping[str, int], memory: MemoryReader) -> None:
        self.registers = dict(registers)
        self.saved: dict[str, int] = {}
        self.trap_frame: int | None = None
        self._memory = memory

    def undo(self, info: UnwindInfo, offset: int | None) -> None:
        """Undo the codes of `info` that have run; `offset` is the place in the function, None for chained records."""
        base = self._frame_base(info, offset)
        for code in info.codes:
            if offset is None or offset >= info.prolog_size or code.prolog_offset <= offset:
                self._undo(code, info, base)
                if self.trap_frame is not None:
                    return

    def run_epilog(self, epilog: Epilog) -> None:
        self.registers["rsp"] = (self.registers[epilog.base] + epilog.adjust) & _MASK
        for register in epilog.pops:
            self._pop(register)

    def finish(self, function: RuntimeFunction | None, warning: str = "") -> UnwindStep:
        """Take the return address, unless the processor's frame gave the next one already."""
        if self.trap_frame is None:
            self._pop("rip")
        return UnwindStep(self.registers, function, trap_frame=self.trap_frame, warning=warning, saved=self.saved)

    def _frame_base(self, info: UnwindInfo, offset: int | None) -> int:
        """Where the save slots are counted from; taken before anything is undone."""
        established = info.frame_register_offset
        in_body = offset is None or offset >= info.prolog_size
        if info.frame_register and (in_body or (established is not None and established <= (offset or 0))):
            return self.registers[info.frame_register] - info.frame_offset
        return self.registers["rsp"]

    def _undo(self, code: UnwindCode, info: UnwindInfo, base: int) -> None:
        match code.op:
            case UnwindOp.PUSH_NONVOL:
                self._pop(code.register)
            case UnwindOp.ALLOC_LARGE | UnwindOp.ALLOC_SMALL:
                self._move(code.operand)
            case UnwindOp.SET_FPREG if info.frame_register:
                self.registers["rsp"] = (self.registers[info.frame_register] - info.frame_offset) & _MASK
            case UnwindOp.SAVE_NONVOL | UnwindOp.SAVE_NONVOL_FAR:
                self._restore(code.register, base + code.operand)
            case UnwindOp.SAVE_XMM128 | UnwindOp.SAVE_XMM128_FAR if code.register in self.registers:
                self._restore(code.register, base + code.operand, 16)
            case UnwindOp.PUSH_MACHFRAME:
                self._take_machine_frame(bool(code.info))

    def _take_machine_frame(self, has_error_code: bool) -> None:
        """RIP, CS, EFLAGS, RSP, SS as the processor pushed them, behind an error code or not."""
        at = self.registers["rsp"] + (8 if has_error_code else 0)
        self.trap_frame = at & _MASK
        values = [read_integer(self._memory, at + 8 * index) for index in range(5)]
        self.registers["rip"] = values[0]
        self.registers["rsp"] = values[3]
        for name, value in (("cs", values[1] & 0xFFFF), ("efl", values[2] & 0xFFFFFFFF), ("ss", values[4] & 0xFFFF)):
            if name in self.registers:
                self.registers[name] = value

    def _restore(self, register: str, address: int, size: int = 8) -> None:
        self.registers[register] = read_integer(self._memory, address, size)
        self.saved[register] = address & _MASK

    def _pop(self, register: str) -> None:
        address = self.registers["rsp"]
        self._move(8)
        self._restore(register, address)

    def _move(self, size: int) -> None:
        self.registers["rsp"] = (self.registers["rsp"] + size) & _MASK
