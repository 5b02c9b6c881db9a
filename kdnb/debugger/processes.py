"""The current process and thread, and a processor's control regions; by the offsets that the KDBG block gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import UnsupportedError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["Processes"]

PCR_SELECTOR, PRCB_SELECTOR = 0, 1
"""Control space of 64-bit targets (the protocol reference 3.7)."""


class Processes:
    """Thin: what expressions and breakpoints need. Without the block each answer says what is missing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def current_thread(self) -> int:
        """KTHREAD of the current processor."""
        change = self._session.change
        self._session.require_stopped()
        assert change is not None
        return change.thread & self._session.address_mask

    def current(self) -> int:
        """EPROCESS to which the current thread belongs."""
        return self._session.memory.read_pointer(self.current_thread() + self._field("offset_kthread_apc_process"))

    def teb(self) -> int:
        return self._session.memory.read_pointer(self.current_thread() + self._field("offset_kthread_teb"))

    def peb(self) -> int:
        return self._session.memory.read_pointer(self.current() + self._field("offset_eprocess_peb"))

    def directory_table_base(self, process: int) -> int:
        """Physical address of a process's page tables."""
        return self._session.memory.read_pointer(process + self._field("offset_eprocess_directory_table_base"))

    def prcb(self, processor: int | None = None) -> int:
        """KPRCB of a processor."""
        session = self._session
        number = session.current_processor if processor is None else processor
        if session.machine != MachineType.I386:
            return int.from_bytes(session.target.read_control_space(number, PRCB_SELECTOR, 8), "little")
        return session.memory.read_pointer(self._field("ki_processor_block") + number * session.pointer_size)

    def pcr(self, processor: int | None = None) -> int:
        """KPCR of a processor."""
        session = self._session
        number = session.current_processor if processor is None else processor
        if session.machine != MachineType.I386:
            return int.from_bytes(session.target.read_control_space(number, PCR_SELECTOR, 8), "little")
        return self.prcb(number) - self._field("offset_pcr_contained_prcb")

    def _field(self, name: str) -> int:
        block = self._session.debugger_data
        value = block.get(name) if block is not None else None
        if value is None:
            raise UnsupportedError(
                f"the target's data block doesn't give {name}", "it is not initialised yet, or of another version"
            )
        return value & self._session.address_mask
