"""A driver that is loaded and unloaded while the guest runs."""

from __future__ import annotations

import pytest

from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.events import LoadSymbols, Trap
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
