"""Which physical memory a dump holds."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.crash_dump import Run, memory_runs
from kdnb.errors import UnsupportedError
from kdnb.simulator.architecture import X86
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

VARIABLE, DESCRIPTOR = 0xFFFFF000_00001000, 0xFFFFF000_00002000


def with_descriptor(session: Session, monkeypatch: pytest.MonkeyPatch, descriptor: bytes) -> None:
    """The session's memory with a MmPhysicalMemoryBlock."""
    block = session.debugger_data
    assert block is not None
    read = session.memory.read

    def patched(address: int, size: int) -> bytes:
        if address == DESCRIPTOR or DESCRIPTOR < address < DESCRIPTOR + len(descriptor):
            return descriptor[address - DESCRIPTOR :][:size].ljust(size, b"\0")
        return read(address, size)

    monkeypatch.setattr(session.memory, "read", patched)
    monkeypatch.setattr(session.memory, "read_pointer", lambda address: DESCRIPTOR if address == VARIABLE else 0)
    monkeypatch.setattr(block, "get", lambda name: VARIABLE if name == "mm_physical_memory_block" else None)


def test_the_system_s_own_list_of_runs_counts(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    with_descriptor(session, monkeypatch, struct.pack("<I4xQ4Q", 2, 0x19E, 1, 0x9E, 0x100, 0x100))
    assert memory_runs(session) == (Run(1, 0x9E), Run(0x100, 0x100))


@pytest.mark.parametrize(
    "descriptor",
    [
        struct.pack("<I4xQ", 0, 0),
        struct.pack("<I4xQ", 43, 1),
        struct.pack("<I4xQ2Q", 1, 5, 1, 6),
        struct.pack("<I4xQ2Q", 1, 5, 1 << 50, 5),
        struct.pack("<I4xQ2Q", 1, 1 << 50, 0, 1 << 50),
    ],
)
def test_a_damaged_list_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch, descriptor: bytes) -> None:
    with_descriptor(session, monkeypatch, descriptor)
    with pytest.raises(UnsupportedError, match="damaged"):
        memory_runs(session)


def test_page_counts_do_where_there_is_no_list(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = memory_runs(session)
    assert run.first + run.count == session.evaluate("poi(nt!MmHighestPhysicalPage)") + 1
    monkeypatch.setattr(session.debugger_data, "get", lambda _: None)
    with pytest.raises(UnsupportedError, match="doesn't say"):
        memory_runs(session)


def test_other_machines_are_refused() -> None:
    with serve(architecture=X86) as address, open_session(address) as session:
        session.connect(TIMEOUT)
        with pytest.raises(UnsupportedError, match="only x64"):
            memory_runs(session)
