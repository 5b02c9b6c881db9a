"""The simulated machine with the true call chain of every stack kept beside it, from the instructions it executes.

Nothing of it comes from unwind data: calls, interrupts and returns are noted where they put and take their addresses.
"""

from __future__ import annotations

import contextlib
import random
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import capstone
import unicorn

from kdnb.simulator import board
from kdnb.simulator.architecture import AMD64
from kdnb.simulator.cpu import Halt, Processor
from kdnb.simulator.loader import STACK_SLOT, guest_files
from kdnb.simulator.machine import Machine
from kdnb.simulator.serve import Server
from kdnb.simulator.unicorn_state import VECTORS_WITH_ERROR_CODE
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from kdnb.transport.registry import listen
from tests.debugger.simulated import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.simulator.architecture import Architecture

CLOCK = 0xD1
USER_STACK_SLOT = 0x10000
TASK_RSP0 = 4
FRAME_SP = 0x18
"""Of the stack pointer that a trap keeps, behind the instruction pointer."""
DEBUG = 1


class Recorder:
    """The live return addresses of all stacks, and when to stop next."""

    def __init__(self, seed: int, architecture: Architecture) -> None:
        self.pointer_size = architecture.pointer_size
        self.service_entry = _address_of("KiServiceInternal") if architecture is AMD64 else 0
        self.live: dict[int, int] = {}
        """Stack slot -> the return address, or the interrupted instruction, that lies there."""
        self.armed = False
        self._random = random.Random(seed)
        self._left = 0
        self._kinds: dict[int, tuple[str, int]] = {}
        mode = capstone.CS_MODE_64 if architecture is AMD64 else capstone.CS_MODE_32
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, mode)

    def arm(self, instructions: int = 0) -> None:
        """Stop after so many instructions, by default a random number, of whatever processor."""
        self._left = instructions or self._random.randrange(1, 4000)
        self.armed = True

    def is_due(self) -> bool:
        if not self.armed:
            return False
        self._left -= 1
        self.armed = self._left > 0
        return not self.armed

    def kind(self, processor: Processor, address: int, size: int) -> tuple[str, int]:
        """(`call`, `ret`, `iret`, `syscall` or nothing, address behind) of an instruction."""
        if address not in self._kinds:
            found = next(self._decoder.disasm_lite(processor.read(address, size), address), None)
            name = found[2] if found else ""
            name = "iret" if name in ("iretd", "iretq") else name
            self._kinds[address] = (name if name in ("call", "ret", "iret", "syscall") else "", address + size)
        return self._kinds[address]

    def chain(self, sp: int, read_pointer: Callable[[int], int]) -> list[int]:
        """The return addresses on the stack around `sp`, innermost first; 0 ends every stack.

        A trap from user mode has kept the stack pointer of that: the chain goes on there.
        """
        top_bit = 8 * self.pointer_size - 1
        size = STACK_SLOT if sp >> top_bit else USER_STACK_SLOT
        slots = [slot for slot in sorted(self.live) if sp <= slot < (sp // size + 1) * size]
        found = [self.live[slot] for slot in slots]
        if sp >> top_bit and slots and not found[-1] >> top_bit:
            return found + self.chain(read_pointer(slots[-1] + FRAME_SP), read_pointer)
        return [*found, 0]

    def is_entering(self, sp: int) -> bool:
        """Whether a system call's entry, on the kernel's stack already, has yet to push the address to return to."""
        bottom = sp // STACK_SLOT * STACK_SLOT
        return bool(sp >> 8 * self.pointer_size - 1) and any(bottom <= slot < sp for slot in self.live)


class RecordedProcessor(Processor):
    recorder: Recorder

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._last = ("", 0, 0)
        self._uc.hook_add(unicorn.UC_HOOK_CODE, self._on_instruction)

    def _on_instruction(self, uc: Any, address: int, size: int, data: object) -> None:
        self._settle()
        if address == self.recorder.service_entry:
            # The stub has built by hand what an interrupt would push, and came here by a jump.
            self.recorder.live[self.sp] = self.read_pointer(self.sp)
        if self.recorder.is_due():
            self.vector, self._stop = DEBUG, Halt.EXCEPTION
            uc.emu_stop()
            return
        self._last = (*self.recorder.kind(self, address, size), self.sp)
        if self._last[0] == "iret":
            self.recorder.live.pop(self.sp, None)

    def _settle(self) -> None:
        """Note what the last instruction did to the stack."""
        (name, behind, sp), self._last = self._last, ("", 0, 0)
        if name == "call":
            self.recorder.live[sp - self.recorder.pointer_size] = behind
        elif name == "ret":
            self.recorder.live.pop(sp, None)
        elif name == "syscall":  # the entry pushes what an interrupt would have, on the stack of such
            self.recorder.live[self.read_pointer(self.table_register("tr")[1] + TASK_RSP0) - 40] = behind

    def deliver(self, vector: int, error_code: int | None = None) -> None:
        if vector == CLOCK:
            self._settle()  # between two instructions; a fault's own instruction has not run
        self._last = ("", 0, 0)
        interrupted = self.pc
        super().deliver(vector, error_code)
        has_code = vector in VECTORS_WITH_ERROR_CODE and error_code is not None
        slot = self.sp + (self.recorder.pointer_size if has_code else 0)
        self.recorder.live[slot] = interrupted


def _address_of(symbol: str) -> int:
    """An address in the kernel, by its PDB."""
    (kernel,) = (file for file in guest_files() if file.name == "ntoskrnl.exe")
    rva = next(public.rva for public in PdbFile.open(kernel.pdb).publics() if public.name == symbol)
    return PeImage.from_file(kernel.image).image_base + rva


@contextlib.contextmanager
def serve_recorded(scenario: str, seed: int, architecture: Architecture = AMD64) -> Iterator[tuple[str, Recorder]]:
    """A booted machine that waits for a client; its connection string and its recorder."""
    recorder = Recorder(seed, architecture)
    with mock.patch.object(board, "Processor", type("Recorded", (RecordedProcessor,), {"recorder": recorder})):
        machine = Machine(scenario, architecture)
        machine.boot()
        listener = listen("tcp:127.0.0.1:0")
        server = Server(machine, listener)
        thread = threading.Thread(target=server.run, name="simulated machine", daemon=True)
        thread.start()
        try:
            yield listener.address, recorder
        finally:
            recorder.armed = False
            server.close()
            thread.join(TIMEOUT)
            listener.close()
