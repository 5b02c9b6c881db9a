"""A session on the simulated machine: connecting, the present stop, what each look at it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import ConnectError, ReadOnlyError, TargetRunningError, UnknownNameError, UsageError
from kdnb.protocol.constants import MachineType
from tests.debugger.simulated import TIMEOUT, open_session, packets, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kdnb.debugger.session import Session


def cost(session: Session, function: Callable[[], object]) -> int:
    """Packets that a call sends and gets, acknowledgements included."""
    before = packets(session)
    function()
    return packets(session) - before


def test_connecting_to_a_running_machine_breaks_in_and_learns_who_it_is(session: Session) -> None:
    assert session.stop is not None
    assert (session.stop.reason, session.stop.requested) == ("break", True)
    assert session.stop.symbol == "nt!DbgBreakPointWithStatus"
    assert session.stop.instruction is not None
    assert session.stop.instruction.mnemonic == "int"
    assert session.machine is MachineType.AMD64
    assert session.processor_count == 2
    assert [module.name for module in session.modules][:3] == ["nt", "disk", "ntfs"]
    assert session.modules["nt"].symbol_status == "pdb symbols"


def test_connecting_asks_little_more_than_the_version_the_modules_and_32_old_handles(session: Session) -> None:
    frame = session.log.packets()  # type: ignore[union-attr]  # a session of the fixture has a log
    sent = frame[(frame.direction == "to_target") & (frame.type == "STATE_MANIPULATE")]
    counts = sent.api.value_counts()
    assert counts["GetVersion"] == 1
    assert counts["RestoreBreakPoint"] == 32
    assert counts["ReadVirtualMemory"] <= 12
    assert counts["GetContext"] == 1


def test_looking_again_at_the_same_stop_sends_nothing(session: Session) -> None:
    looks: list[Callable[[], object]] = [
        session.registers.snapshot,
        session.unwind,
        lambda: session.disassemble(session.registers.pc, 8),
        lambda: session.memory.read(session.modules["nt"].base, 0x40),
        lambda: session.evaluate("poi(@rsp) + nt"),
        session.breakpoints.listing,
    ]
    for look in looks:
        look()
    assert [cost(session, look) for look in looks] == [0] * len(looks)


def test_each_first_look_after_a_step_has_its_known_price(session: Session) -> None:
    session.unwind()
    session.step()  # passes the int3: no run
    # Continue2 and its ACK, the state change and its ACK.
    assert cost(session, session.step) == 4
    # GetContext, ACK, reply, ACK; code and stack are a read each, where they are needed.
    assert cost(session, session.registers.values) == 4
    assert cost(session, lambda: session.disassemble(session.registers.pc, 8)) == 4
    assert cost(session, session.unwind) <= 12


def test_a_register_that_changes_with_a_step_is_marked(session: Session) -> None:
    session.registers.snapshot()
    session.step()
    session.registers.snapshot()
    session.step()
    changed = session.registers.snapshot().changed
    assert {"rip", "rsp"} <= changed
    assert "rbx" not in changed


def test_asking_a_running_target_says_how_to_stop_it(session: Session) -> None:
    session.go(wait=False)
    assert session.is_running
    assert session.stop is None
    for question in (session.unwind, session.registers.snapshot, lambda: session.memory.read(0xFFFFF80041E00000, 1)):
        with pytest.raises(TargetRunningError, match="break in first"):
            question()
    stop = session.break_in(TIMEOUT)
    assert stop.requested
    assert session.registers.pc == stop.address


def test_a_go_that_outlasts_its_time_leaves_the_target_running(session: Session) -> None:
    assert session.go(timeout=0.0) is None
    assert session.is_running
    assert session.break_in(TIMEOUT).reason == "break"


def test_the_other_processor_shows_the_same_stop_from_its_side(session: Session) -> None:
    sequence = session.sequence
    stop = session.switch_processor(1)
    assert (stop.reason, stop.processor, stop.sequence) == ("switch", 1, sequence)
    assert session.registers.values(0)["rip"] != session.registers.pc
    with pytest.raises(UsageError, match="no processor 7"):
        session.switch_processor(7)
    # The int3 of processor 0 is passed although processor 1 is the one that lets the target go.
    assert session.go(timeout=0.0) is None
    assert session.break_in(TIMEOUT).requested


def test_registers_of_another_processor_can_be_read_but_not_changed(session: Session) -> None:
    assert session.registers.get("rsp", 1) != session.registers.get("rsp", 0)
    with pytest.raises(UsageError, match="~1s"):
        session.registers.set("rax", 5, processor=1)


def test_registers_flags_and_parts_are_assigned_by_name(session: Session) -> None:
    registers = session.registers
    registers.set("rax", 0x1122334455667788)
    registers.set("al", 0xFF)
    registers.set("zf", 1)
    registers.set("r8d", 0x80000000)
    assert registers.get("RAX") == 0x11223344556677FF
    assert registers.get("ax") == 0x77FF
    assert registers.get("efl") & 0x40
    session.drop_caches()
    assert registers.get("rax") == 0x11223344556677FF
    assert registers.get("zf") == 1
    assert registers.get("r8") & 0xFFFFFFFF == 0x80000000
    assert registers.get("cr3") & 0xFFF == 0
    assert registers.get("dr7") == 0x400
    assert registers.get("gdtr") > 0
    assert (registers.width("eax"), registers.width("zf"), registers.width("xmm3")) == (32, 1, 128)
    with pytest.raises(UnknownNameError):
        registers.get("eyx")


def test_memory_that_was_written_reads_back_without_asking_again(session: Session) -> None:
    place = session.evaluate("nt!KdPrintDefaultCircularBuffer") + 0x10
    session.memory.read(place, 4)
    session.memory.write(place, b"\x11\x22\x33\x44")
    assert cost(session, lambda: session.memory.read(place, 4)) == 0
    assert session.memory.read_u32(place) == 0x44332211
    session.drop_caches()
    assert session.memory.read_u32(place) == 0x44332211


def test_a_read_only_session_refuses_changes_and_still_runs(guest_symbols: Path) -> None:
    with serve() as address, open_session(address, read_only=True, symbol_path=str(guest_symbols)) as session:
        session.connect(TIMEOUT)
        with pytest.raises(ReadOnlyError):
            session.registers.set("rax", 1)
        session.step()
        assert session.step().reason == "step"


def test_the_next_debugger_finds_a_machine_that_was_left_running(guest_symbols: Path) -> None:
    with serve() as address:
        for _ in range(2):
            with open_session(address, symbol_path=str(guest_symbols)) as session:
                stop = session.connect(TIMEOUT)
                assert stop is not None
                session.breakpoints.add("nt!NtDelayExecution")
                assert session.go(timeout=TIMEOUT) is not None


def test_connecting_to_a_machine_that_is_stopped_finds_its_stop(guest_symbols: Path) -> None:
    with serve() as address:
        with open_session(address) as first:
            first.connect(TIMEOUT)
            where = first.registers.pc
            first.lost = "the debugger went away"  # detach does nothing: the machine stays stopped
        with open_session(address, symbol_path=str(guest_symbols)) as session:
            stop = session.connect(TIMEOUT)
            assert stop is not None
            assert stop.address == where


def test_without_symbols_names_come_from_exports(guest_symbols: Path) -> None:
    with serve() as address, open_session(address) as session:
        session.connect(TIMEOUT)
        assert session.modules["nt"].symbols.source == "export symbols"
        assert session.symbols.lookup("nt!KeBugCheckEx") is not None
        assert session.symbols.format(session.modules["disk"].base + 0x10) == "disk+0x10"
        assert session.symbols.format(0x12345) == "0x00000000`00012345"


def test_nobody_at_the_other_end_is_one_clear_error() -> None:
    from kdnb.transport.registry import listen

    listener = listen("tcp:127.0.0.1:0")
    try:
        with open_session(listener.address) as session, pytest.raises(ConnectError, match="doesn't answer"):
            session.connect(0.5)
    finally:
        listener.close()


def test_pseudo_registers_answer_from_the_present_stop(session: Session) -> None:
    assert session.evaluate("$ip") == session.registers.pc
    assert session.evaluate("@$csp") == session.registers.sp
    assert session.evaluate("$ra") == session.memory.read_pointer(session.registers.sp)
    assert session.evaluate("$thread") == session.stop.thread  # type: ignore[union-attr]  # the fixture is stopped
    assert session.evaluate("$ptrsize") == 8
    assert session.evaluate("$t3") == 0
    session.variables["t3"] = 7
    assert session.evaluate("$t3 + 1") == 8
    assert session.evaluate("$prcb") == session.memory.read_pointer(session.evaluate("$pcr") + 0x20)
    assert session.evaluate("$proc") >> 47 == 0x1FFFF


def test_a_mistyped_name_comes_with_close_ones(session: Session) -> None:
    with pytest.raises(UnknownNameError) as caught:
        session.evaluate("nt!KeBugChekEx")
    assert "nt!KeBugCheckEx" in caught.value.near
