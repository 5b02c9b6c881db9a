"""Steps the simulated machine one instruction at a time, with its memory and modules as the walkers need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError
from kdnb.protocol.constants import ContinueStatus
from kdnb.protocol.context.amd64 import AMD64Context
from kdnb.simulator.events import Print, Trap
from kdnb.simulator.machine import Machine
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from kdnb.symbols.table import SymbolTable

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class GuestModule:
    base: int
    size: int
    image: PeImage
    symbols: SymbolTable
    frame_table = None


class GuestMemory:
    """What one processor of the machine sees."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.processor = machine, 0

    def read(self, address: int, size: int) -> bytes:
        data = self.machine.read_virtual(self.processor, address, size)
        if len(data) < size:
            raise MemoryReadError(address, size, data)
        return data


class SteppedGuest:
    """A machine that is stepped from its first break on; also the lookup of its modules."""

    def __init__(self, scenario: str) -> None:
        self.machine = Machine(scenario)
        self.machine.boot()
        self.memory = GuestMemory(self.machine)
        self.modules: list[GuestModule] = []

    def find(self, address: int) -> GuestModule | None:
        return next((m for m in self.modules if m.base <= address < m.base + m.size), None)

    def name(self, address: int) -> str:
        """The symbol around `address`, without module."""
        module = self.find(address)
        found = module.symbols.nearest(address - module.base) if module else None
        return found[0] if found else hex(address)

    def steps(self, count: int) -> Iterator[dict[str, int]]:
        """The registers at each of `count` stops, one instruction apart."""
        self._run_to_break()
        self._load_modules()
        for _ in range(count):
            trap = self._step()
            self.memory.processor = trap.processor
            context = AMD64Context.decode(self.machine.get_context(trap.processor))
            values = {field.name: getattr(context, field.name) for field in AMD64Context.fields()}
            yield {name: value for name, value in values.items() if isinstance(value, int)}

    def _run_to_break(self) -> None:
        for turn in range(400):
            event = self.machine.run(10)
            if isinstance(event, Trap):
                return
            if event is not None and not isinstance(event, Print):
                self.machine.resume(ContinueStatus.DBG_CONTINUE, False, 0)
            if turn == 5 and self.machine.scenario != "bugcheck":  # which stops by itself, inside KeBugCheckEx
                self.machine.request_break_in()
        raise AssertionError("the guest doesn't break")

    def _load_modules(self) -> None:
        for _, data, _, pdb in self.machine.images():
            file = PeImage.from_file(data)
            base = file.image_base
            # others than those of the boot are loaded later, and those of user mode are only seen in their process
            is_there = self.machine.read_virtual(self.memory.processor, base, 2)
            image = PeImage.parse(self.memory.read, base) if is_there else file
            symbols = SymbolTable.from_pdb(PdbFile.open(pdb))
            self.modules.append(GuestModule(base, image.size_of_image, image, symbols))

    def _step(self) -> Trap:
        processor = self.memory.processor
        context = AMD64Context.decode(self.machine.get_context(processor))
        if self.memory.read(context.rip, 1) == b"\xcc":  # a hard-coded breakpoint is stepped over by hand
            self._set_rip(processor, context.rip + 1)
        self.machine.resume(ContinueStatus.DBG_CONTINUE, True, 0)
        for _ in range(1000):
            event = self.machine.run(5)
            if isinstance(event, Trap):
                return event
            if event is not None and not isinstance(event, Print):
                self.machine.resume(ContinueStatus.DBG_CONTINUE, True, 0)
            elif self.machine.is_idle:
                self.machine.request_break_in()
        raise AssertionError("the guest doesn't stop after a step")

    def _set_rip(self, processor: int, rip: int) -> None:
        data = bytearray(self.machine.get_context(processor))
        place = next(field for field in AMD64Context.fields() if field.name == "rip")
        data[place.offset : place.offset + 8] = rip.to_bytes(8, "little")
        self.machine.set_context(processor, bytes(data))
