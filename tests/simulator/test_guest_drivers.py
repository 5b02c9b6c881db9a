"""A driver that is loaded and unloaded while the guest runs."""

from __future__ import annotations

import struct

import pytest

from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.events import FileWanted, LoadSymbols, Trap
from kdnb.simulator.loader import guest_files
from kdnb.simulator.machine import Machine
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from tests.simulator.guest_access import DBG_CONTINUE

machines = pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])


def booted(architecture: Architecture) -> Machine:
    machine = Machine("driverload", architecture)
    machine.boot()
    return machine


def next_notification(machine: Machine) -> LoadSymbols:
    """The machine stands still at it."""
    for _ in range(20_000):
        event = machine.run(1)
        assert not isinstance(event, Trap), event
        if isinstance(event, LoadSymbols):
            return event
        if isinstance(event, FileWanted):
            machine.answer(b"")
    raise AssertionError("no image came or went")


def go(machine: Machine) -> None:
    machine.resume(DBG_CONTINUE, trace=False, dr7=None)


@machines
def test_the_driver_comes_and_goes_with_notifications(architecture: Architecture) -> None:
    machine = booted(architecture)
    image = next(file for file in guest_files(architecture) if file.name == "echo.sys").image
    base = PeImage.from_file(image).image_base
    assert machine.read_virtual(0, base, 2) == b"", "nothing is there before"
    for _ in range(2):
        loaded = next_notification(machine)
        assert (loaded.unload, loaded.base, loaded.process_id) == (False, base, -1)
        assert loaded.path == b"\\SystemRoot\\system32\\drivers\\echo.sys"
        assert machine.read_virtual(0, base, 0x200) == image[:0x200]
        go(machine)
        gone = next_notification(machine)
        assert (gone.unload, gone.base, gone.size, gone.checksum) == (True, base, 0, 0)
        go(machine)
        machine.run(50)
        assert machine.read_virtual(0, base, 2) == b""


@machines
def test_its_data_are_those_of_the_file_at_each_load(architecture: Architecture) -> None:
    machine = booted(architecture)
    file = next(file for file in guest_files(architecture) if file.name == "echo.sys")
    base = PeImage.from_file(file.image).image_base
    name = "EchoDevice" if architecture is AMD64 else "_EchoDevice"
    rva = next(public.rva for public in PdbFile.open(file.pdb).publics() if public.name == name)
    size = architecture.pointer_size
    next_notification(machine)
    go(machine)
    machine.run(50)
    assert machine.read_virtual(0, base + rva, size) != bytes(size), "DriverEntry made the device"
    assert next_notification(machine).unload
    go(machine)
    next_notification(machine)
    assert machine.read_virtual(0, base + rva, size) == bytes(size)


def unloaded(machine: Machine, architecture: Architecture) -> list[tuple[str, int, int, int]]:
    """Name, start, end and time of each driver in the guest's list, by its public symbols; in the array's order."""
    size = architecture.pointer_size
    form = struct.Struct("<H6xQQQQ" if size == 8 else "<H2xIIIQ")
    array = int.from_bytes(machine.read_virtual(0, address_of(architecture, "MmUnloadedDrivers"), size), "little")
    found = []
    for index in range(50 if array else 0):
        length, name, *rest = form.unpack(machine.read_virtual(0, array + index * form.size, form.size))
        if name:
            found.append((machine.read_virtual(0, name, length).decode("utf-16-le"), *rest))
    return found


def address_of(architecture: Architecture, name: str) -> int:
    kernel = guest_files(architecture)[0]
    decorated = name if architecture is AMD64 else f"_{name}"
    rva = next(public.rva for public in PdbFile.open(kernel.pdb).publics() if public.name == decorated)
    return PeImage.from_file(kernel.image).image_base + rva


def unload_once(machine: Machine) -> None:
    while not next_notification(machine).unload:
        go(machine)
    go(machine)
    machine.run(50)


@machines
def test_what_was_unloaded_is_remembered_in_a_ring_of_fifty(architecture: Architecture) -> None:
    machine = booted(architecture)
    image = PeImage.from_file(next(file for file in guest_files(architecture) if file.name == "echo.sys").image)
    last = address_of(architecture, "MmLastUnloadedDriver")
    assert unloaded(machine, architecture) == []
    unload_once(machine)
    unload_once(machine)
    first, second = unloaded(machine, architecture)
    assert first[:3] == second[:3] == ("echo.sys", image.image_base, image.image_base + image.size_of_image)
    assert 0 < second[3] - first[3] < 10 * 10_000_000, "FILETIMEs, some seconds apart"
    assert machine.read_virtual(0, last, 4) == bytes((2, 0, 0, 0))
    machine.write_virtual(0, last, bytes((50, 0, 0, 0)))
    unload_once(machine)
    assert machine.read_virtual(0, last, 4) == bytes((1, 0, 0, 0))
    third, untouched = unloaded(machine, architecture)
    assert untouched == second
    assert third[:3] == first[:3]
    assert third[3] > second[3]


@machines
def test_a_thread_that_a_driver_leaves_behind_runs_into_bug_check_ce(architecture: Architecture) -> None:
    machine = Machine("driverunload", architecture)
    machine.boot()
    image = PeImage.from_file(next(file for file in guest_files(architecture) if file.name == "echo.sys").image)
    unload_once(machine)
    trap = next(event for event in iter(lambda: machine.run(1), ()) if isinstance(event, Trap))
    assert trap.processor in (0, 1)
    size = architecture.pointer_size
    data = machine.read_virtual(0, address_of(architecture, "KiBugCheckData"), 5 * size)
    code, address, _, instruction, _ = (
        int.from_bytes(data[at : at + size], "little") for at in range(0, 5 * size, size)
    )
    assert code == 0xCE
    assert address == instruction
    assert image.image_base < address < image.image_base + image.size_of_image
    driver = int.from_bytes(machine.read_virtual(0, address_of(architecture, "KiBugCheckDriver"), size), "little")
    length, name = struct.unpack("<H6xQ" if size == 8 else "<H2xI", machine.read_virtual(0, driver, 2 * size))
    assert machine.read_virtual(0, name, length).decode("utf-16-le") == "echo.sys"


def test_the_pool_does_not_grow_with_each_load() -> None:
    machine = booted(AMD64)
    place = next(
        PeImage.from_file(guest_files()[0].image).image_base + public.rva
        for public in PdbFile.open(guest_files()[0].pdb).publics()
        if public.name == "NonPagedPoolDescriptor"
    )
    total_pages = 0xC
    sizes = []
    for _ in range(5):
        next_notification(machine)
        go(machine)
        assert next_notification(machine).unload
        go(machine)
        machine.run(50)
        sizes.append(int.from_bytes(machine.read_virtual(0, place + total_pages, 4), "little"))
    assert sizes[2] == sizes[4]
