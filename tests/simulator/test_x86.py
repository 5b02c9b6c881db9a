"""The x86 machine: the same guest as on amd64, seen through 32-bit registers, frames and wire forms."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api, MachineType, NewState, Status, VersionFlags
from kdnb.protocol.context.x86 import X86Context, X86SpecialRegisters
from kdnb.protocol.messages.breakpoints import BreakpointBody
from kdnb.protocol.messages.control_report import ControlReportX86
from kdnb.protocol.messages.get_context import ContextBody
from kdnb.protocol.messages.io import MsrBody
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.search import QueryMemoryBody
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.simulator.architecture import AMD64, X86
from kdnb.simulator.events import FileWanted, LoadSymbols, Print, Prompt, Trap
from kdnb.simulator.loader import guest_exports, guest_files
from kdnb.simulator.machine import Machine
from kdnb.simulator.scripted_host import ScriptedHost
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.simulator.guest_access import run_to

if TYPE_CHECKING:
    from kdnb.simulator.architecture import Architecture

HANDLED, NOT_HANDLED = 0x10001, 0x80010001
SPECIAL = 0x2CC
CONTROL_C = 1


@cache
def names() -> dict[str, int]:
    """Addresses of the kernel's public symbols, with their decoration."""
    kernel = guest_files(X86)[0]
    base = PeImage.from_file(kernel.image).image_base
    return {symbol.name: base + symbol.rva for symbol in PdbFile.open(kernel.pdb).publics()}


def address_of(name: str) -> int:
    plain = {f"_{name}", *(f"_{name}@{4 * count}" for count in range(12))}
    return next(address for symbol, address in names().items() if symbol in plain or symbol == name)


def context(machine: Machine, processor: int = 0) -> X86Context:
    return X86Context.decode(machine.get_context(processor))


def change(machine: Machine, processor: int = 0, **registers: int) -> None:
    machine.set_context(processor, context(machine, processor).replace(**registers).encode())


def broken_in(scenario: str = "idle") -> Machine:
    """Booted, stopped by a break-in, the int3 passed."""
    machine = Machine(scenario, X86)
    machine.boot()
    machine.request_break_in()
    trap = run_to(machine, Trap)
    change(machine, trap.processor, eip=trap.address + 1)
    return machine


@pytest.fixture(scope="module")
def stopped() -> ScriptedHost:
    """A host beside an idle x86 machine, broken into."""
    host = ScriptedHost("idle", architecture=X86)
    host.break_in()
    return host


def boot_prints(architecture: Architecture) -> list[bytes]:
    machine = Machine("boot", architecture)
    prints = []
    while True:
        event = machine.run(100)
        if isinstance(event, Print):
            prints.append(event.text)
            if event.text.startswith(b"PSINIT"):
                return prints
        elif isinstance(event, LoadSymbols):
            assert event.path.startswith(b"\\SystemRoot\\system32\\")
            assert event.process_id == -1
            assert machine.read_virtual(0, event.base, 2) == b"MZ"
            machine.resume(HANDLED, trace=False, dr7=None)
        elif isinstance(event, FileWanted):
            machine.answer(b"")
        else:
            assert event is None, event


def test_both_guests_say_the_same_while_booting() -> None:
    amd64, x86 = ([line.split(b", device")[0] for line in boot_prints(architecture)] for architecture in (AMD64, X86))
    assert amd64 == x86


def test_a_break_in_stops_in_the_break_routine_with_its_reason_in_eax() -> None:
    machine = Machine("idle", X86)
    machine.boot()
    machine.request_break_in()
    trap = run_to(machine, Trap)
    assert (trap.code, trap.address) == (0x80000003, address_of("RtlpBreakWithStatusInstruction"))
    assert context(machine).eax == CONTROL_C
    assert (context(machine).cs, context(machine).fs, context(machine).ds) == (8, 0x30, 0x23)


def test_a_trace_executes_one_instruction() -> None:
    machine = broken_in()
    machine.resume(HANDLED, trace=True, dr7=0x400)
    trap = run_to(machine, Trap)
    assert trap.code == 0x80000004
    caller = address_of("KdCheckForDebugBreak")
    assert caller < trap.address < caller + 0x40, "the ret of the break routine"


def test_a_watched_address_stops_behind_the_write() -> None:
    machine = broken_in()
    special = X86SpecialRegisters.decode(machine.get_special(0))
    machine.set_special(0, special.replace(kernel_dr0=address_of("KeTickCount")).encode())
    machine.resume(HANDLED, trace=False, dr7=0x000D0401)
    trap = run_to(machine, Trap)
    special = X86SpecialRegisters.decode(machine.get_special(0))
    assert (trap.code, special.kernel_dr6 & 0xF) == (0x80000004, 1)
    assert context(machine).dr0 == address_of("KeTickCount")


def test_a_fault_that_nobody_handles_is_reported_with_the_registers_of_the_fault() -> None:
    machine = broken_in()
    machine.write_virtual(0, machine.pcr(0) + 0x24, b"\0")  # IRQL: passive
    code = address_of("RtlpUpcase")  # any code of the kernel may be overwritten: a load from 0x1234
    machine.write_virtual(0, code, b"\xa1\x34\x12\0\0")
    change(machine, eip=code, ecx=0xC0FFEE)
    machine.resume(HANDLED, trace=False, dr7=0x400)
    trap = run_to(machine, Trap)
    assert (trap.code, trap.address, trap.parameters) == (0xC0000005, code, (0, 0x1234))
    assert not trap.first_chance
    assert (context(machine).eip, context(machine).ecx) == (code, 0xC0FFEE)
    change(machine, eip=address_of("HalProcessorIdle"), edi=0x77)
    assert context(machine).edi == 0x77, "in the trap frame"


def test_the_bug_check_of_the_driver_names_its_address() -> None:
    machine = Machine("bugcheck", X86)
    machine.boot()
    run_to(machine, Trap, turns=100_000)
    data = machine.read_virtual(0, guest_exports(X86)["KiBugCheckData"], 20)
    code, address, irql, write, instruction = (int.from_bytes(data[i : i + 4], "little") for i in range(0, 20, 4))
    assert (code, address, irql, write) == (0xD1, 0xDEAD0004, 2, 0)
    assert instruction >> 16 == 0xF8A1, "in buggy.sys"


def test_a_bug_check_on_demand() -> None:
    machine = broken_in()
    machine.bug_check(0xE2)
    run_to(machine, Trap)
    assert machine.read_virtual(0, guest_exports(X86)["KiBugCheckData"], 4) == b"\xe2\0\0\0"


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_a_question_takes_an_answer(architecture: Architecture) -> None:
    machine = Machine("prompt", architecture)
    machine.boot()
    question = run_to(machine, Prompt)
    assert question.text == b"buggy: Break, Ignore (bi)? "
    machine.answer(b"b")
    while not (said := run_to(machine, Print).text).startswith(b"buggy: the"):
        pass
    assert said == b"buggy: the answer was b\n"
    assert run_to(machine, Trap).code == 0x80000003


# --- over the wire ----------------------------------------------------------------------------------


def test_the_state_change_has_sign_extended_addresses_and_an_x86_report() -> None:
    host = ScriptedHost("idle", architecture=X86)
    change = host.break_in()
    assert isinstance(change, StateChange64)
    assert change.new_state == NewState.ExceptionStateChange
    assert change.program_counter == 0xFFFFFFFF00000000 | address_of("RtlpBreakWithStatusInstruction")
    assert (change.thread >> 32, change.exception.address) == (0xFFFFFFFF, change.program_counter)  # type: ignore[union-attr]
    assert isinstance(change.report, ControlReportX86)
    assert change.report.instruction_stream[:2] == b"\xcc\xc2"
    assert change.report.cs == 8


def test_the_version_says_x86(stopped: ScriptedHost) -> None:
    version = stopped.request(Api.GetVersion).body
    assert (version.machine, version.secondary) == (MachineType.I386, 0)
    assert not version.flags & VersionFlags.PTR64
    assert version.kernel_base == 0xFFFFFFFF80400000
    for address in (version.loaded_module_list, version.debugger_data_list):
        assert address >> 32 == 0xFFFFFFFF


def test_the_data_block_has_a_32_bit_link_and_zero_extended_pointers(stopped: ScriptedHost) -> None:
    head = stopped.request(Api.GetVersion).body.debugger_data_list
    block = int.from_bytes(stopped.read(head, 4), "little")
    data = stopped.read(block, 0x380)
    assert int.from_bytes(data[:4], "little") == head & 0xFFFFFFFF
    assert data[0x10:0x14] == b"KDBG"
    assert int.from_bytes(data[0x18:0x20], "little") == 0x80400000
    assert int.from_bytes(data[0x20:0x28], "little") == address_of("RtlpBreakWithStatusInstruction")


@pytest.mark.parametrize("extension", [0, 0xFFFFFFFF00000000])
def test_a_request_may_give_an_address_in_either_form(stopped: ScriptedHost, extension: int) -> None:
    assert stopped.read(0x80400000 | extension, 2) == b"MZ"
    space = stopped.request(Api.QueryMemory, QueryMemoryBody(0x80400000 | extension)).body
    assert space.address_space == 2, "kernel"


def test_one_address_takes_one_breakpoint_whatever_its_form(stopped: ScriptedHost) -> None:
    place = address_of("NtCreateFile")
    assert stopped.set_breakpoint(place)
    assert stopped.request(Api.WriteBreakPoint, BreakpointBody(place | 0xFFFFFFFF00000000)).status


def test_control_space_is_read_and_written_by_byte_offsets(stopped: ScriptedHost) -> None:
    whole = stopped.request(Api.ReadControlSpace, MemoryBody(0, 0x1000)).data
    assert len(whole) == 0x320
    context = stopped.request(Api.GetContext, ContextBody()).data
    assert whole[:SPECIAL] == context
    special = X86SpecialRegisters.decode(stopped.request(Api.ReadControlSpace, MemoryBody(SPECIAL, 0x54)).data)
    assert special.cr0 & 0x80000001 == 0x80000001
    assert (special.gdtl, special.tr) == (0x7F, 0x28)
    wanted = (0x12345678).to_bytes(4, "little")
    assert stopped.request(Api.WriteControlSpace, MemoryBody(SPECIAL + 0x14, 4), wanted).body.actual == 4
    assert stopped.request(Api.ReadControlSpace, MemoryBody(SPECIAL + 0x14, 4)).data == wanted
    beyond = stopped.request(Api.ReadControlSpace, MemoryBody(0x320, 4))
    assert (beyond.status, beyond.data) == (Status.UNSUCCESSFUL, b"")


def test_the_segment_fs_leads_to_the_processor_block(stopped: ScriptedHost) -> None:
    for processor in (0, 1):
        pcr = stopped.machine.pcr(processor)
        assert int.from_bytes(stopped.read(pcr + 0x1C, 4), "little") == pcr
        assert int.from_bytes(stopped.read(pcr + 0x20, 4), "little") == stopped.machine.prcb(processor)
        thread = int.from_bytes(stopped.read(pcr + 0x124, 4), "little")
        assert thread == stopped.machine.thread(processor)


def test_sysenter_leads_to_the_system_call_entry(stopped: ScriptedHost) -> None:
    reply = stopped.request(Api.ReadMachineSpecificRegister, MsrBody(0x176))
    assert reply.body.value == address_of("KiFastCallEntry")
    lstar = stopped.request(Api.ReadMachineSpecificRegister, MsrBody(0xC0000082))
    assert lstar.status == Status.NO_SUCH_DEVICE
