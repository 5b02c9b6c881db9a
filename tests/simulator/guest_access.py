"""What several tests of the simulated machine do with it: names of the guest, contexts, running to an event."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.simulator.events import FileWanted, LoadSymbols, MachineEvent, Trap
from kdnb.simulator.machine import Machine
from kdnb.symbols.pdb import PdbFile

DBG_CONTINUE, DBG_EXCEPTION_NOT_HANDLED = 0x10002, 0x80010001
BREAKPOINT, SINGLE_STEP, ACCESS_VIOLATION = 0x80000003, 0x80000004, 0xC0000005
NO_WATCH = 0x400

Event = TypeVar("Event", bound=MachineEvent)


@cache
def guest_names() -> dict[str, int]:
    """Addresses of the guest's public symbols, as `nt!Name`, `disk!Name`."""
    names = {}
    for file, image, _pdb_name, pdb in Machine("boot").images():
        header = int.from_bytes(image[0x3C:0x40], "little")
        base = int.from_bytes(image[header + 48 : header + 56], "little")
        module = "nt" if file == "ntoskrnl.exe" else file.split(".")[0]
        names |= {f"{module}!{symbol.name}": base + symbol.rva for symbol in PdbFile.open(pdb).publics()}
    return names


def booted(scenario: str = "idle") -> Machine:
    machine = Machine(scenario)
    machine.boot()
    return machine


def context(machine: Machine, processor: int = 0) -> AMD64Context:
    return AMD64Context.decode(machine.get_context(processor))


def change(machine: Machine, processor: int = 0, **registers: int) -> None:
    machine.set_context(processor, context(machine, processor).replace(**registers).encode())


def run_to(machine: Machine, kind: type[Event], turns: int = 20000) -> Event:
    """The next event of that kind; load notifications on the way are passed."""
    for _ in range(turns):
        event = machine.run(1)
        if isinstance(event, kind):
            return event
        if isinstance(event, LoadSymbols):
            machine.resume(DBG_CONTINUE, trace=False, dr7=None)
        if isinstance(event, FileWanted):
            machine.answer(b"")
        assert not isinstance(event, Trap), event
    raise AssertionError(f"no {kind.__name__} in {turns} turns")


def broken_in(scenario: str = "idle") -> Machine:
    """A booted machine, stopped by a break-in and with the int3 passed."""
    machine = booted(scenario)
    machine.request_break_in()
    trap = run_to(machine, Trap)
    change(machine, trap.processor, rip=trap.address + 1)
    return machine


def call(machine: Machine, code: int, **registers: int) -> None:
    """Make processor 0 go on at `code`, at passive level: a break-in came in the clock interrupt, above it."""
    special = AMD64SpecialRegisters.decode(machine.get_special(0))
    machine.set_special(0, special.replace(cr8=0).encode())
    change(machine, rip=code, **registers)
    machine.resume(DBG_CONTINUE, trace=False, dr7=None)


def read_pointer(machine: Machine, address: int) -> int:
    return int.from_bytes(machine.read_virtual(0, address, 8), "little")


def walk_list(machine: Machine, head: int) -> list[int]:
    """Addresses of the entries of a LIST_ENTRY list."""
    entries = []
    entry = read_pointer(machine, head)
    while entry != head:
        entries.append(entry)
        assert len(entries) < 100, "the list has no end"
        assert read_pointer(machine, read_pointer(machine, entry + 8)) == entry, "Flink and Blink disagree"
        entry = read_pointer(machine, entry)
    return entries
