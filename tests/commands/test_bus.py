"""Bus data and requests that are only made by name, on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.protocol.constants import Api
from kdnb.render.text import to_text
from kdnb.results.hardware import PciDevices
from kdnb.results.memory import MemoryDump

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_the_devices_of_the_bus_are_listed(session: Session) -> None:
    (devices,) = execute(session, "!pci")
    assert isinstance(devices, PciDevices)
    assert [(d.vendor_id, d.device_id) for d in devices][:2] == [(0x8086, 0x1237), (0x8086, 0x7000)]
    assert to_text(devices).split("\n")[0].startswith("00:00.0  8086:1237.")
    assert "(bridge)" in to_text(devices)
    assert to_text(execute(session, "!pci 0 7")[0]) == "No devices on this bus."


def test_configuration_space_is_shown_and_written(session: Session) -> None:
    (space,) = execute(session, "!pci 4 0 2 0 0 f")
    assert isinstance(space, MemoryDump)
    assert space.data[:4] == bytes.fromhex("34121111")
    execute(session, "!ecb 0.2.0.3c 0b")
    (space,) = execute(session, "!pci 4 0 2 0 3c 3c")
    assert space.numbers == [0x0B]  # type: ignore[attr-defined]  # a MemoryDump as above
    (words,) = execute(session, "!pci 100 0 2 0")
    assert words[0] == 0x11111234  # type: ignore[index]  # a MemoryDump as above


def test_one_device_or_all_buses_can_be_listed(session: Session) -> None:
    (every,) = execute(session, "!pci")
    (one,) = execute(session, "!pci 0 0 3")
    assert isinstance(every, PciDevices)
    assert isinstance(one, PciDevices)
    assert list(one) == [device for device in every if device.device == 3]
    assert list(execute(session, "!pci 0 0 3 0")[0]) == list(one)  # type: ignore[call-overload]  # as above
    assert list(execute(session, "!pci 2 1")[0]) == list(every)  # type: ignore[call-overload]  # as above


@pytest.mark.parametrize("command", ["!pci 0 100", "!pci 0 0 20", "!pci 100 0 0 0 0 1000", "!ecb 0.0.0.3c 100"])
def test_places_and_values_that_can_not_be_are_refused(session: Session, command: str) -> None:
    with pytest.raises(CommandError, match=r"Range error|overflow"):
        execute(session, command)


@pytest.mark.parametrize("command", ["!pci 100", "!pci 4 0 20 0", "!ecb 0.0.0 1", "!ecw 0.40.0.0 1", "!pci 4 0 1f 8"])
def test_nonsense_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)


def test_bus_data_are_not_asked_for_while_the_target_boots(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.calls, "is_booting", lambda: True)
    with pytest.raises(CommandError, match="boots"):
        execute(session, "!pci")


def test_what_targets_refuse_is_one_readable_line(session: Session) -> None:
    with pytest.raises(CommandError, match=r"PageIn: the target answers STATUS_UNSUCCESSFUL.*don't page in"):
        execute(session, ".pagein nt")
    assert "Low memory" in to_text(execute(session, "!chklowmem")[0])


def test_every_special_and_internal_breakpoint_request_is_answered_or_refused_and_the_stop_lasts(
    session: Session,
) -> None:
    from kdnb.errors import RequestFailed

    calls = session.calls
    place = session.evaluate("nt!KeUpdateRunTime")
    stop = session.stop
    calls.set_internal_breakpoint(place)
    calls.set_special_call(place)
    calls.clear_special_calls()
    calls.clear_internal_breakpoints()
    for refused in (calls.special_calls, lambda: calls.internal_breakpoint(place)):
        with pytest.raises(RequestFailed):
            refused()
    assert session.stop is stop
    assert session.memory.read(place, 1)


def test_the_target_is_asked_what_kind_of_memory_it_is(session: Session) -> None:
    assert session.calls.query_memory(session.modules["nt"].base) == (2, 7)
    found = session.calls.search(session.modules["nt"].base, 0x1000, b"PE\0\0")
    assert found is not None
    assert session.memory.read(found, 2) == b"PE"
    assert session.calls.search(session.modules["nt"].base, 0x400, b"no such bytes") is None


def test_a_fill_falls_back_on_writes_where_the_target_does_not_fill(session: Session) -> None:
    place = session.modules["nt"].base + 0xD00
    session.calls._refused.add(Api.FillMemory)
    try:
        execute(session, f"f 0x{place:x} L10 1 2 3")
        assert session.memory.read(place, 16) == (bytes([1, 2, 3]) * 6)[:16]
    finally:
        session.calls.forget()
    execute(session, f"f 0x{place:x} L10 9")
    assert session.memory.read(place, 16) == bytes([9]) * 16


def test_memory_is_copied_and_compared(session: Session) -> None:
    place = session.modules["nt"].base + 0xD00
    execute(session, f"m nt L10 0x{place:x}")
    assert to_text(execute(session, f"c nt L10 0x{place:x}")[0]) == ""
    execute(session, f"eb 0x{place + 3:x} 77")
    text = to_text(execute(session, f"c nt L10 0x{place:x}")[0])
    assert text.endswith("  77")
    assert text.count("\n") == 0


def test_physical_memory_is_written_and_read_with_a_caching_attribute(session: Session) -> None:
    place = 0x2000
    before = session.physical.read(place, 8)
    execute(session, f"!ed {place:x} 12345678; !eb [uc] {place + 4:x} 41 0")
    (dump,) = execute(session, f"!dd [uc] {place:x} L1")
    assert dump[0] == 0x12345678  # type: ignore[index]  # a MemoryDump
    assert to_text(execute(session, f"!du {place + 4:x}")[0]).endswith('"A"')
    session.physical.write(place, before)
    with pytest.raises(CommandError, match="physical memory read at ffff000000 failed"):
        execute(session, "!dd ffff000000")


def test_interrupt_vectors_and_processor_blocks(session: Session) -> None:
    text = to_text(execute(session, "!idt")[0])
    assert text.startswith("Dumping IDT: ")
    assert "03:\t" in text
    assert len(execute(session, "!idt 3")[0]) == 1  # type: ignore[arg-type]  # an InterruptTable
    pcr = to_text(execute(session, "!pcr")[0])
    assert pcr.startswith("KPCR for Processor 0 at ")
    assert f"CurrentThread: {session.processes.current_thread():016x}" in pcr
    for command in ("!pcr 7", "!prcb 7", "!irql 7"):
        with pytest.raises(CommandError, match="Cannot get PRCB address of processor 7"):
            execute(session, command)


def test_the_tree_follows_bridges_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def header(kind: int, secondary: int = 0) -> bytes:
        data = bytearray(0x40)
        data[:4] = b"\x86\x80\x34\x12"
        data[0xE], data[0x19] = kind, secondary
        return bytes(data)

    buses = {(0, 0): header(0), (0, 1): header(1, 2), (2, 5): header(0), (2, 6): header(1, 0)}

    def read_bus(bus: int, slot: int, offset: int, size: int) -> bytes:
        return buses.get((bus, slot), b"\xff" * size)[offset : offset + size]

    monkeypatch.setattr(session.calls, "read_bus", read_bus)
    (tree,) = execute(session, "!pcitree")
    lines = to_text(tree).split("\n")
    assert [line.split("  ")[0] for line in lines[:2]] == ["00:00.0", "00:01.0"]
    assert lines[1].endswith("bridge to bus 2")
    assert lines[2].startswith("  02:05.0")
    assert lines[3].startswith("  02:06.0")
    assert len(lines) == 4
    assert tree.to_dict()["nodes"][2]["depth"] == 1
