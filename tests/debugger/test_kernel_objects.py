"""Processes, threads, objects and drivers of the simulated machine, by types and by offsets; damaged lists."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.address_space import ProcessMemory
from kdnb.debugger.drivers import describe_driver, device_stack, find_device, find_driver
from kdnb.debugger.objects import Objects
from kdnb.errors import MemoryReadError, UnknownNameError
from tests.debugger.simulated import TIMEOUT, open_session, packets, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

IMAGES = ["System", "smss.exe", "csrss.exe", "services.exe", "explorer.exe", "notepad.exe"]
PARAMETERS, IMAGE_PATH = 0x20, 0x60  # in PEB, and in what it points to


def test_the_process_list_names_all_in_order(session: Session) -> None:
    listing = session.processes.listing()
    assert [process.image for process in listing] == IMAGES
    assert not listing.note
    assert [process.image for process in session.processes.listing("NOTEPAD.EXE")] == ["notepad.exe"]


def test_a_list_of_processes_costs_less_than_a_request_for_each_field(session: Session) -> None:
    session.processes.listing()
    session.drop_caches()
    before = packets(session)
    session.processes.listing()
    cold = packets(session) - before
    session.processes.listing()
    warm = packets(session) - before - cold
    # Four packets to a request with its acknowledgements; a process spans two half pages at most.
    assert cold <= 4 * 2 * (len(IMAGES) + 1)
    assert warm == 0


def test_without_types_the_offsets_of_known_builds_give_the_same(guest_symbols: Path) -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        assert bare.modules.kernel is not None
        assert bare.modules.kernel.types is None
        assert [process.image for process in bare.processes.listing(flags=2)] == IMAGES
        assert all(process.threads for process in bare.processes.listing(flags=2))


def test_waiting_threads_are_walked_from_where_they_left_the_processor(session: Session) -> None:
    (thread,) = session.processes.describe(session.processes.find("smss.exe"), 6).threads
    assert thread.wait_reason == "UserRequest"
    assert thread.wait_objects[0].kind == "NotificationEvent"
    assert thread.stack is not None
    names = [frame.symbol.split("+")[0] for frame in thread.stack]
    assert names[0] == "nt!KiSwapContext"
    assert names[-3:] == ["nt!PspWaitingThread", "nt!PspSystemThreadStartup", "nt!KiStartSystemThread"]
    assert not thread.stack.note


def test_processes_have_address_spaces_of_their_own(session: Session) -> None:
    for image in IMAGES[1:]:
        process = session.processes.describe(session.processes.find(image))
        memory = ProcessMemory(session, process.directory_table_base)
        parameters = int.from_bytes(memory.read_available(process.peb + PARAMETERS, 8), "little")
        size, path = struct.unpack("<H6xQ", memory.read_available(parameters + IMAGE_PATH, 16))
        assert memory.read_available(path, size).decode("utf-16-le") == f"C:\\Windows\\System32\\{image}"
        assert len(memory.read_available(process.peb + 0xF00, 0x200)) == 0x100


def test_the_chosen_process_is_seen_until_the_target_runs(session: Session) -> None:
    notepad = session.processes.describe(session.processes.find("notepad.exe"))
    with pytest.raises(MemoryReadError):
        session.memory.read(notepad.peb, 8)
    session.address_space.choose(notepad.address)
    parameters = session.memory.read_pointer(notepad.peb + PARAMETERS)
    path = session.memory.read_pointer(parameters + IMAGE_PATH + 8)
    assert session.memory.read_string(path, wide=True) == "C:\\Windows\\System32\\notepad.exe"
    assert session.evaluate("@$peb") == notepad.peb
    session.go(until=session.evaluate("nt!NtDelayExecution"), timeout=TIMEOUT)
    assert session.address_space.process is None


def test_a_damaged_process_list_ends_with_a_reason(session: Session) -> None:
    first = session.processes.find("smss.exe")
    links = session.processes.records.layout("_EPROCESS").offset("ActiveProcessLinks")
    held = session.memory.read(first + links, 8)
    session.memory.write(first + links, (first + links).to_bytes(8, "little"))
    listing = session.processes.listing()
    session.memory.write(first + links, held)
    assert [process.image for process in listing] == IMAGES[:2]
    assert "damaged" in listing.note


def test_what_is_no_process_and_no_thread_is_refused(session: Session) -> None:
    with pytest.raises(UnknownNameError, match="no process"):
        session.processes.describe(session.evaluate("nt!PsActiveProcessHead"))
    with pytest.raises(UnknownNameError, match="no thread"):
        session.processes.thread(session.processes.find("System"))
    with pytest.raises(UnknownNameError, match="there is no process"):
        session.processes.find("nothing.exe")


def test_the_namespace_is_walked_and_links_are_followed(session: Session) -> None:
    objects = Objects(session)
    device = objects.lookup("\\DosDevices\\C:", follow=True)
    assert objects.full_name(device) == "\\Device\\Harddisk0\\DR0"
    assert objects.describe(device).type == "Device"
    assert {entry.name for entry in objects.describe(objects.root())} >= {"Device", "Driver", "??", "ObjectTypes"}
    assert {each.name for each in objects.of_type("Driver")} == {"PnpManager", "disk", "ntfs", "buggy"}
    with pytest.raises(UnknownNameError, match="not found"):
        objects.lookup("\\Device\\Nothing")


def test_a_process_is_an_object_without_a_name(session: Session) -> None:
    described = Objects(session).describe(session.processes.find("System"))
    assert (described.type, described.name) == ("Process", "")


def test_drivers_and_device_stacks_fit_together(session: Session) -> None:
    driver = describe_driver(session, find_driver(session, "disk"), 3)
    assert driver.name == "\\Driver\\disk"
    assert driver.dispatch[3].symbol == "disk!DiskDispatchReadWrite"
    assert driver.dispatch[0x1B].symbol == "nt!IopInvalidDeviceRequest"
    stack = device_stack(session, driver.devices[0])
    assert [device.driver_name for device in stack] == ["\\Driver\\ntfs", "\\Driver\\disk", "\\Driver\\PnpManager"]
    assert device_stack(session, find_device(session, "\\Ntfs")).devices == stack.devices


def test_ids_of_the_current_thread_are_pseudo_registers(session: Session) -> None:
    session.go(until=session.evaluate("nt!NtReadFile"), timeout=TIMEOUT)
    thread = session.processes.thread(session.evaluate("@$thread"), 0)
    assert (session.evaluate("$tpid"), session.evaluate("$tid")) == (thread.pid, thread.tid)
    assert thread.image == "notepad.exe"
