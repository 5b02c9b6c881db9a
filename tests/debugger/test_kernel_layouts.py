"""The kernel-object commands on data in Windows' own layouts: with the types of a PDB, and by the offsets alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.debugger_data import KdDebuggerData64
from kdnb.debugger.device_nodes import describe_tree
from kdnb.debugger.drivers import describe_driver, describe_file, device_stack
from kdnb.debugger.handles import Handles
from kdnb.debugger.irps import describe_irp
from kdnb.debugger.kernel_layouts import STRUCTS, known_fields, known_size
from kdnb.debugger.memory_usage import memory_usage
from kdnb.debugger.objects import Objects
from kdnb.debugger.pool import describe_page
from kdnb.debugger.pool_usage import VERBOSE, pool_usage
from kdnb.debugger.resources import list_resources
from kdnb.debugger.security import describe_token, process_token
from kdnb.debugger.vads import list_vads, vad_root
from kdnb.errors import CommandError, UnsupportedError
from kdnb.render.text import to_text
from tests.debugger.memory_target import memory_session
from tests.debugger.windows_layouts import COOKIE, HEADER, windows_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session
    from tests.debugger.windows_layouts import WindowsKernel

pytestmark = pytest.mark.external("clang", "lld-link")


@pytest.fixture(scope="module", params=[19041, 22621, 26100])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WindowsKernel:
    build: int = request.param
    return windows_kernel(tmp_path_factory.mktemp(f"windows{build}"), build)


@pytest.fixture(scope="module")
def typed(kernel: WindowsKernel) -> Iterator[Session]:
    """With the kernel's PDB."""
    with memory_session(kernel.machine, symbol_path=str(kernel.store)) as session:
        yield session


@pytest.fixture(scope="module")
def bare(kernel: WindowsKernel) -> Iterator[Session]:
    """Without symbols: by KDBG and the table of offsets."""
    with memory_session(kernel.machine) as session:
        yield session


@pytest.fixture(scope="module", params=["with types", "without"])
def session(request: pytest.FixtureRequest, kernel: WindowsKernel) -> Iterator[Session]:
    """Both, for what has to be the same in both."""
    options = {"symbol_path": str(kernel.store)} if request.param == "with types" else {}
    with memory_session(kernel.machine, **options) as session:
        yield session


# --- processes and threads ---------------------------------------------------------------------------


def test_processes(session: Session, kernel: WindowsKernel) -> None:
    system, demo = session.processes.listing()
    assert [(each.image, each.pid, each.parent_pid) for each in (system, demo)] == [
        ("System", 4, 0),
        ("demo.exe", 0x1A4, 4),
    ]
    assert (system.address, demo.address) == (kernel.body("System"), kernel.body("Demo"))
    assert (system.directory_table_base, demo.directory_table_base) == (0x1AD000, 0x2000)
    assert (demo.peb, demo.object_table, demo.active_threads) == (0x7FF000, kernel.symbols["DemoHandles"], 1)
    assert session.processes.current() == system.address


def test_details_of_a_process_come_with_types(typed: Session, kernel: WindowsKernel) -> None:
    demo = typed.processes.describe(kernel.body("Demo"), 1)
    details = dict(demo.details)
    assert details["VadRoot"] == kernel.symbols["Heap"]
    assert details["Token"] == kernel.symbols["Token"]
    assert details["DeviceMap"] == 0xFFFF900000012340
    assert (details["KernelTime"], details["UserTime"], details["CommitCharge"]) == (5, 7, 300)
    assert demo.handle_count == 5  # six in one free list, -1 in the other
    # What a PSP_SESSION_SPACE holds is not known: better none than a wrong one.
    assert demo.session_id == (2 if kernel.machine.version.minor < 26100 else None)


def test_threads(session: Session, kernel: WindowsKernel) -> None:
    demo = session.processes.describe(kernel.body("Demo"), 2)
    assert not demo.note
    (thread,) = demo.threads
    assert (thread.address, thread.pid, thread.tid) == (kernel.body("DemoThread"), 0x1A4, 0x1A8)
    assert (thread.state_name, thread.wait_reason, thread.user_wait) == ("Waiting", "UserRequest", True)
    assert [(each.address, each.kind) for each in thread.wait_objects] == [
        (kernel.body("Event"), "SynchronizationEvent"),
        (kernel.symbols["Semaphore"], "Semaphore Limit 0x10"),
    ]
    assert (thread.teb, thread.process, thread.start_address) == (0x7FE000, demo.address, kernel.symbols["DllMain"])
    assert [irp.address for irp in thread.irps] == [kernel.symbols["Request"]]
    (running,) = session.processes.describe(kernel.body("System"), 2).threads
    assert (running.state_name, running.processor, running.irps) == ("Running", 0, ())


def test_the_text_of_a_thread_names_what_it_waits_for(typed: Session, kernel: WindowsKernel) -> None:
    shown = to_text(execute(typed, f"!thread {kernel.body('DemoThread'):x} 2")[0])
    assert "WAIT: (UserRequest) UserMode Alertable" in shown
    assert f"{kernel.body('Event'):016x}  SynchronizationEvent" in shown
    assert f"{kernel.symbols['Semaphore']:016x}  Semaphore Limit 0x10" in shown


# --- objects and handles -----------------------------------------------------------------------------


def test_handles_in_three_levels(session: Session, kernel: WindowsKernel) -> None:
    handles = Handles(session).of_process(session.processes.describe(kernel.body("Demo")))
    assert not handles.note
    assert [(each.handle, each.object, each.access, each.attributes) for each in handles] == [
        (0x4, kernel.body("Event"), 0x1F0003, 0),
        (0x8, kernel.body("File"), 0x120089, 1),
        (0xC, kernel.body("Lower"), 0x1F01FF, 0),
        (0x404, kernel.body("DemoThread"), 0x1FFFFF, 0),
        (0x408, kernel.body("System"), 0x1000, 4),
    ]


def test_types_and_names_of_handles_come_with_symbols(typed: Session, kernel: WindowsKernel) -> None:
    handles = Handles(typed).of_process(typed.processes.describe(kernel.body("Demo")))
    assert [(each.type, each.name) for each in handles] == [
        ("Event", ""),
        ("File", "\\data\\demo.bin {DemoDevice0}"),
        ("Device", "DemoDevice0"),
        ("Thread", "demo.exe (1a4.1a8)"),
        ("Process", "System (4)"),
    ]


def test_the_table_of_ids_leads_to_bodies(session: Session, kernel: WindowsKernel) -> None:
    found = Handles(session).by_id(0)
    expected = {4: "System", 8: "SystemThread", 0x1A4: "Demo", 0x1A8: "DemoThread"}
    assert {each.handle: each.object for each in found} == {
        number: kernel.body(name) for number, name in expected.items()
    }


def test_the_namespace(typed: Session, kernel: WindowsKernel) -> None:
    objects = Objects(typed)
    device = objects.lookup("\\Device\\DemoDevice0")
    assert device == kernel.body("Lower")  # its name stands before what tells the creator
    assert (objects.full_name(device), objects.describe(device).type) == ("\\Device\\DemoDevice0", "Device")
    assert [entry.name for entry in objects.describe(objects.root())] == ["Device", "Driver"]
    header = kernel.body("Lower") - HEADER
    assert typed.memory.read_u8(header + 0x18) ^ COOKIE ^ header >> 8 & 0xFF == 4


def test_names_need_no_types(bare: Session, kernel: WindowsKernel) -> None:
    assert Objects(bare).full_name(kernel.body("Lower")) == "\\Device\\DemoDevice0"


def test_tokens(session: Session, kernel: WindowsKernel) -> None:
    address = process_token(session, kernel.body("Demo"))
    assert address == kernel.symbols["Token"]
    token = describe_token(session, address)
    assert token.user is not None
    assert (token.user.text, token.user.address) == ("S-1-5-32-544", kernel.symbols["UserSid"])
    assert [(group.sid.text, group.attributes) for group in token.groups] == [("S-1-1-0", 7)]
    assert [(each.number, each.is_enabled) for each in token.privileges] == [(20, False), (23, True)]
    assert (token.source, token.session_id, token.authentication_id, token.type) == ("User32", 2, 0x3E7, 1)
    assert (token.token_id, token.originating_session) == (0x77, 0x3E7)


# --- ranges, devices, requests -----------------------------------------------------------------------


def test_ranges(typed: Session, kernel: WindowsKernel) -> None:
    found = list_vads(typed, vad_root(typed, kernel.body("Demo")))
    assert not found.note
    assert [(each.start, each.end, each.commit, each.is_private) for each in found] == [
        (0x100000, 0x10FFFF, 16, True),
        (0x200000, 0x2FFFFF, 100, True),
        (0x7FF7A0000000, 0x7FF7A0FFFFFF, 3, False),
    ]
    assert found[0].protection_words == "READWRITE"
    assert found[2].name == "\\data\\demo.bin {DemoDevice0}"


def test_drivers_devices_and_files(session: Session, kernel: WindowsKernel) -> None:
    driver = describe_driver(session, kernel.body("Driver"))
    assert (driver.name, driver.devices) == ("\\Driver\\Demo", (kernel.body("Upper"), kernel.body("Lower")))
    assert driver.dispatch[3].address == kernel.symbols["DllMain"]
    stack = device_stack(session, kernel.body("Lower"))
    assert [device.address for device in stack] == [kernel.body("Upper"), kernel.body("Lower")]
    assert stack.node is not None
    assert stack.node.instance_path == "ROOT\\DEMO\\0000"
    file = describe_file(session, kernel.body("File"))
    assert (file.name, file.driver_name, file.current_byte_offset) == ("\\data\\demo.bin", "\\Driver\\Demo", 0x1234)


def test_requests(session: Session, kernel: WindowsKernel) -> None:
    irp = describe_irp(session, kernel.symbols["Request"])
    assert not irp.note
    assert (irp.stack_count, irp.current_location, irp.thread) == (2, 2, kernel.body("DemoThread"))
    lower, upper = irp.locations
    assert (lower.major_name, upper.major_name, upper.arguments[0]) == ("", "IRP_MJ_READ", 0x200)
    assert (upper.device, upper.driver_name, upper.is_current) == (kernel.body("Upper"), "\\Driver\\Demo", True)


def test_the_device_tree(session: Session, kernel: WindowsKernel) -> None:
    root, demo = describe_tree(session, kernel.symbols["IopRootNode"], 1)
    assert (root.instance_path, demo.instance_path, demo.service) == ("HTREE\\ROOT\\0", "ROOT\\DEMO\\0000", "Demo")
    assert demo.state == (0x308, "DeviceNodeStarted")
    assert [name for _, _, name in demo.history[:3]] == [
        "DeviceNodeStartPostWork",
        "DeviceNodeInitialized",
        "DeviceNodeUninitialized",
    ]
    assert demo.flag_names == ("DNF_MADEUP", "DNF_ENUMERATED", "DNF_IDS_QUERIED", "DNF_NO_RESOURCE_REQUIRED")


# --- resources, pool, page counts, processors --------------------------------------------------------


def test_resources(session: Session, kernel: WindowsKernel) -> None:
    found = list_resources(session)
    assert (found.total, found.held, found.note) == (4, 3, "")
    held, shared, _ = found
    demo, system = kernel.body("DemoThread"), kernel.body("SystemThread")
    assert (held.address, held.is_exclusive) == (kernel.symbols["Held"], True)
    assert [(owner.thread, owner.count) for owner in held.owners] == [(demo, 2)]
    assert "who waits can't be read" in held.note
    assert [(owner.thread, owner.count) for owner in shared.owners] == [(demo, 1), (system, 3)]


def test_owners_of_fast_resources_come_with_types(typed: Session, kernel: WindowsKernel) -> None:
    *_, fast = list_resources(typed)
    assert fast.address == kernel.symbols["Fast"]
    assert [owner.thread for owner in fast.owners] == [kernel.body("DemoThread")]


def test_the_pools_counts_are_those_of_all_processors(kernel: WindowsKernel) -> None:
    kernel.machine.prcbs = kernel.machine.prcbs[:1] * 2
    with memory_session(kernel.machine, symbol_path=str(kernel.store)) as session:
        usage = pool_usage(session)
        (demo,) = usage  # what one processor allocated and the other freed is not in use
        assert (demo.tag, demo.nonpaged_bytes, demo.nonpaged_count) == ("Demo", 0x200, 2)
        assert (demo.paged_bytes, demo.paged_count) == (0x40, 1)
        everything = pool_usage(session, VERBOSE)
        assert (everything["Irp"].nonpaged_bytes, everything["Irp"].paged_count) == (0, 0)
    kernel.machine.prcbs = kernel.machine.prcbs[:1]


def test_large_allocations_are_found_on_the_segment_heap(typed: Session) -> None:
    page = describe_page(typed, 0xFFFFA80000301000)
    assert page.large is not None
    assert (page.large.address, page.large.size, page.large.tag) == (0xFFFFA80000300000, 0x3000, "Demo")
    for address in (0xFFFFA80000500001, 0xFFFFA80000700000):
        with pytest.raises(UnsupportedError, match="ExPoolState"):
            describe_page(typed, address)


def test_page_counts_behind_a_long_partition(typed: Session) -> None:
    used = memory_usage(typed)
    assert (used["Physical Memory"], used["Available Pages"], used["ResAvail Pages"]) == (0x7F000, 0x40000, 0x70000)
    assert (used["Modified Pages"], used["Modified No Write Pages"]) == (0x123, 0x45)
    assert (used["Committed pages"], used["Commit limit"], used["Shared Commit"]) == (0x30000, 0x90000, 0x567)
    (file,) = used.paging_files
    assert (file.name, file.free) == ("\\??\\C:\\pagefile.sys", 0x800)
    assert [(each.image, each.commit, each.shared_commit) for each in used.processes] == [
        ("demo.exe", 300, 40),
        ("System", 0, 0),
    ]


def test_a_processor(typed: Session) -> None:
    shown = to_text(execute(typed, "!cpuinfo")[0]).split("\n")[1]
    assert shown.split() == ["0", "6,158,10", "GenuineIntel", "3600", "0000009600000000", "112345678"]
    block = to_text(execute(typed, "!prcb")[0])
    assert "Not known" not in block
    assert "Current IRQL -- 2" in block


# --- what is not known -------------------------------------------------------------------------------


def test_what_needs_types_says_so_without(bare: Session, kernel: WindowsKernel) -> None:
    for line, missing in (
        ("!vad", "MMVAD|VadRoot"),
        ("!poolused", "PoolTrackTable"),
        (f"!pool {kernel.body('Demo'):x}", "segment heap"),
        ("!devnode 0 1", "IopRootDeviceNode"),
    ):
        with pytest.raises(CommandError, match=missing):
            execute(bare, line)


def test_every_offset_is_that_of_the_declaration(typed: Session, kernel: WindowsKernel) -> None:
    build = kernel.machine.version.minor
    for name in STRUCTS:
        layout, known = typed.processes.records.layout(name), known_fields(name, build)
        assert layout.types is not None, name
        assert known, name
        assert {path: layout.fields.get(path) for path in known} == known, name
        assert known_size(name, build) in (0, layout.size), name


@pytest.mark.parametrize(
    ("field", "line"), [("offset_eprocess_peb", "!process 0 0"), ("offset_ethread_irp_list", "!process 4 2")]
)
def test_offsets_that_kdbg_contradicts_are_not_used(kernel: WindowsKernel, field: str, line: str) -> None:
    place = kernel.symbols["KdDebuggerDataBlock"]
    before = kernel.machine.get(place, KdDebuggerData64.SIZE)
    block = KdDebuggerData64.decode(before)
    kernel.machine.put(place, block.replace(**{field: getattr(block, field) + 8}).encode())
    try:
        with memory_session(kernel.machine) as session, pytest.raises(CommandError, match="in this build is not known"):
            execute(session, line)
    finally:
        kernel.machine.put(place, before)


@pytest.mark.parametrize("build", [0, 2600, 7601, 18363, 19040, 26201, 99999])
def test_other_builds_have_no_offsets(build: int) -> None:
    assert not known_fields("_EPROCESS", build)
    assert not known_fields("_IRP", build)


def test_builds_between_two_changes_are_like_the_earlier() -> None:
    for name, builds in {
        "_ETHREAD": ((19041, 19045), (20348, 22000, 22621, 22631), (26100, 26200)),
        "_EPROCESS": ((19041, 19045, 20348, 22631), (26100, 26200)),
    }.items():
        kinds = [{tuple(known_fields(name, build).items()) for build in era} for era in builds]
        assert all(len(kind) == 1 for kind in kinds)
        assert len(set.union(*kinds)) == len(builds)
