"""The variables of a stack frame, with their values: `dv`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.codeview_registers import VFRAME_NAME, frame_register, register_name
from kdnb.debugger.cplusplus_types import c_words
from kdnb.debugger.register_names import ALIASES, part_of
from kdnb.debugger.stacks import walk
from kdnb.debugger.typed import TypedReader
from kdnb.errors import MemoryReadError, SymbolFileError, UnknownNameError, UsageError
from kdnb.protocol.constants import MachineType
from kdnb.results.locals import Local, LocalList
from kdnb.symbols.types import Scalar, StructType, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.debugger.session import Session
    from kdnb.results.stack import Frame, Stack
    from kdnb.symbols.locals import LocalVariable, Place
    from kdnb.symbols.types import FieldType, TypeTable

__all__ = ["local_variables", "parameter_types", "parameters", "typed_local"]

NO_LOCALS = "Unable to enumerate locals, HRESULT 0x80004005"
_PRESERVED = {
    MachineType.AMD64: ("rbx", "rbp", "rsi", "rdi", "rsp", "r12", "r13", "r14", "r15"),
    MachineType.I386: ("ebx", "ebp", "esi", "edi", "esp"),
    MachineType.ARM64: (*(f"x{number}" for number in range(19, 29)), "fp", "sp"),
}
"""Registers whose values in a caller the unwinder knows; the others hold what the callee left."""
MOST_BYTES = 0x1000


def local_variables(session: Session, address: int | None = None) -> LocalList:
    """The variables of the frame chosen by `.frame`, or without values those of the code at an address.

    Raises `UsageError` where the PDB has none.
    """
    if address is not None:
        found = _described(session, address, {})
        if found is None:
            raise UsageError(NO_LOCALS, "private symbols (symbols.pri) are required for locals")
        return LocalList(found, session.symbols.format(address), session.pointer_size)
    stack = walk(session, session.scope.frame + 1)
    if len(stack.frames) <= session.scope.frame:
        raise UsageError("the chosen frame is gone", ".frame 0 chooses the innermost")
    frame = stack.frames[session.scope.frame]
    found = _variables(session, stack, frame)
    if found is None:
        raise UsageError(NO_LOCALS, "private symbols (symbols.pri) are required for locals")
    return LocalList(found, frame.symbol, session.pointer_size)


def typed_local(session: Session, name: str) -> tuple[FieldType, int | None, bytes] | None:
    """Type, address (None in a register) and bytes of a variable of the chosen frame; None where there is none.

    Symbols are not loaded for it. Raises `UsageError` where the compiler keeps the variable nowhere now.
    """
    stack = walk(session, session.scope.frame + 1)
    frame = stack.frames[-1] if len(stack.frames) > session.scope.frame else None
    module = session.modules.find(frame.instruction_pointer) if frame is not None else None
    if frame is None or module is None or module.symbol_status == "deferred" or module.pdb is None:
        return None
    try:
        found = module.pdb.locals_at(
            frame.instruction_pointer - module.base, lambda bits: frame_register(session.machine, bits)
        )
        reader = _Reader(session, _known_registers(session, frame), module.pdb.types)
    except SymbolFileError:
        return None
    variable = next((one for one in found or () if one.name == name), None)
    if variable is None:
        return None
    try:
        return reader.typed(variable)
    except UnknownNameError as error:
        raise UsageError(f"{name} is unavailable: {error.message}", "dv /V says where variables are") from error


def parameters(session: Session, stack: Stack, frame: Frame) -> tuple[Local, ...]:
    """The parameters of a frame (`kp`); none where the PDB has none."""
    return tuple(variable for variable in _variables(session, stack, frame) or () if variable.is_parameter)


def parameter_types(session: Session, address: int) -> list[str] | None:
    """C's words for what the function at an address takes; None where the PDB doesn't tell."""
    found = _described(session, address, {})
    return None if found is None else [variable.type for variable in found if variable.is_parameter]


def _variables(session: Session, stack: Stack, frame: Frame) -> tuple[Local, ...] | None:
    # A return address may lie behind the function's last call, in another one.
    exact = frame.number == 0 or stack.frames[frame.number - 1].trap_frame is not None
    address = frame.instruction_pointer - (0 if exact else 1)
    return _described(session, address, _known_registers(session, frame))


def _known_registers(session: Session, frame: Frame) -> Mapping[str, int]:
    """The registers whose values the unwinder knows in a frame."""
    kept = _PRESERVED.get(session.machine, ())
    known = {name: value for name, value in frame.registers.items() if frame.number == 0 or name in kept}
    if session.machine == MachineType.I386:
        known[VFRAME_NAME] = frame.child_sp + 4
    return known


def _described(session: Session, address: int, registers: Mapping[str, int]) -> tuple[Local, ...] | None:
    """The variables of the code at an address, with the values that these registers lead to."""
    module = session.modules.find(address)
    pdb = module.pdb if module is not None else None
    if module is None or pdb is None:
        return None
    try:
        found = pdb.locals_at(address - module.base, lambda bits: frame_register(session.machine, bits))
        reader = _Reader(session, registers, pdb.types)
    except SymbolFileError:
        return None
    return None if found is None else tuple(reader.local(variable) for variable in found)


class _Reader:
    def __init__(self, session: Session, registers: Mapping[str, int], types: TypeTable) -> None:
        self._session, self._registers, self._types = session, registers, types
        self._words = TypedReader(session.memory, session.pointer_size, session.symbols.name_at)

    def local(self, variable: LocalVariable) -> Local:
        of = self._types.type_at(variable.type_index)
        value, place, address = "<value unavailable>", "<unavailable>", None
        if variable.place is not None:
            try:
                place = self._words_of(variable.place)
                address = self._address(variable.place)
                value = self._value(of, self._data(of, variable.place, address))
            except MemoryReadError:
                value = "<Memory access error>"
            except UnknownNameError:
                pass  # in a register that the callee may have used
        return Local(variable.name, c_words(of), value, variable.is_parameter, place, address, of.size)

    def typed(self, variable: LocalVariable) -> tuple[FieldType, int | None, bytes]:
        """Type, address and bytes; `UnknownNameError` where it is nowhere."""
        of = self._types.type_at(variable.type_index)
        if variable.place is None:
            raise UnknownNameError("the compiler keeps it nowhere at this instruction")
        address = self._address(variable.place)
        return of, address, b"" if address is not None else self._data(of, variable.place, None)

    def _name(self, place: Place) -> str:
        name = register_name(self._session.machine, place.register)
        if name is None:
            raise UnknownNameError(f"register {place.register} of a debug record")
        return name

    def _words_of(self, place: Place) -> str:
        """`@rbx`, `@rsp+0x0028`."""
        if place.offset is None:
            return f"@{self._name(place)}"
        return f"@{self._name(place)}{'-' if place.offset < 0 else '+'}0x{abs(place.offset):04x}"

    def _address(self, place: Place) -> int | None:
        """None for what is in a register."""
        if place.offset is None:
            return None
        return (self._register(self._name(place)) + place.offset) & self._session.address_mask

    def _register(self, name: str) -> int:
        name = ALIASES.get(name, name)
        part = part_of(self._session.machine, name)
        if part is not None:
            return part.extract(self._register(part.register))
        if name not in self._registers:
            raise UnknownNameError(f"register {name} is not known in this frame")
        return self._registers[name]

    def _data(self, of: FieldType, place: Place, address: int | None) -> bytes:
        size = min(of.size, MOST_BYTES)
        if address is not None:
            return self._session.memory.read(address, size) if size else b""
        name = register_name(self._session.machine, place.register) or ""
        return self._register(name).to_bytes(64, "little")[:size]

    def _value(self, of: FieldType, data: bytes) -> str:
        if isinstance(of, StructType):
            header = self._words.string_header(of, data)
            return f"{of.kind} {of.name}{header}"
        if isinstance(of, Unknown) or (isinstance(of, Scalar) and not of.size):
            return "<unknown type>"
        return self._words.words(of, data).rstrip()
