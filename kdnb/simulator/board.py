"""RAM, processors, clock and devices, and who runs when.

Processors run in turns of a fixed number of instructions and the clock counts turns, never wall time, so the same
actions give the same run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.simulator.cpu import INTERRUPT_FLAG, Halt, Processor
from kdnb.simulator.devices import Devices
from kdnb.simulator.interrupts import start
from kdnb.simulator.loader import PROCESSOR_COUNT, load_guest, startup_stack

if TYPE_CHECKING:
    from kdnb.simulator.architecture import Architecture
    from kdnb.simulator.memory import PhysicalMemory
    from kdnb.simulator.pci import PciConfiguration

__all__ = ["Board"]

SLICE = 5000
"""Instructions in one turn of a processor."""

ROUNDS_PER_TICK = 4
"""Rounds of turns between two clock interrupts: 20000 instructions of each processor, 1/64 s of the guest's time."""

_EARLY_END_COST = SLICE // 4  # how much of a turn an event uses up: unicorn doesn't say how far it came
_CLOCK_VECTOR = 0xD1


class Board:
    """The hardware, reset and loaded with the guest. A reset of a running machine is a new board in the same RAM."""

    def __init__(
        self, scenario: str, memory: PhysicalMemory, pci: PciConfiguration, architecture: Architecture
    ) -> None:
        memory.clear()
        guest = load_guest(memory, scenario, architecture)
        self.memory = memory
        self.ticks = 0
        self.devices = Devices(lambda: self.ticks, pci)
        self.kernel_base = guest.kernel_base
        self.processors = [Processor(number, memory, guest, self.devices) for number in range(PROCESSOR_COUNT)]
        for processor in self.processors:
            stack = startup_stack(architecture, processor.number)
            start(processor, guest.entry, stack, (architecture.loader_block, processor.number))
        self.processors[0].started = True
        self._turn = 0
        self._budget = SLICE
        self._rounds = 0

    @property
    def is_idle(self) -> bool:
        """Whether every processor waits for the next tick, pending already or not: between two runs it always is."""
        return all(processor.halted for processor in self._running())

    def run_turn(self) -> tuple[Processor, Halt] | None:
        """Go on with the turn of the processor whose turn it is; None where it has nothing to do.

        Raises `TripleFault`.
        """
        processor = self.processors[self._turn]
        result = None
        if processor.started:
            if processor.interrupt_pending and processor.get("eflags") & INTERRUPT_FLAG:
                processor.interrupt_pending = False
                processor.deliver(_CLOCK_VECTOR)
            if not processor.halted:
                result = processor, processor.run(self._budget)
        ended_early = result is not None and result[1] in (Halt.EXCEPTION, Halt.WATCH, Halt.SYSTEM_CALL)
        self._budget -= _EARLY_END_COST if ended_early else SLICE
        if self._budget <= 0:
            self._next_turn()
        return result

    def forget_translations(self) -> None:
        """Somebody wrote to RAM from outside."""
        for processor in self.processors:
            processor.forget_translations()

    def _running(self) -> list[Processor]:
        return [processor for processor in self.processors if processor.started]

    def _next_turn(self) -> None:
        self._budget = SLICE
        self._turn = (self._turn + 1) % PROCESSOR_COUNT
        if self._turn:
            return
        self._rounds += 1
        if self.devices.ready:
            for processor in self.processors:
                processor.started = True
        if self._rounds >= ROUNDS_PER_TICK or self.is_idle:
            self._rounds = 0
            self.ticks += 1
            for processor in self._running():
                processor.interrupt_pending = True
