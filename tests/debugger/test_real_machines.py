"""Real machines: the small dump of a Windows 10 kernel (x64, 19041), and a boot debugger (10586) as WinDbg read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.capture.open import open_capture
from kdnb.commands.run import execute
from kdnb.debugger.handles import Handles
from kdnb.debugger.kernel_layouts import known_fields
from kdnb.debugger.pool import describe_page
from kdnb.debugger.security import describe_token, process_token
from kdnb.errors import CommandError, UnsupportedError
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.messages.version import VersionBody
from kdnb.render.text import to_text
from tests.debugger.memory_target import MemoryMachine, memory_session
from tests.debugger.triage_dump import triage_machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.debugger_data import DebuggerData
    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

# Of ../shared/dumps/README.md and the packets themselves.
RIP, RSP, MODULE = 0xFFFFF8048B58334C, 0xFFFF850429892120, "amdppm+0x334c"
WINLOAD, WINLOAD_SIZE = 0x96F000, 0x17D000
HEADER = 16
BODY = 56


@pytest.fixture(scope="module")
def session(shared: Path) -> Iterator[Session]:
    """The dumped kernel, stopped where it crashed; no symbols."""
    with memory_session(triage_machine(shared / "dumps" / "triage_x64.dmp")) as session:
        yield session


@pytest.fixture(scope="module")
def block(session: Session) -> DebuggerData:
    assert session.debugger_data is not None
    return session.debugger_data


@pytest.fixture(scope="module")
def thread(session: Session) -> Record:
    return session.processes.records.read("_ETHREAD", session.processes.current_thread())


@pytest.fixture(scope="module")
def process(session: Session) -> Record:
    return session.processes.record(session.processes.current())


def test_kdbg_gives_the_offsets_of_the_table(block: DebuggerData) -> None:
    told = {
        "_ETHREAD": {
            "Tcb.Teb": "offset_kthread_teb", "Tcb.KernelStack": "offset_kthread_kernel_stack",
            "Tcb.InitialStack": "offset_kthread_initial_stack", "Tcb.State": "offset_kthread_state",
            "Tcb.ApcState.Process": "offset_kthread_apc_process", "Tcb.StackLimit": "offset_kthread_stack_limit",
            "Tcb.StackBase": "offset_kthread_stack_base", "Tcb.WaitReason": "offset_kthread_wait_reason",
            "IrpList": "offset_ethread_irp_list",
        },
        "_EPROCESS": {
            "Peb": "offset_eprocess_peb", "InheritedFromUniqueProcessId": "offset_eprocess_parent_cid",
            "Pcb.DirectoryTableBase": "offset_eprocess_directory_table_base",
        },
    }  # fmt: skip
    for name, fields in told.items():
        known = known_fields(name, 19041)
        assert {path: known[path][0] for path in fields} == {path: block.get(key) for path, key in fields.items()}
    sizes = {"_ETHREAD": block.get("size_ethread"), "_EPROCESS": block.get("size_eprocess")}
    assert sizes == {"_ETHREAD": 0x898, "_EPROCESS": 0xA40}
    for name, size in sizes.items():
        assert size is not None
        assert max(offset + width for offset, width in known_fields(name, 19041).values()) <= size


def test_a_real_process_lies_as_the_table_says(session: Session, process: Record) -> None:
    described = session.processes.describe(process.address, 1)
    assert (described.image, described.pid, described.parent_pid, described.peb) == ("System", 4, 0, 0)
    assert described.directory_table_base == 0x1AD000  # CR3 in the dump's header
    assert (described.active_threads, described.handle_count) == (147, 234)


def test_a_real_thread_lies_as_the_table_says(session: Session, thread: Record, process: Record) -> None:
    described = session.processes.thread(thread.address, 2)
    assert (described.pid, described.tid, described.image, described.teb) == (4, 0x108, "System", 0)
    assert (described.process, described.state_name, described.processor) == (process.address, "Running", 0)
    assert described.stack_limit < RSP < described.initial_stack <= described.stack_base
    assert thread.number("Tcb.WaitBlockCount") == 1
    irps = thread.address_of("IrpList")
    assert thread.bytes("IrpList") == irps.to_bytes(8, "little") * 2  # empty: the head points to itself
    assert not described.irps
    assert not described.irp_note
    kernel = session.modules.kernel
    assert kernel is not None
    assert session.modules.find(described.start_address) is kernel


def test_the_list_of_real_processes_begins_with_system_and_its_children(session: Session, process: Record) -> None:
    # Of the others the dump has a piece around their links.
    first, second, *others = session.processes.listing()
    assert (first.address, first.pid) == (process.address, 4)
    assert (second.parent_pid, len(others) >= 3) == (4, True)


def test_entries_of_a_real_handle_table_are_unpacked(session: Session, process: Record) -> None:
    system = session.processes.describe(process.address)
    handles = Handles(session).of_process(system)
    assert handles.count == 234
    by_value = {each.handle: each for each in handles}
    assert (by_value[4].object, by_value[4].access) == (process.address, 0x1FFFFF)  # its own process
    second = session.processes.listing()[1].address
    assert (by_value[0x18].object, by_value[0x18].access) == (second, 0x1FFFFF)
    assert all(each.object >> 47 == 0x1FFFF and not each.object % 16 for each in handles)


def test_a_real_token_is_that_of_the_system(session: Session, process: Record) -> None:
    # The dump keeps 256 bytes of it; where its groups lie is left out.
    token = describe_token(session, process_token(session, process.address))
    assert (token.session_id, token.authentication_id, len(token.groups)) == (0, 0x3E7, 4)
    assert token.type == 1
    held = {each.name for each in token.privileges}
    assert held >= {"SeTcbPrivilege", "SeDebugPrivilege", "SeLoadDriverPrivilege", "SeImpersonatePrivilege"}
    assert {each.name for each in token.privileges if each.is_enabled} >= {"SeTcbPrivilege", "SeDebugPrivilege"}


def test_registers_and_modules_of_the_real_kernel(session: Session) -> None:
    assert (session.registers.get("rip"), session.registers.get("rsp")) == (RIP, RSP)
    assert session.symbols.format(RIP) == MODULE
    assert len(session.modules) == 151
    kernel = session.modules.kernel
    assert kernel is not None
    assert (kernel.base, kernel.size) == (0xFFFFF8047BA00000, 0x1046000)
    assert "Windows 10 Kernel Version 19041 MP (16 procs) Free x64" in to_text(execute(session, "vertarget")[0])


def test_the_real_processor_block_is_read(session: Session, thread: Record) -> None:
    shown = to_text(execute(session, "!cpuinfo")[0]).split("\n")
    assert shown[1].split() == ["0", "23,113,0", "AuthenticAMD", "3593"]
    first, *_ = session.processes.processors()
    assert (first.current, first.next) == (thread.address, 0)
    shown_pcr = to_text(execute(session, "!pcr")[0])
    assert f"CurrentThread: {thread.address:016x}" in shown_pcr
    assert "IDT: fffff804808e0000" in shown_pcr
    special = session.registers.values(special=True)
    assert (special["cr3"], special["tr"], special["gdtl"]) == (0x1AD000, 0x40, 0x57)


def test_a_list_of_threads_that_leads_to_what_the_dump_left_out_ends_with_a_reason(
    session: Session, process: Record
) -> None:
    described = session.processes.describe(process.address, 2)
    assert not described.threads
    assert "is no thread" in described.note


def test_the_pool_of_a_real_kernel_is_not_taken_for_pages_of_blocks(session: Session, thread: Record) -> None:
    with pytest.raises(UnsupportedError, match="segment heap"):
        describe_page(session, thread.address)


@pytest.fixture(scope="module")
def boot(shared: Path) -> Iterator[Session]:
    """The boot debugger of the capture with the memory that WinDbg read of it, at the stop where WinDbg read it."""
    packets = open_capture(shared / "captures" / "windbg-kdnet.pcapng.gz", key="8.8.8.8").packets()
    replies = packets[(packets.direction == "to_host") & (packets.status == 0)]

    def first(api: str) -> bytes:
        payload: bytes = replies[replies.api == api].payload.iloc[0]
        return payload

    machine = MemoryMachine(
        version=VersionBody.decode(first("GetVersion")[HEADER:]),
        context=AMD64Context.decode(first("GetContext")[BODY:]),
        special=AMD64SpecialRegisters.decode(first("ReadControlSpace")[BODY:]),
    )
    reads = replies[replies.api == "ReadVirtualMemory"]
    for address, actual, payload in zip(reads.address, reads.actual, reads.payload, strict=True):
        machine.put(int(address), payload[BODY : BODY + int(actual)])
    with memory_session(machine) as session:
        yield session


def test_the_real_loader_list_agrees_with_the_load_notice(boot: Session) -> None:
    (module,) = boot.modules
    assert (module.base, module.size, module.path) == (WINLOAD, WINLOAD_SIZE, "\\Windows\\system32\\winload.efi")
    shown = to_text(execute(boot, "!lmi nt")[0])
    assert "CheckSum: 149e3f" in shown
    assert "Pdb: winload_prod.pdb" in shown
    assert "ends early" in boot.modules.note  # WinDbg read no further either


def test_a_boot_debugger_says_what_it_is_and_has_no_kernel_objects(boot: Session) -> None:
    assert to_text(execute(boot, "vertarget")[0]).startswith("Boot debugger Version 10586 UP Free x64")
    assert boot.debugger_data is None
    assert (boot.registers.get("rip"), boot.registers.get("rsp")) == (0xA79685, 0x1A6D98)
    special = boot.registers.values(special=True)
    assert (special["cr0"], special["cr3"], special["cr4"]) == (0x80000013, 0x1AB000, 0x40668)
    for line in ("!process 0 0", "!running", "!handle 4"):
        with pytest.raises(CommandError):
            execute(boot, line)
