"""IRPs of the simulated machine: one under way through a device stack, pending ones, and damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.drivers import describe_device
from kdnb.debugger.irps import describe_irp, summarize_irp
from kdnb.errors import UnknownNameError
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

STACK_COUNT, CURRENT_LOCATION = 0x42, 0x43
THREAD_LIST_ENTRY = 0x20


@pytest.fixture
def at_disk(session: Session) -> Session:
    """Stopped where the disk gets a request: rcx is its device, rdx the IRP."""
    session.go(until=session.evaluate("disk!DiskDispatchReadWrite"), timeout=TIMEOUT)
    return session


def pending(session: Session) -> int:
    """The read that the device \\Device\\Buggy is busy with."""
    return describe_device(session, session.evaluate("poi(buggy!BuggyDevice)")).current_irp


def test_each_driver_of_the_stack_has_its_location(at_disk: Session) -> None:
    irp = describe_irp(at_disk, at_disk.evaluate("@rdx"))
    assert (irp.stack_count, irp.current_location, irp.note) == (3, 2, "")
    assert [location.driver_name for location in irp] == ["", "\\Driver\\disk", "\\Driver\\ntfs"]
    unused, disk, ntfs = irp
    assert not unused.major_name
    assert irp.current == disk
    assert disk.device == at_disk.evaluate("@rcx")
    assert disk.completion_symbol == "ntfs!NtfsSingleSyncCompletionRoutine"
    assert disk.control == 0xE0
    asked = {"IRP_MJ_CREATE": ("IRP_MJ_READ", 0x200), "IRP_MJ_READ": ("IRP_MJ_READ", 0x100),
             "IRP_MJ_WRITE": ("IRP_MJ_WRITE", 0x40)}  # fmt: skip
    assert (disk.major_name, disk.arguments[0]) == asked[ntfs.major_name]
    assert ntfs.file == disk.file
    assert irp.thread == at_disk.evaluate("@$thread")
    assert irp.current_stack_location == irp.address + 0xD0 + 0x48


def test_a_thread_lists_what_it_has_asked_for(at_disk: Session) -> None:
    thread = at_disk.processes.thread(at_disk.evaluate("@$thread"), 2)
    (irp,) = thread.irps
    assert (irp.address, irp.type, irp.mdl) == (at_disk.evaluate("@rdx"), 6, 0)
    assert irp.size == 0xD0 + 3 * 0x48
    assert not at_disk.processes.thread(thread.address, 0).irps


def test_a_pending_irp_waits_in_the_queue_of_its_device(at_disk: Session) -> None:
    device = describe_device(at_disk, at_disk.evaluate("poi(buggy!BuggyDevice)"))
    current = describe_irp(at_disk, device.current_irp)
    assert current.current is not None
    assert current.current.control & 1, "it is marked as pending"
    assert current.cancel_symbol == "buggy!BuggyCancel"
    assert device.queue_busy
    (waiting,) = device.queued_irps
    assert describe_irp(at_disk, waiting).current_location == 2
    threads = {thread.address: thread for thread in at_disk.processes.listing("csrss.exe", 2)[0].threads}
    assert threads[current.thread].wait_reason == "Executive"
    assert [irp.address for irp in threads[current.thread].irps] == [current.address]


def test_a_completed_irp_says_so(at_disk: Session) -> None:
    address = pending(at_disk)
    at_disk.memory.write(address + CURRENT_LOCATION, b"\3")
    irp = describe_irp(at_disk, address)
    assert irp.is_completed
    assert irp.current is None
    assert "damaged" not in irp.note


def test_without_types_the_layout_of_known_builds_gives_the_same(guest_symbols: Path) -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        bare.go(until=bare.evaluate("nt!IofCallDriver"), timeout=TIMEOUT)
        irp = describe_irp(bare, bare.evaluate("@rdx"))
        assert irp.stack_count == 3
        assert bare.processes.thread(bare.evaluate("@$thread"), 2).irps[0].address == irp.address


def test_what_is_no_irp_is_refused(session: Session) -> None:
    with pytest.raises(UnknownNameError, match="probably not an IRP"):
        describe_irp(session, session.evaluate("nt!PsActiveProcessHead"))


@pytest.mark.parametrize(("field", "value"), [(STACK_COUNT, 0xFF), (CURRENT_LOCATION, 0x70), (CURRENT_LOCATION, 0)])
def test_counts_that_cant_be_true_are_named(at_disk: Session, field: int, value: int) -> None:
    address = pending(at_disk)
    at_disk.memory.write(address + field, bytes([value]))
    irp = describe_irp(at_disk, address)
    assert "damaged" in irp.note
    assert len(irp) <= 2
    assert summarize_irp(at_disk, address).driver_name == ""


def test_stack_locations_in_a_hole_are_counted(at_disk: Session) -> None:
    end = at_disk.memory.read_pointer(at_disk.evaluate("nt!MmPagedPoolEnd"))
    content = at_disk.memory.read(pending(at_disk), 0xD0 + 0x48)
    at_disk.memory.write(end - len(content), content)
    irp = describe_irp(at_disk, end - len(content))
    assert irp.note == "1 of 2 stack locations can't be read"
    assert len(irp) == 1


def test_a_damaged_list_of_irps_ends_with_a_reason(at_disk: Session) -> None:
    thread, links = at_disk.evaluate("@$thread"), at_disk.evaluate("@rdx") + THREAD_LIST_ENTRY
    at_disk.memory.write(links, links.to_bytes(8, "little"))
    shown = at_disk.processes.thread(thread, 2)
    assert len(shown.irps) == 1
    assert "damaged" in shown.irp_note
