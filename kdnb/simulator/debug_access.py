"""What a debugger reads and writes in the machine: memory, registers, ports, and where the guest keeps things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.simulator.architecture import AMD64, Architecture
from kdnb.simulator.loader import guest_exports, guest_files
from kdnb.simulator.memory import PhysicalMemory
from kdnb.simulator.register_forms import forms_of

if TYPE_CHECKING:
    from kdnb.simulator.board import Board
    from kdnb.simulator.cpu import Processor
    from kdnb.simulator.register_forms import SavedFrames

__all__ = ["DebugAccess"]

_DEBUGGER_DATA_LIST = 32  # in DBGKD_GET_VERSION64


class DebugAccess:
    """The side of a `Machine` that doesn't run: meant for one that stands still, though nothing enforces it."""

    _board: Board

    def __init__(self, architecture: Architecture = AMD64) -> None:
        self.architecture = architecture
        self._forms = forms_of(architecture)
        self._memory = PhysicalMemory()
        self._exports = guest_exports(architecture)
        self._wrote = False

    def _frames(self, processor: int) -> SavedFrames | None:
        """Where the registers of the stopped code lie, if not in the processor."""
        return None

    @property
    def processors(self) -> list[Processor]:
        return self._board.processors

    def read_virtual(self, processor: int, address: int, size: int) -> bytes:
        """Up to the first hole."""
        return self.processors[processor].read(self.architecture.truncate(address), size)

    def write_virtual(self, processor: int, address: int, data: bytes) -> int:
        """Bytes written, up to the first hole; page protection doesn't hinder a debugger."""
        self._wrote = True
        return self.processors[processor].write(self.architecture.truncate(address), data)

    def physical_address(self, processor: int, address: int) -> int | None:
        """By the processor's page tables; None where nothing is mapped."""
        return self.processors[processor].translate(self.architecture.truncate(address))

    def read_physical(self, address: int, size: int) -> bytes:
        return self._memory.read(address, size)

    def write_physical(self, address: int, data: bytes) -> int:
        self._wrote = True
        return self._memory.write(address, data)

    def get_context(self, processor: int) -> bytes:
        """CONTEXT: 0x4D0 bytes, on x86 0x2CC."""
        return self._forms.read_context(self.processors[processor], self._frames(processor))

    def set_context(self, processor: int, data: bytes) -> None:
        self._forms.write_context(self.processors[processor], data, self._frames(processor))

    def get_special(self, processor: int) -> bytes:
        """KSPECIAL_REGISTERS: 0xF0 bytes, on x86 0x54."""
        return self._forms.read_special(self.processors[processor])

    def set_special(self, processor: int, data: bytes) -> None:
        self._forms.write_special(self.processors[processor], data)

    def msr_read(self, processor: int, number: int) -> int:
        """Raises `KeyError` for a number that the processor doesn't have."""
        if number not in self._forms.KNOWN_MSRS:
            raise KeyError(number)
        return self.processors[processor].msr_read(number)

    def msr_write(self, processor: int, number: int, value: int) -> None:
        if number not in self._forms.KNOWN_MSRS:
            raise KeyError(number)
        self.processors[processor].msr_write(number, value)

    def io_read(self, port: int, size: int) -> int:
        return self._board.devices.read(port & 0xFFFF, size)

    def io_write(self, port: int, size: int, value: int) -> None:
        self._board.devices.write(port & 0xFFFF, size, value)

    # --- where the guest keeps things ----------------------------------------------------------------------------

    def pcr(self, processor: int) -> int:
        """Address of the KPCR, 0 before the processor has one."""
        return self.processors[processor].system_pointer

    def prcb(self, processor: int) -> int:
        return self.pcr(processor) + self.architecture.prcb if self.pcr(processor) else 0

    def thread(self, processor: int) -> int:
        """Address of the running KTHREAD."""
        prcb = self.prcb(processor)
        if not prcb:
            return 0
        return self.processors[processor].read_pointer(prcb + self.architecture.current_thread)

    @property
    def kernel_base(self) -> int:
        return self._board.kernel_base

    @property
    def build(self) -> int:
        return self._read_export("NtBuildNumber", 4) & 0xFFFF

    @property
    def loaded_module_list(self) -> int:
        return self._exports["PsLoadedModuleList"]

    @property
    def debugger_data_list(self) -> int:
        """Address of the list head that leads to the KDBG block; 0 before the kernel has set it up."""
        return self.processors[0].read_number(self._exports["KdVersionBlock"] + _DEBUGGER_DATA_LIST, 8)

    def images(self) -> list[tuple[str, bytes, str, bytes]]:
        """The guest's files: image name, image, PDB name, PDB."""
        return [(file.name, file.image, file.pdb_name, file.pdb) for file in guest_files(self.architecture)]

    def _read_export(self, name: str, size: int) -> int:
        return int.from_bytes(self.processors[0].read(self._exports[name], size), "little")
