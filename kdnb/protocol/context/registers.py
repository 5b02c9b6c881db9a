"""Register records by machine, and registers by name: `xmm3` is the fourth element of the field `xmm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kdnb.errors import UnknownNameError
from kdnb.protocol.constants import MachineType
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.context.arm import ARMContext
from kdnb.protocol.context.arm64 import ARM64Context, ARM64SpecialRegisters
from kdnb.protocol.context.x86 import X86Context, X86SpecialRegisters
from kdnb.protocol.wire import Structure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["context_type", "register_values", "special_registers_type", "with_registers"]

AnyStructure = TypeVar("AnyStructure", bound=Structure)

CONTEXT_TYPES: dict[int, type[Structure]] = {
    MachineType.I386.value: X86Context,
    MachineType.AMD64.value: AMD64Context,
    MachineType.ARM64.value: ARM64Context,
    MachineType.ARM.value: ARMContext,
    MachineType.ARMNT.value: ARMContext,
}

SPECIAL_TYPES: dict[int, type[Structure]] = {
    MachineType.I386.value: X86SpecialRegisters,
    MachineType.AMD64.value: AMD64SpecialRegisters,
    MachineType.ARM64.value: ARM64SpecialRegisters,
}


def context_type(machine: int) -> type[Structure] | None:
    """CONTEXT of a machine; None where it is unknown."""
    return CONTEXT_TYPES.get(machine)


def special_registers_type(machine: int) -> type[Structure] | None:
    """KSPECIAL_REGISTERS of a machine; None where it is unknown."""
    return SPECIAL_TYPES.get(machine)


def register_values(record: Structure) -> dict[str, int]:
    """Every register of the record by name, in the record's order."""
    values = {}
    for register, (name, index) in record.layout().integers.items():
        value = getattr(record, name)
        values[register] = value if index is None else value[index]
    return values


def with_registers(record: AnyStructure, changes: Mapping[str, int]) -> AnyStructure:
    """A copy with the named registers changed. Raises `UnknownNameError` for a name that the record doesn't have."""
    places = record.layout().integers
    fields: dict[str, Any] = {}
    for register, value in changes.items():
        if register not in places:
            raise UnknownNameError(f"{type(record).__name__} has no register {register}")
        name, index = places[register]
        if index is None:
            fields[name] = value
        else:
            elements = fields.get(name, getattr(record, name))
            fields[name] = (*elements[:index], value, *elements[index + 1 :])
    return record.replace(**fields)
