"""Drivers whose file the debugger gives: what the guest takes, what it refuses, and that refusing does no harm."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.events import FileWanted, LoadSymbols, Print, Trap
from kdnb.simulator.loader import guest_files
from kdnb.simulator.machine import Machine
from kdnb.symbols.pe import PeImage
from tests.simulator.guest_access import DBG_CONTINUE, broken_in, change, context, guest_names, read_pointer

if TYPE_CHECKING:
    from collections.abc import Callable

machines = pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
REFUSED = b"is no image that can be loaded here"
FAILS = {AMD64: bytes.fromhex("b8 ef 00 00 c0 c3"), X86: bytes.fromhex("b8 ef 00 00 c0 c2 08 00")}
"""`mov eax, STATUS_INVALID_PARAMETER_1; ret`."""
HEADER, MACHINE, SECTIONS, OPTIONAL = 0x3C, 4, 6, 24


def file_of(architecture: Architecture, name: str = "echo.sys") -> bytes:
    return next(file.image for file in guest_files(architecture) if file.name == name)


def header(data: bytes) -> int:
    return int(struct.unpack_from("<I", data, HEADER)[0])


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def with_code(data: bytes, rva: int, code: bytes) -> bytes:
    section = PeImage.from_file(data).section_of(rva)
    assert section is not None
    return patched(data, section.file_offset + rva - section.rva, code)


def with_stamp(data: bytes, stamp: int = 0x12345678) -> bytes:
    return patched(data, header(data) + 8, struct.pack("<I", stamp))


class Loading:
    """A machine in which echo.sys comes and goes, and what it says; `give` is asked for each file."""

    def __init__(
        self, architecture: Architecture, give: Callable[[bytes], bytes], scenario: str = "driverload"
    ) -> None:
        self.machine = Machine(scenario, architecture)
        self.machine.boot()
        self.prints = b""
        self._give = give

    def next_load(self, *, unload: bool = False) -> LoadSymbols:
        """The machine stands still at it."""
        for _ in range(40_000):
            event = self.machine.run(1)
            assert not isinstance(event, Trap), event
            if isinstance(event, Print):
                self.prints += event.text
            if isinstance(event, FileWanted):
                self.machine.answer(self._give(event.path))
            if isinstance(event, LoadSymbols):
                if event.unload == unload:
                    return event
                self.go()
        raise AssertionError("no image came")

    def go(self) -> None:
        self.machine.resume(DBG_CONTINUE, trace=False, dr7=None)


@machines
def test_the_file_of_the_debugger_is_the_driver_that_runs(architecture: Architecture) -> None:
    data = file_of(architecture)
    image = PeImage.from_file(data)
    new = with_stamp(with_code(data, image.entry_point, FAILS[architecture]))
    files = [new, b""]
    loading = Loading(architecture, lambda _: files.pop(0))
    loaded = loading.next_load()
    code = loading.machine.read_virtual(0, loaded.base + image.entry_point, len(FAILS[architecture]))
    assert code == FAILS[architecture]
    assert loading.machine.read_virtual(0, loaded.base + header(data) + 8, 4) == struct.pack("<I", 0x12345678)
    loading.go()
    loading.next_load(unload=True)
    assert b"\\Driver\\echo failed to start, status 0xc00000ef" in loading.prints
    loading.go()
    loaded = loading.next_load()
    assert loading.machine.read_virtual(0, loaded.base, 0x200) == data[:0x200], "its own file again"
    assert loading.prints.count(b"failed to start") == 1


@machines
def test_a_driver_of_the_start_is_replaced_before_it_runs(architecture: Architecture) -> None:
    data = file_of(architecture, "disk.sys")
    new = data.replace(b"disk: found", b"DISK: FOUND")
    assert new != data
    loading = Loading(architecture, lambda path: new if path.endswith(b"disk.sys") else b"", "boot")
    while not loading.next_load().path.endswith(b"ntfs.sys"):
        loading.go()
    assert b"DISK: FOUND" in loading.prints
    assert b"disk: found" not in loading.prints


@machines
@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"no image",
        lambda data: bytes(0x1000),
        lambda data: data[: len(data) // 2],
        lambda data: patched(data, header(data) + MACHINE, b"\x64\xaa"),
        lambda data: patched(data, header(data) + SECTIONS, b"\xff"),
        lambda data: patched(data, header(data) + OPTIONAL + 16, b"\xff\xff\xff\x7f"),
        lambda data: patched(data, header(data) + OPTIONAL + 30, b"\x77"),
        lambda data: patched(data, header(data) + OPTIONAL + 56, b"\0\0\x10\0"),
        lambda data: data.replace(b"DbgPrintEx\0", b"NoSuchName\0"),
        lambda data: data + bytes(0x40000),
    ],
    ids=["text", "zeros", "half", "machine", "sections", "entry", "base", "size", "import", "long"],
)
def test_what_cannot_be_the_driver_is_refused_and_its_own_file_loaded(
    architecture: Architecture, spoil: Callable[[bytes], bytes]
) -> None:
    data = file_of(architecture)
    long = spoil(data).startswith(data)
    loading = Loading(architecture, lambda _: spoil(data))
    loaded = loading.next_load()
    assert (REFUSED in loading.prints) is not long, "bytes behind the last section don't matter"
    assert loading.machine.read_virtual(0, loaded.base, 0x200) == data[:0x200]
    loading.go()
    loading.next_load(unload=True)


def test_no_file_of_a_debugger_breaks_the_guest() -> None:
    machine = broken_in()
    names = guest_names()
    block = read_pointer(machine, names["nt!KeLoaderBlock"])
    file = read_pointer(machine, block + 0x30) + read_pointer(machine, block + 0x50)
    assert file, "the buffer for files, seen through the map of physical memory"
    data = file_of(AMD64)
    base = PeImage.from_file(data).image_base
    rng = random.Random(5)
    before = context(machine)
    outcomes = set()
    for _ in range(300):
        spoiled = bytearray(data)
        for _ in range(rng.choice((0, 1, 1, 2, 8))):
            at = rng.randrange(0x400) if rng.random() < 0.7 else rng.randrange(len(data))
            spoiled[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        machine.write_virtual(0, file, bytes(spoiled))
        stack = before.rsp - 0x1000 & -16
        machine.write_virtual(0, stack - 8, names["nt!DbgBreakPoint"].to_bytes(8, "little"))
        change(
            machine, rip=names["nt!MiLayOutFile"], rsp=stack - 8, rcx=file + 0x20000, rdx=file, r8=len(data), r9=base,
            efl=before.efl & ~0x200,
        )  # fmt: skip
        machine.resume(DBG_CONTINUE, trace=False, dr7=None)
        trap = next(event for event in iter(lambda: machine.run(1), ()) if event is not None)
        assert isinstance(trap, Trap)
        assert trap.address == names["nt!DbgBreakPoint"]
        outcomes.add(context(machine).rax & 0xFF)
    assert outcomes == {0, 1}
