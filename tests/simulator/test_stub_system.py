"""What concerns the whole machine: version, processors, scenarios, bug check, reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api, ContinueStatus, MachineType, Status
from kdnb.protocol.link import PeerRestarted
from kdnb.protocol.messages.execution import EmptyBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.protocol.messages.version import VersionBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.simulator.scripted_host import ScriptedHost


def version(host: ScriptedHost) -> VersionBody:
    reply = host.request(Api.GetVersion)
    assert isinstance(reply.body, VersionBody)
    return reply.body


def test_the_version_is_that_of_a_windows_10_kernel(stopped: ScriptedHost) -> None:
    body = version(stopped)
    assert (body.major, body.minor, body.protocol, body.secondary) == (0xF, 19041, 6, 2)
    assert (body.flags, body.machine) == (7, MachineType.AMD64)
    assert (body.max_packet_type, body.max_state_change, body.max_manipulate) == (0xC, 3, 0x33)
    assert stopped.read(body.kernel_base, 2) == b"MZ"


def test_the_module_list_and_the_data_block_are_where_the_version_says(stopped: ScriptedHost) -> None:
    body = version(stopped)
    first = int.from_bytes(stopped.read(body.loaded_module_list, 8), "little")
    assert int.from_bytes(stopped.read(first + 0x30, 8), "little") == body.kernel_base
    block = int.from_bytes(stopped.read(body.debugger_data_list, 8), "little")
    assert stopped.read(block + 0x10, 4) == b"KDBG"


def test_a_break_in_stops_at_the_breakpoint_of_control_c(host: ScriptedHost, symbol: Callable[[str], int]) -> None:
    stop = host.break_in()
    assert stop.exception is not None
    assert (stop.exception.code, stop.exception.first_chance, stop.number_processors) == (Status.BREAKPOINT, 1, 2)
    assert stop.program_counter == stop.exception.address == symbol("DbgBreakPointWithStatus")
    assert host.context(stop.processor).rcx & 0xFFFFFFFF == 1
    assert stop.report.instruction_stream[0] == 0xCC
    assert (stop.report.cs, stop.report.report_flags) == (0x10, 3)
    assert stop.thread >> 47 == 0x1FFFF


def test_time_goes_on_between_two_stops_only(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    def ticks() -> int:
        return int.from_bytes(stopped.read(symbol("KeTickCount"), 8), "little")

    before = ticks()
    assert ticks() == before
    stopped.go()
    for _ in range(50):
        stopped.turn()
    stopped.break_in()
    assert ticks() > before


def test_a_hard_coded_breakpoint_that_is_not_skipped_stops_again(
    stopped: ScriptedHost, symbol: Callable[[str], int]
) -> None:
    stopped.resume()
    assert stopped.wait_for(StateChange64).program_counter == symbol("DbgBreakPointWithStatus")


def test_switching_processors_announces_the_other_one_with_the_same_exception(stopped: ScriptedHost) -> None:
    stopped.send(Manipulate(Api.SwitchProcessor.value, EmptyBody(), processor=1))
    other = stopped.wait_for(StateChange64)
    assert other.exception is not None
    assert (other.processor, other.exception.code) == (1, Status.BREAKPOINT)
    assert other.program_counter == stopped.context(1).rip
    stopped.send(Manipulate(Api.SwitchProcessor.value, EmptyBody(), processor=9))
    assert stopped.wait_for(StateChange64).processor == 1


def test_boot_announces_each_image_and_prints(join: Callable[[str], ScriptedHost]) -> None:
    host = join("boot")
    paths = []
    for _ in range(5):
        stop = host.wait_for(StateChange64)
        if stop.load_symbols is None:
            break
        assert stop.load_symbols.process_id == (1 << 64) - 1
        assert host.read(stop.load_symbols.base, 2) == b"MZ"
        paths.append(stop.path)
        if len(paths) == 4:
            break
        host.resume()
    assert paths[0] is not None
    assert paths[0].lower().endswith("ntoskrnl.exe")
    assert len(paths) == 4


def test_the_storm_prints_and_can_be_stopped(join: Callable[[str], ScriptedHost]) -> None:
    host = join("storm")
    while len(host.prints) < 20:
        host.turn()
    host.break_in()
    assert any(b"storm: line" in text for text in host.prints)
    count = len(host.prints)
    for _ in range(20):
        host.turn()
    assert len(host.prints) == count


def test_the_bugcheck_scenario_ends_in_a_fatal_stop_of_the_buggy_driver(
    join: Callable[[str], ScriptedHost], symbol: Callable[[str], int]
) -> None:
    host = join("bugcheck")
    stop = host.wait_for(StateChange64)
    assert stop.exception is not None
    assert stop.exception.code == Status.BREAKPOINT
    data = host.read(symbol("KiBugCheckData"), 40)
    assert int.from_bytes(data[:8], "little") in {0xD1, 0xA, 0x50, 0x1E}
    assert any(b"Fatal System Error" in text for text in host.prints)
    assert host.context(stop.processor).rcx & 0xFFFFFFFF == 3


def test_a_crash_on_request_is_the_manually_initiated_one(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    stopped.send(Manipulate(Api.CauseBugCheck.value, EmptyBody()))
    stop = stopped.wait_for(StateChange64)
    assert stopped.context(stop.processor).rcx & 0xFFFFFFFF == 3
    assert int.from_bytes(stopped.read(symbol("KiBugCheckData"), 8), "little") == 0xE2


def test_a_reboot_starts_the_machine_and_its_numbering_anew(
    stopped: ScriptedHost, symbol: Callable[[str], int]
) -> None:
    stopped.set_breakpoint(symbol("KeBugCheckEx"))
    stopped.send(Manipulate(Api.Reboot.value, EmptyBody()))
    images = 0
    while not any(b"PSINIT" in text for text in stopped.prints):
        if stopped.messages:
            assert stopped.wait_for(StateChange64).load_symbols is not None
            images += 1
            stopped.resume()
        stopped.turn()
    assert images == 4
    assert any(isinstance(event, PeerRestarted) for event in stopped.events)
    stopped.break_in()
    assert stopped.read(symbol("KeBugCheckEx"), 1) != b"\xcc"
    assert stopped.set_breakpoint(symbol("KeBugCheckEx")) == 1


@pytest.mark.parametrize("handled", [True, False])
def test_an_unhandled_exception_goes_on_or_to_the_bug_check(
    stopped: ScriptedHost, handled: bool, symbol: Callable[[str], int]
) -> None:
    address = symbol("KeUpdateSystemTime")  # interrupts the idle thread: no handler of a system thread is there
    original = stopped.read(address, 2)
    stopped.machine.write_virtual(0, address, b"\x0f\x0b")  # ud2
    stopped.go()
    stop = stopped.wait_for(StateChange64)
    assert stop.exception is not None
    assert (stop.exception.code, stop.exception.first_chance) == (Status.ILLEGAL_INSTRUCTION, 0)
    if handled:
        stopped.machine.write_virtual(0, address, original)
        stopped.resume(ContinueStatus.DBG_EXCEPTION_HANDLED)
        for _ in range(100):
            stopped.turn()
        assert not stopped.messages
    else:
        while stop.exception is not None and stop.exception.code == Status.ILLEGAL_INSTRUCTION:
            stopped.resume(ContinueStatus.DBG_EXCEPTION_NOT_HANDLED)
            stop = stopped.wait_for(StateChange64)  # the other processor may come to the same place before the check
        assert int.from_bytes(stopped.read(symbol("KiBugCheckData"), 8), "little") == 0x1E
