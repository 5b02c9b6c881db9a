"""From one ARM64 frame to its caller by the image's unwind data (the protocol reference 8.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.unwind_step import UnwindStep, read_integer
from kdnb.errors import SymbolFileError
from kdnb.symbols.unwind_arm64 import Arm64Code, Arm64Function, Arm64Op
from kdnb.symbols.unwind_info import RuntimeFunction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kdnb.results.memory import MemoryReader
    from kdnb.symbols.pe import PeImage

__all__ = ["unwind_arm64", "unwind_arm64_leaf"]

_MASK = 0xFFFFFFFFFFFFFFFF
_CONTEXT = {**{f"x{n}": 0x08 + 8 * n for n in range(29)}, "fp": 0xF0, "lr": 0xF8, "sp": 0x100, "pc": 0x108}


def unwind_arm64_leaf(registers: Mapping[str, int], memory: MemoryReader, warning: str = "") -> UnwindStep:
    """The caller of a function that has saved nothing: lr knows it."""
    return UnwindStep({**registers, "pc": _without_signature(registers["lr"])}, warning=warning)


def unwind_arm64(
    registers: Mapping[str, int], memory: MemoryReader, image: PeImage, base: int, exact: bool
) -> UnwindStep:
    """The caller of the function around `pc` in the image at `base`; arguments and errors as for x64."""
    rva = registers["pc"] - base
    function = image.arm64_functions.lookup(rva if exact else rva - 1)
    if function is None:
        return unwind_arm64_leaf(registers, memory)
    frame = _Frame(registers, memory)
    frame.undo(_codes_left(function, rva, exact))
    entry = RuntimeFunction(function.begin, function.end, function.unwind)
    return frame.finish(entry)


def _codes_left(function: Arm64Function, rva: int, exact: bool) -> Sequence[Arm64Code]:
    """The codes that undo what has run of the function at `rva`."""
    at = rva - function.begin
    # No epilog holds a call; a prolog may: it calls __chkstk before a large frame is there.
    for epilog in function.epilogs if exact else ():
        if epilog.start <= at < epilog.start + epilog.size:
            return _skip(epilog.codes, (at - epilog.start) // 4)
    return _skip(function.codes, max(function.prolog_instructions - at // 4, 0))


def _skip(codes: Sequence[Arm64Code], count: int) -> Sequence[Arm64Code]:
    """The codes behind the first `count` that stand for instructions."""
    for index, code in enumerate(codes):
        if count == 0:
            return codes[index:]
        count -= code.is_instruction
    return ()


class _Frame:
    """The registers of one frame while they turn into the caller's."""

    def __init__(self, registers: Mapping[str, int], memory: MemoryReader) -> None:
        self.registers = dict(registers)
        self.saved: dict[str, int] = {}
        self.trap_frame: int | None = None
        self._memory = memory

    def undo(self, codes: Sequence[Arm64Code]) -> None:
        for index, code in enumerate(codes):
            if code.op is Arm64Op.END or self.trap_frame is not None:
                return
            self._undo(_following_pair(codes, index) if code.op is Arm64Op.SAVE_NEXT else code)

    def finish(self, function: RuntimeFunction) -> UnwindStep:
        if self.trap_frame is None:
            self.registers["pc"] = _without_signature(self.registers["lr"])
        return UnwindStep(self.registers, function, saved=self.saved, trap_frame=self.trap_frame)

    def _undo(self, code: Arm64Code) -> None:
        registers = self.registers
        match code.op:
            case Arm64Op.ALLOC:
                registers["sp"] = (registers["sp"] + code.amount) & _MASK
            case Arm64Op.SAVE:
                self._restore(code)
            case Arm64Op.SET_FP:
                registers["sp"] = registers["fp"]
            case Arm64Op.ADD_FP:
                registers["sp"] = (registers["fp"] - code.amount) & _MASK
            case Arm64Op.SIGN_LR:
                registers["lr"] = _without_signature(registers["lr"])
            case Arm64Op.MACHINE_FRAME:
                self.trap_frame = at = registers["sp"]
                registers["sp"], registers["pc"] = read_integer(self._memory, at), read_integer(self._memory, at + 8)
            case Arm64Op.CONTEXT:
                self.trap_frame = at = registers["sp"]
                registers.update({name: read_integer(self._memory, at + place) for name, place in _CONTEXT.items()})
            case Arm64Op.UNKNOWN | Arm64Op.CUSTOM:
                raise SymbolFileError("an ARM64 unwind code that is not known here")

    def _restore(self, code: Arm64Code) -> None:
        sp = self.registers["sp"]
        size = 16 if code.registers[0][0] == "q" else 8
        for index, name in enumerate(code.registers):
            address = (sp + code.offset + size * index) & _MASK
            self.saved[name] = address
            if name[0] in "dq":
                self._restore_vector(name, address, size)
            else:
                self.registers[name] = read_integer(self._memory, address)
        self.registers["sp"] = (sp + code.amount) & _MASK

    def _restore_vector(self, name: str, address: int, size: int) -> None:
        """`d8` is the low half of `v8`, which is all that a function must keep."""
        whole = "v" + name[1:]
        if whole in self.registers:
            kept = self.registers[whole] >> 8 * size << 8 * size
            self.registers[whole] = kept | read_integer(self._memory, address, size)


def _following_pair(codes: Sequence[Arm64Code], index: int) -> Arm64Code:
    """The save that a SAVE_NEXT stands for: the pair behind that of the code after it, which ran before it."""
    distance = 0
    while index < len(codes) and codes[index].op is Arm64Op.SAVE_NEXT:
        index, distance = index + 1, distance + 1
    base = codes[index] if index < len(codes) else Arm64Code(Arm64Op.UNKNOWN)
    if base.op is not Arm64Op.SAVE or len(base.registers) != 2 or not base.registers[0][1:].isdecimal():
        return Arm64Code(Arm64Op.UNKNOWN)
    bank, number = base.registers[0][0], int(base.registers[0][1:]) + 2 * distance
    names = tuple({"x29": "fp", "x30": "lr"}.get(name, name) for name in (f"{bank}{number}", f"{bank}{number + 1}"))
    return Arm64Code(Arm64Op.SAVE, 0, names, base.offset + 16 * distance)


def _without_signature(address: int) -> int:
    """The address without its pointer authentication code: bit 55 says what stood above bit 47."""
    return address | 0xFFFF_0000_0000_0000 if address >> 55 & 1 else address & 0x0000_FFFF_FFFF_FFFF
