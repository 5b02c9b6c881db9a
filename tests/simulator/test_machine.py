"""The machine as a debugger stub uses it: booting, stopping, stepping, breakpoints, exceptions."""

from __future__ import annotations

import pytest

from kdnb.errors import UsageError
from kdnb.protocol.context.amd64 import AMD64SpecialRegisters
from kdnb.simulator.cpu import INTERRUPT_FLAG, Halt
from kdnb.simulator.events import FileWanted, LoadSymbols, Print, Prompt, Rebooted, Shutdown, Trap
from kdnb.simulator.machine import Machine
from tests.simulator.guest_access import (
    ACCESS_VIOLATION,
    BREAKPOINT,
    DBG_CONTINUE,
    DBG_EXCEPTION_NOT_HANDLED,
    NO_WATCH,
    SINGLE_STEP,
    booted,
    broken_in,
    call,
    change,
    context,
    guest_names,
    read_pointer,
    run_to,
)


def go(machine: Machine, dr7: int | None = None) -> None:
    machine.resume(DBG_CONTINUE, trace=False, dr7=dr7)


def set_watches(machine: Machine, *addresses: int) -> None:
    for processor in range(2):
        special = AMD64SpecialRegisters.decode(machine.get_special(processor))
        named = {f"kernel_dr{i}": address for i, address in enumerate(addresses)}
        machine.set_special(processor, special.replace(**named).encode())


def test_boot_ends_with_every_processor_waiting_for_the_clock() -> None:
    machine = booted()

    assert machine.is_idle
    assert all(processor.started for processor in machine.processors)
    assert machine.build == 19041


def test_an_unknown_scenario_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(UsageError, match="idle, boot, syscalls, bugcheck, storm"):
        Machine("nothing")


def test_booting_prints_and_announces_each_image_in_load_order() -> None:
    machine = Machine("boot")
    machine.boot()
    events: list[object] = []
    for _ in range(400):
        event = machine.run(1)
        if event is not None:
            events.append(event)
        if isinstance(event, LoadSymbols):
            go(machine)
        if isinstance(event, FileWanted):
            machine.answer(b"")

    loads = [event for event in events if isinstance(event, LoadSymbols)]
    assert [load.path.rpartition(b"\\")[2] for load in loads] == [
        b"ntoskrnl.exe",
        b"disk.sys",
        b"ntfs.sys",
        b"buggy.sys",
    ]
    assert loads[0].base == machine.kernel_base
    assert all(load.size and load.checksum and load.process_id == -1 and not load.unload for load in loads)
    assert isinstance(events[0], Print)
    assert b"19041" in events[0].text
    started = [event for event in events if isinstance(event, Print) and event.text.startswith(b"disk: found")]
    assert events.index(loads[1]) < events.index(started[0])
    assert not any(isinstance(event, Trap) for event in events)


def test_a_load_notification_stands_at_the_byte_that_the_guest_skips() -> None:
    machine = Machine("boot")
    machine.boot()
    run_to(machine, LoadSymbols)
    at = context(machine).rip

    assert machine.read_virtual(0, at - 2, 3) == b"\xcd\x2d\xcc"
    go(machine)
    assert context(machine).rip == at + 1


def test_a_break_in_lands_in_dbgbreakpointwithstatus_with_status_one() -> None:
    machine = booted()
    machine.request_break_in()

    trap = run_to(machine, Trap)

    assert (trap.code, trap.address, trap.first_chance) == (
        BREAKPOINT,
        guest_names()["nt!DbgBreakPointWithStatus"],
        True,
    )
    assert context(machine, trap.processor).rip == trap.address
    assert context(machine, trap.processor).rcx == 1


def test_a_break_in_during_boot_is_found_after_a_print() -> None:
    machine = Machine("boot")
    machine.boot()
    machine.request_break_in()

    assert run_to(machine, Trap).address == guest_names()["nt!DbgBreakPointWithStatus"]


def test_an_int3_written_into_code_that_ran_before_stops_there() -> None:
    machine = broken_in()
    address = guest_names()["disk!DiskReadWrite"]
    assert machine.write_virtual(0, address, b"\xcc") == 1
    go(machine)

    trap = run_to(machine, Trap)

    assert (trap.code, trap.address) == (BREAKPOINT, address)


def test_removing_the_int3_lets_the_machine_go_on() -> None:
    machine = broken_in()
    address = guest_names()["disk!DiskReadWrite"]
    original = machine.read_virtual(0, address, 1)
    machine.write_virtual(0, address, b"\xcc")
    go(machine)
    run_to(machine, Trap)
    machine.write_virtual(0, address, original)
    go(machine)

    assert [machine.run(1) for _ in range(500)] == [None] * 500


def test_single_steps_execute_one_instruction_each_and_hold_the_clock() -> None:
    machine = broken_in()
    ticks, addresses = machine.ticks, []
    for _ in range(100):
        machine.resume(DBG_CONTINUE, trace=True, dr7=None)
        trap = machine.run(1)
        assert isinstance(trap, Trap)
        assert trap.code == SINGLE_STEP
        assert context(machine).rip == trap.address
        assert not context(machine).efl & 0x100
        addresses.append(trap.address)

    assert machine.ticks == ticks
    assert len(set(addresses)) > 50


def test_a_turn_that_ends_behind_an_instruction_whose_last_byte_looks_like_hlt_is_no_sleep() -> None:
    machine = broken_in()
    processor = machine.processors[0]
    assert not processor.get("eflags") & INTERRUPT_FLAG  # nothing would ever wake it
    address = guest_names()["disk!DiskReadWrite"]
    machine.write_virtual(0, address, b"\x83\xe0\xf4")  # and eax, -0Ch
    processor.forget_translations()
    processor.pc = address

    assert processor.run(1) is Halt.BUDGET
    assert processor.pc == address + 3
    assert not processor.halted


@pytest.mark.parametrize("interrupts", [0, INTERRUPT_FLAG])
def test_a_step_over_hlt_is_a_step(interrupts: int) -> None:
    machine = broken_in()
    processor = machine.processors[0]
    address = guest_names()["disk!DiskReadWrite"]
    machine.write_virtual(0, address, b"\xf4")
    processor.pc = address
    processor.set("eflags", processor.get("eflags") & ~INTERRUPT_FLAG | interrupts)
    machine.resume(DBG_CONTINUE, trace=True, dr7=None)

    trap = machine.run(1)

    assert isinstance(trap, Trap)
    assert (trap.code, trap.address) == (SINGLE_STEP, address + 1)


def test_stepping_sets_the_single_step_bit_of_dr6() -> None:
    machine = broken_in()
    machine.resume(DBG_CONTINUE, trace=True, dr7=NO_WATCH)
    machine.run(1)

    assert AMD64SpecialRegisters.decode(machine.get_special(0)).kernel_dr6 & 0x4000


def test_a_write_watch_stops_after_the_write() -> None:
    machine = broken_in()
    address = guest_names()["nt!KeTickCount"]
    set_watches(machine, address)
    before = read_pointer(machine, address)
    go(machine, dr7=NO_WATCH | 1 | 0b1001 << 16)

    trap = run_to(machine, Trap)

    assert trap.code == SINGLE_STEP
    assert read_pointer(machine, address) == before + 1
    assert AMD64SpecialRegisters.decode(machine.get_special(trap.processor)).kernel_dr6 & 0xF == 1


@pytest.mark.parametrize(("kind", "stops"), [(0b1001, False), (0b1011, True)], ids=["write", "access"])
def test_only_an_access_watch_notices_reads(kind: int, stops: bool) -> None:
    machine = broken_in()
    set_watches(machine, guest_names()["nt!KeServiceDescriptorTable"])
    go(machine, dr7=NO_WATCH | 1 | kind << 16)

    assert any(isinstance(machine.run(1), Trap) for _ in range(300)) == stops


def test_an_execution_watch_stops_before_the_instruction_and_once_for_each_pass() -> None:
    machine = broken_in()
    address = guest_names()["nt!NtReadFile"]
    set_watches(machine, 0, address)
    go(machine, dr7=NO_WATCH | 1 << 2)
    ticks = []
    for _ in range(3):
        trap = run_to(machine, Trap)
        assert (trap.code, trap.address) == (SINGLE_STEP, address)
        ticks.append(machine.ticks)
        go(machine)

    assert ticks == sorted(set(ticks)), "the same pass was reported twice"


def test_clearing_dr7_ends_all_watches() -> None:
    machine = broken_in()
    set_watches(machine, guest_names()["nt!KeTickCount"])
    go(machine, dr7=NO_WATCH | 1 | 0b1001 << 16)
    run_to(machine, Trap)
    go(machine, dr7=NO_WATCH)

    assert [machine.run(1) for _ in range(300)] == [None] * 300


def test_a_stray_pointer_in_the_driver_becomes_bug_check_d1() -> None:
    machine = booted("bugcheck")

    printed = run_to(machine, Print)
    while b"Fatal" not in printed.text:
        printed = run_to(machine, Print)
    first = run_to(machine, Trap)
    data = [read_pointer(machine, guest_names()["nt!KiBugCheckData"] + 8 * i) for i in range(5)]

    assert b"*** Fatal System Error: 0x000000d1" in printed.text
    assert first.address == guest_names()["nt!DbgBreakPointWithStatus"]
    assert context(machine, first.processor).rcx == 3
    assert data[0] == 0xD1
    assert data[1] >> 32 == 0xFFFFB00B
    assert data[4] - guest_names()["buggy!BuggySumList"] < 0x20

    change(machine, first.processor, rip=first.address + 1)
    go(machine)
    second = run_to(machine, Trap)
    assert context(machine, second.processor).rcx == 4

    change(machine, second.processor, rip=second.address + 1)
    go(machine)
    assert [machine.run(1) for _ in range(50)] == [None] * 50


def test_after_a_bug_check_the_machine_stands_still_but_can_be_broken_into() -> None:
    machine = broken_in("syscalls")
    machine.bug_check(0xE2)
    for _ in range(2):
        trap = run_to(machine, Trap)
        change(machine, rip=trap.address + 1)
        go(machine)
    for _ in range(50):
        machine.run(1)
    assert machine.is_idle
    threads = [machine.thread(number) for number in range(2)]
    machine.request_break_in()

    trap = run_to(machine, Trap)

    assert context(machine, trap.processor).rcx == 1
    assert [machine.thread(number) for number in range(2)] == threads


def test_an_unhandled_exception_comes_at_its_second_chance_with_the_registers_of_the_fault() -> None:
    machine = broken_in()
    code = guest_names()["nt!PspReadWholeFile"]
    machine.write_virtual(0, code, bytes.fromhex("48 8b 01"))  # mov rax, [rcx]
    call(machine, code, rcx=0x1234, r12=0x5555, rbx=0x6666)

    trap = run_to(machine, Trap)

    assert (trap.code, trap.address, trap.first_chance) == (ACCESS_VIOLATION, code, False)
    assert trap.parameters == (0, 0x1234)
    assert (context(machine).rip, context(machine).rcx) == (code, 0x1234)
    assert (context(machine).r12, context(machine).rbx) == (0x5555, 0x6666)


def test_an_exception_that_the_debugger_handles_goes_on_with_the_registers_it_set() -> None:
    machine = broken_in()
    code = guest_names()["nt!PspReadWholeFile"]
    machine.write_virtual(0, code, bytes.fromhex("48 8b 01 cc"))  # mov rax, [rcx]; int3
    call(machine, code, rcx=0x1234)
    run_to(machine, Trap)
    change(machine, rcx=guest_names()["nt!NtBuildNumber"])
    go(machine)

    trap = run_to(machine, Trap)

    assert trap.address == code + 3
    assert context(machine).rax & 0xFFFF == 19041


def test_an_exception_that_nobody_handles_is_bug_check_1e() -> None:
    machine = broken_in()
    code = guest_names()["nt!PspReadWholeFile"]
    machine.write_virtual(0, code, bytes.fromhex("31 c9 f7 f1"))  # xor ecx, ecx; div ecx
    call(machine, code)
    trap = run_to(machine, Trap)
    assert trap.code == 0xC0000094
    machine.resume(DBG_EXCEPTION_NOT_HANDLED, trace=False, dr7=None)

    assert b"0x0000001e" in run_to(machine, Print).text


def test_two_faults_in_a_row_are_no_double_fault() -> None:
    machine = broken_in()
    code = guest_names()["nt!PspReadWholeFile"]
    machine.write_virtual(0, code, bytes.fromhex("48 8b 01 90 48 89 01"))  # mov rax, [rcx]; nop; mov [rcx], rax
    call(machine, code, rcx=0x1234)
    run_to(machine, Trap)
    change(machine, rip=code + 3)
    go(machine)

    trap = run_to(machine, Trap)

    assert (trap.code, trap.address, trap.parameters) == (ACCESS_VIOLATION, code + 4, (1, 0x1234))


def test_stop_on_exception_shows_the_first_chance() -> None:
    machine = broken_in()
    machine.write_virtual(0, guest_names()["nt!NtGlobalFlag"], b"\1\0\0\0")
    code = guest_names()["nt!PspReadWholeFile"]
    machine.write_virtual(0, code, bytes.fromhex("0f 0b"))  # ud2
    call(machine, code)

    first = run_to(machine, Trap)
    assert (first.code, first.address, first.first_chance) == (0xC000001D, code, True)
    machine.resume(DBG_EXCEPTION_NOT_HANDLED, trace=False, dr7=None)
    second = run_to(machine, Trap)
    assert (second.code, second.address, second.first_chance) == (0xC000001D, code, False)


def test_an_int3_passed_to_the_guest_comes_back_at_its_second_chance() -> None:
    machine = booted()
    machine.request_break_in()
    first = run_to(machine, Trap)
    machine.resume(DBG_EXCEPTION_NOT_HANDLED, trace=False, dr7=None)

    second = run_to(machine, Trap)

    assert (second.code, second.address, second.first_chance) == (BREAKPOINT, first.address, False)


def test_a_bug_check_asked_for_runs_the_guests_own_path() -> None:
    machine = broken_in()
    machine.bug_check(0xE2)

    assert b"0x000000e2" in run_to(machine, Print).text
    assert run_to(machine, Trap).address == guest_names()["nt!DbgBreakPointWithStatus"]


def test_a_prompt_waits_for_its_answer() -> None:
    machine = broken_in()
    names = guest_names()
    text = names["nt!KdPrintDefaultCircularBuffer"]
    machine.write_virtual(0, text, b"Ignore? \0")
    machine.write_virtual(0, names["nt!PspReadWholeFile"], b"\xcc")
    rsp = context(machine).rsp - 0x108
    machine.write_virtual(0, rsp, names["nt!PspReadWholeFile"].to_bytes(8, "little"))
    call(machine, names["nt!DbgPrompt"], rsp=rsp, rcx=text, rdx=text + 0x80, r8=16)

    prompt = run_to(machine, Prompt)
    with pytest.raises(RuntimeError, match="answer"):
        machine.run(1)
    machine.answer(b"yes")
    run_to(machine, Trap)

    assert (prompt.text, prompt.max_length) == (b"Ignore? ", 16)
    assert context(machine).rax == 3
    assert machine.read_virtual(0, text + 0x80, 3) == b"yes"


def test_reading_stops_at_the_first_page_that_is_not_mapped() -> None:
    machine = booted()
    base = machine.kernel_base

    assert machine.read_virtual(0, base, 2) == b"MZ"
    assert machine.read_virtual(0, base - 0x10, 0x20) == b""
    assert machine.read_virtual(0, 0x1234, 4) == b""
    assert machine.read_virtual(0, 0x8000_0000_0000, 4) == b"", "not canonical"
    whole = machine.read_virtual(0, base, 0x100000)
    assert 0x1000 <= len(whole) < 0x100000
    assert len(whole) % 0x1000 == 0
    assert machine.write_virtual(0, base - 1, b"xx") == 0


def test_registers_written_are_read_back() -> None:
    machine = broken_in()
    xmm = tuple(range(100, 116))
    change(machine, rax=1, r15=0xFFFF_FFFF_FFFF_FFFF, xmm=xmm, mxcsr=0x1FA0)

    after = context(machine)

    assert (after.rax, after.r15, after.mxcsr) == (1, 0xFFFF_FFFF_FFFF_FFFF, 0x1FA0)
    assert after.xmm == xmm
    assert (after.cs, after.ss, after.ds, after.es, after.fs, after.gs) == (0x10, 0x18, 0x2B, 0x2B, 0x53, 0x2B)
    assert after.context_flags == 0x10001F


def test_special_registers_show_the_tables_the_guest_loaded() -> None:
    machine = booted()
    names = guest_names()
    for number in range(2):
        special = AMD64SpecialRegisters.decode(machine.get_special(number))
        assert special.idtr == names["nt!KiIdt"]
        assert special.gdtr == names["nt!KiGdt"] + number * 0x80
        assert (special.tr, special.idtl) == (0x40, 0xFFF)
        assert special.msr_lstar == names["nt!KiSystemCall64"]
        assert special.msr_gs_base == machine.pcr(number) != 0
        assert machine.prcb(number) == machine.pcr(number) + 0x180
        assert read_pointer(machine, machine.prcb(number) + 8) == machine.thread(number)


def test_msrs_and_ports_answer() -> None:
    machine = booted()

    assert machine.msr_read(0, 0xC0000082) == guest_names()["nt!KiSystemCall64"]
    with pytest.raises(KeyError):
        machine.msr_read(0, 0x12345)
    machine.io_write(0xCF8, 4, 0x80000000)
    assert machine.io_read(0xCFC, 4) == 0x12378086
    assert machine.io_read(0x5555, 2) == 0xFFFF
    machine.io_write(0x70, 1, 4)
    assert machine.io_read(0x71, 1) == 0x12


def test_two_runs_with_the_same_actions_are_the_same() -> None:
    def trace() -> list[object]:
        machine = broken_in("syscalls")
        seen: list[object] = []
        for _ in range(200):
            machine.resume(DBG_CONTINUE, trace=True, dr7=None)
            seen.append(machine.run(1))
        go(machine)
        for _ in range(300):
            machine.run(1)
        return [*seen, machine.ticks, machine.get_context(0), machine.get_context(1), machine.read_physical(0, 1 << 24)]

    first, second = trace(), trace()

    assert first == second


def test_both_processors_switch_between_threads() -> None:
    machine = booted("syscalls")
    threads: list[set[int]] = [set(), set()]
    for _ in range(800):
        machine.run(1)
        for number in range(2):
            threads[number].add(machine.thread(number))

    assert all(len(seen) >= 3 for seen in threads)


def test_a_storm_prints_on_and_on_while_the_clock_goes_on() -> None:
    machine = booted("storm")
    ticks = machine.ticks
    texts = [run_to(machine, Print).text for _ in range(200)]

    assert texts[0].startswith(b"storm: line ")
    assert len(set(texts)) == 200
    assert machine.ticks > ticks


def test_reboot_starts_afresh_and_is_heard() -> None:
    machine = broken_in()
    machine.reboot()

    assert machine.ticks == 0
    assert b"19041" in run_to(machine, Print).text


def test_a_reset_by_the_keyboard_controller_and_power_off_are_events() -> None:
    machine = booted()
    machine.io_write(0x604, 2, 0x2000)
    assert isinstance(run_to(machine, Shutdown), Shutdown)

    machine.io_write(0x64, 1, 0xFE)
    assert isinstance(run_to(machine, Rebooted), Rebooted)
    assert isinstance(machine.run(100), Print), "it boots again"


def test_a_lost_stack_resets_the_machine_as_a_triple_fault_does() -> None:
    machine = broken_in()
    names = guest_names()
    machine.write_virtual(0, names["nt!KiTss"] + 0x24, (0x1000).to_bytes(8, "little"))  # IST 1, of double faults
    change(machine, rsp=0x1000, rip=names["nt!KeBugCheck2"])
    go(machine)

    assert isinstance(run_to(machine, Rebooted), Rebooted)


@pytest.mark.parametrize("address", [0x1234, 0xDEAD_0000_0000_0000, 0x7FFF_FFFF_F000])
def test_a_jump_to_nowhere_is_an_access_violation_there(address: int) -> None:
    machine = broken_in()
    call(machine, address)

    trap = run_to(machine, Trap)

    assert (trap.code, trap.address, trap.first_chance) == (ACCESS_VIOLATION, address, False)


@pytest.mark.parametrize("where", ["nt!KiIdt", "nt!KiGdt", "nt!KiPcrs", "nt!KiSystemServiceStart", "nt!KiPageFault"])
def test_a_machine_whose_tables_or_code_were_overwritten_resets_stops_or_goes_on_but_never_breaks(where: str) -> None:
    machine = broken_in("syscalls")
    machine.write_virtual(0, guest_names()[where], bytes(range(256)) * 2)
    go(machine)
    for _ in range(200):
        event = machine.run(1)
        if isinstance(event, Trap | LoadSymbols):
            machine.resume(DBG_EXCEPTION_NOT_HANDLED, trace=False, dr7=None)
        if isinstance(event, Prompt | FileWanted):
            machine.answer(b"")


def test_the_other_processor_can_be_stepped_too() -> None:
    machine = broken_in("syscalls")
    before = [context(machine, number).rip for number in range(2)]
    machine.resume(DBG_CONTINUE, trace=True, dr7=None, processor=1)

    trap = machine.run(1)

    assert isinstance(trap, Trap)
    assert (trap.processor, trap.code) == (1, SINGLE_STEP)
    assert context(machine, 0).rip == before[0]
    assert context(machine, 1).rip != before[1]


def test_an_instruction_that_faults_while_stepped_is_stepped_through_the_guests_handler() -> None:
    machine = broken_in()
    code = guest_names()["nt!PspReadWholeFile"]
    machine.write_virtual(0, code, bytes.fromhex("48 8b 01 90"))  # mov rax, [rcx]; nop
    call(machine, code, rcx=0x1234)
    run_to(machine, Trap)
    change(machine, rcx=guest_names()["nt!NtBuildNumber"])
    machine.resume(DBG_CONTINUE, trace=True, dr7=None)

    trap = run_to(machine, Trap)

    assert (trap.code, trap.address) == (SINGLE_STEP, code + 3)


def test_both_processors_see_code_that_the_debugger_changes() -> None:
    machine = broken_in("syscalls")
    address = guest_names()["nt!PspComputeChecksum"]
    machine.write_virtual(0, address, b"\xcc")
    go(machine)
    seen = set()
    for _ in range(400):
        event = machine.run(1)
        if isinstance(event, Trap):
            seen.add(event.processor)
            change(
                machine,
                event.processor,
                rip=guest_names()["nt!PspWaitingThread"],
                rsp=context(machine, event.processor).rsp,
            )
            go(machine)

    assert seen == {0, 1}
