"""What KPRCB says of the processors, by types and by KDBG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.cpus import control_block, cpu_info
from kdnb.errors import CommandError
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from kdnb.symbols.types import Scalar, StructField, StructType, TypeTable
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

LINES = [
    "CP  F/M/S Manufacturer  MHz Update Signature Features",
    " 0 6,158,10 GenuineIntel 2400 000000d600000000 3d1b3fff",
    " 1 6,158,10 GenuineIntel 2400 000000d600000000 3d1b3fff",
]


def test_processors_are_shown_in_windbgs_layout(session: Session) -> None:
    (found,) = execute(session, "!cpuinfo")
    assert to_text(found).split("\n") == LINES
    assert "GenuineIntel" in str(to_html(found))
    assert list(found.df["stepping"]) == [10, 10]
    assert to_text(execute(session, "!cpuinfo 1")[0]).split("\n") == [LINES[0], LINES[2]]
    with pytest.raises(CommandError, match="Cannot get PRCB address of processor 7"):
        execute(session, "!cpuinfo 7")


def test_x86_has_the_same(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT)
        assert to_text(execute(session, "!cpuinfo")[0]).split("\n") == LINES


def test_without_types_kdbg_leads_to_most_of_it() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        found = cpu_info(bare, 1)
        assert (found.family, found.model, found.manufacturer, found.mhz) == (6, 158, "GenuineIntel", 2400)
        assert found.update_signature is None


def test_a_processors_block_is_shown_with_what_its_types_lack(session: Session) -> None:
    prcb, idle = session.processes.prcb(1), session.processes.processors()[1].idle
    shown = to_text(execute(session, "!prcb 1")[0]).split("\n")
    assert shown[0] == f"PRCB for Processor 1 at {prcb:016x}:"
    assert shown[1] == to_text(execute(session, "!irql 1")[0]).split(" (")[0].replace(
        "Debugger saved IRQL for processor 0x1", "Current IRQL"
    )
    current = session.processes.running_thread(1)
    count = session.evaluate(f"@@c++(((nt!_KPRCB *)0x{prcb:x})->InterruptCount)")
    assert shown[2] == f"Threads--  Current {current:016x} Next {0:016x} Idle {idle:016x}"
    assert shown[3] == "Processor Index 1 Number (?, ?) GroupSetMember ?"
    assert shown[4] == f"Interrupt Count -- {count:08x}"
    assert shown[5:] == [
        "Times -- Dpc    ???????? Interrupt ????????",
        "         Kernel ???????? User      ????????",
        "Not known of this build: Group, GroupIndex, GroupSetMember, DpcTime, InterruptTime, KernelTime, UserTime",
    ]


def test_a_kernel_with_all_fields_shows_them_as_windbg_does(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    prcb, place = session.processes.prcb(0), 0x90  # reserved in the guest's KPRCB
    fields = [("DebuggerSavedIRQL", 1, 28), ("Group", 1, 0), ("GroupIndex", 1, 0), ("GroupSetMember", 8, 1),
              ("DpcTime", 4, 0x31), ("InterruptTime", 4, 0x2C4), ("KernelTime", 4, 0x41D8), ("UserTime", 4, 0x276),
              ]  # fmt: skip
    before, added, at = session.memory.read(prcb + place, 0x40), [], place
    for name, size, value in fields:
        added.append(StructField(name, at, Scalar("number", size)))
        session.memory.write(prcb + at, value.to_bytes(size, "little"))
        at += size
    as_declared = TypeTable.fields_of

    def fields_of(table: TypeTable, of: StructType) -> tuple[StructField, ...]:
        return (*as_declared(table, of), *(added if of.name == "_KPRCB" else ()))

    monkeypatch.setattr(TypeTable, "fields_of", fields_of)
    try:
        shown = to_text(control_block(session, 0)).split("\n")
    finally:
        session.memory.write(prcb + place, before)
    assert shown[1] == "Current IRQL -- 28"
    assert shown[3] == "Processor Index 0 Number (0, 0) GroupSetMember 1"
    assert shown[5:] == [
        "Times -- Dpc    00000031 Interrupt 000002c4",
        "         Kernel 000041d8 User      00000276",
    ]


def test_without_types_the_threads_are_left() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        (processor, _) = bare.processes.processors()
        block = control_block(bare, 0)
        assert (block.current_thread, block.next_thread, block.idle_thread) == (
            processor.current, processor.next, processor.idle,
        )  # fmt: skip
        assert "InterruptCount" in to_text(block).split("\n")[-1]
