"""The stub's side of the conversation, against a scripted machine: the vectors of the reference, and its quirks."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from kdnb.protocol.constants import Api, ContinueStatus, PacketType, Status
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.framing import BreakIn, FramedPacket, Framer
from kdnb.protocol.link import Link, Role
from kdnb.protocol.messages.debug_io import DebugPromptReply
from kdnb.protocol.messages.execution import Continue2Amd64, ContinueBody, EmptyBody
from kdnb.protocol.messages.manipulate import Manipulate
from kdnb.protocol.packet import Packet, encode_packet, make_control, make_data
from kdnb.simulator.architecture import AMD64
from kdnb.simulator.events import LoadSymbols, Print, Prompt, Rebooted, Trap
from kdnb.simulator.stub import Phase, Stub

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.simulator.events import MachineEvent

SIZE = 0x200000
BASE = 0xFFFFF80000200000
PC = 0xFFFFF800003C1A20
THREAD = 0xFFFFE00010203040
BREAKPOINT = Trap(0, 0x80000003, PC, (0,))
SYNC = 0x80800800
EVEN, ODD = 0x80800000, 0x80800001


class FakeMachine:
    """A machine without a CPU, for what the guest does at no set time or never.

    2 MiB of memory from BASE on, registers as in the vectors, two processors, and a queue of events.
    """

    def __init__(self, *events: MachineEvent) -> None:
        self.events = deque(events)
        self.processors = [0, 1]
        self.architecture, self.scenario = AMD64, "idle"
        self.memory = bytearray(SIZE)
        self.contexts = [
            AMD64Context(rip=PC, efl=0x246, cs=0x10, ds=0x2B, es=0x2B, fs=0x53).encode() for _ in self.processors
        ]
        self.specials = [
            AMD64SpecialRegisters(kernel_dr6=0xFFFE0FF0, kernel_dr7=0x400).encode() for _ in self.processors
        ]
        self.resumed: list[tuple[int, bool, int | None]] = []
        self.answers: list[bytes] = []
        self.break_ins = 0
        self.is_idle = True
        self.build, self.kernel_base = 19041, BASE
        self.loaded_module_list, self.debugger_data_list = 0xFFFFF80000E2A310, 0xFFFFF80000E2B000

    def run(self, slices: int) -> MachineEvent | None:
        return self.events.popleft() if self.events else None

    def resume(self, status: int, trace: bool, dr7: int | None, processor: int | None = None) -> None:
        self.resumed.append((status, trace, dr7))

    def answer(self, text: bytes) -> None:
        self.answers.append(text)

    def request_break_in(self) -> None:
        self.break_ins += 1

    def read_virtual(self, processor: int, address: int, size: int) -> bytes:
        start = address - BASE
        return bytes(self.memory[start : start + size]) if start >= 0 else b""

    def write_virtual(self, processor: int, address: int, data: bytes) -> int:
        start = address - BASE
        if not 0 <= start < len(self.memory):
            return 0
        data = data[: len(self.memory) - start]
        self.memory[start : start + len(data)] = data
        return len(data)

    def get_context(self, processor: int) -> bytes:
        return self.contexts[processor]

    def set_context(self, processor: int, data: bytes) -> None:
        self.contexts[processor] = data

    def get_special(self, processor: int) -> bytes:
        return self.specials[processor]

    def set_special(self, processor: int, data: bytes) -> None:
        self.specials[processor] = data

    def thread(self, processor: int) -> int:
        return THREAD + 0x1000 * processor


class Line:
    """Raw packets to and from a stub: ids are given by hand, since they are what is tested."""

    def __init__(self, *events: Any) -> None:
        self.machine = FakeMachine(*events)
        self.machine.memory[PC - BASE : PC - BASE + 2] = b"\xcc\xc3"
        self.machine.memory[PC - BASE + 2 : PC - BASE + 16] = b"\xcc" * 14
        self.machine.memory[:16] = bytes.fromhex("4d5a90000300000004000000ffff0000")
        self.stub = Stub(self.machine, Link(Role.TARGET))  # type: ignore[arg-type]  # a scripted machine
        self.now = 0.0

    def step(self) -> bytes:
        self.stub.step(self.now)
        return self.stub.data_to_send()

    def send(self, data: bytes) -> bytes:
        self.stub.receive_data(data, self.now)
        return self.stub.data_to_send()

    def ack(self, packet_id: int) -> bytes:
        return self.send(encode_packet(make_control(PacketType.ACKNOWLEDGE, packet_id)))

    def reset(self) -> list[Packet]:
        return packets(self.send(encode_packet(make_control(PacketType.RESET, 0))))

    def request(self, packet_id: int, message: Manipulate) -> list[Packet]:
        return packets(self.send(encode_packet(make_data(PacketType.STATE_MANIPULATE, packet_id, message.encode()))))

    def time_out(self) -> bytes:
        due = self.stub.next_timeout()
        assert due is not None
        self.now = max(self.now, due)
        self.stub.handle_timeout(self.now)
        return self.stub.data_to_send()

    def stopped(self) -> Line:
        """Announced and acknowledged: the host's next request has the id 80800000."""
        self.step()
        self.ack(EVEN)
        assert self.stub.phase is Phase.STOPPED
        return self


def packets(data: bytes) -> list[Packet]:
    framer = Framer()
    found = framer.feed(data) + framer.finish()
    assert all(isinstance(item, FramedPacket | BreakIn) for item in found)
    return [item.packet for item in found if isinstance(item, FramedPacket)]


def kinds(data: bytes | list[Packet]) -> list[tuple[PacketType, int]]:
    found = packets(data) if isinstance(data, bytes) else data
    return [(PacketType(packet.packet_type), packet.packet_id) for packet in found]


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, bytes]:
    """V1..V24 of the protocol reference, section 11."""
    text = (shared / "reference" / "kd-protocol.md").read_text()
    return {name: expand(data) for name, data in re.findall(r"^(V\d+)\|.*\|([0-9a-f* ]+)$", text, re.MULTILINE)}


def expand(notation: str) -> bytes:
    parts = (part.partition("*") for part in notation.split())
    return b"".join(bytes.fromhex(byte) * int(count or 1) for byte, _, count in parts)


def test_the_conversation_of_the_reference_comes_out_byte_for_byte(vectors: dict[str, bytes]) -> None:
    line = Line()
    line.send(vectors["V1"])
    line.step()
    assert line.machine.break_ins == 1
    line.machine.events.append(BREAKPOINT)
    assert line.step() == vectors["V3"]
    assert line.send(vectors["V4"]) == b""
    assert line.send(vectors["V5"]) == vectors["V6"] + vectors["V7"]
    assert line.send(vectors["V8"]) == b""
    acknowledgement = encode_packet(make_control(PacketType.ACKNOWLEDGE, ODD))
    assert line.send(vectors["V9"]) == acknowledgement + vectors["V10"]


def test_a_breakpoint_gets_the_handle_of_the_vector(vectors: dict[str, bytes]) -> None:
    line = Line(BREAKPOINT).stopped()
    line.reset()
    line.ack(EVEN)
    reply = packets(line.send(vectors["V12"]))[1]
    assert reply.payload == packets(vectors["V13"])[0].payload


def test_continue2_with_trace_reaches_the_machine_and_gets_only_an_acknowledgement(vectors: dict[str, bytes]) -> None:
    line = Line(BREAKPOINT).stopped()
    assert kinds(line.send(vectors["V15"])) == [(PacketType.ACKNOWLEDGE, EVEN)]
    assert line.machine.resumed == [(ContinueStatus.DBG_CONTINUE, True, 0x400)]
    assert line.stub.is_running


def test_a_print_and_a_prompt_look_like_the_vectors(vectors: dict[str, bytes]) -> None:
    line = Line(Print(0, b"hello kd\n"), Prompt(0, b"Ignore? ", 2))
    assert packets(line.step())[0].payload == packets(vectors["V17"])[0].payload
    line.ack(EVEN)
    assert packets(line.step())[0].payload == packets(vectors["V18"])[0].payload
    line.ack(ODD)
    line.reset()
    line.ack(EVEN)
    answer = packets(vectors["V19"])[0].payload
    line.send(encode_packet(make_data(PacketType.DEBUG_IO, EVEN, answer)))
    assert line.machine.answers == [b"i"]
    assert line.stub.is_running


def test_load_symbols_looks_like_the_vector(vectors: dict[str, bytes]) -> None:
    event = LoadSymbols(0, b"\\drv.sys", 0xFFFFF80001230000, 0x9000, 0x1ABCD)
    payload = packets(Line(event).step())[0].payload
    expected = packets(vectors["V20"])[0].payload
    assert payload[:0xD0] == expected[:0xD0]  # the report's flags and stream belong to another moment
    assert payload[0xF0:] == expected[0xF0:]


def test_the_first_packet_carries_sync_and_later_ones_do_not() -> None:
    line = Line(Print(0, b"a"), Print(0, b"b"), Print(0, b"c"))
    assert kinds(line.step()) == [(PacketType.DEBUG_IO, SYNC)]
    line.ack(EVEN)
    assert kinds(line.step()) == [(PacketType.DEBUG_IO, ODD)]
    line.ack(ODD)
    assert kinds(line.step()) == [(PacketType.DEBUG_IO, EVEN)]


@pytest.mark.parametrize("event", [BREAKPOINT, Prompt(0, b"boipt? ", 2)])
def test_exceptions_and_prompts_are_repeated_for_ever(event: Any) -> None:
    line = Line(event)
    first = line.step()
    assert all(line.time_out() == first for _ in range(200))
    assert not line.stub.is_running


@pytest.mark.parametrize("event", [Print(0, b"x"), LoadSymbols(0, b"\\a.sys", 0x1000, 0x1000, 0)])
def test_prints_and_load_symbols_give_up_and_the_system_runs_on_silently(event: Any) -> None:
    line = Line(event, Print(0, b"nobody hears this"), BREAKPOINT)
    line.step()
    for _ in range(30):
        if line.stub.is_running:
            break
        line.time_out()
    assert line.stub.is_running
    assert not line.stub.debugger_present
    assert line.step() == b""
    assert kinds(line.step()) == [(PacketType.STATE_CHANGE64, SYNC)]


def test_a_debugger_that_comes_back_is_greeted() -> None:
    line = Line(Print(0, b"x"))
    line.step()
    while not line.stub.is_running:
        line.time_out()
    line.send(b"b")
    greeting = packets(line.step())[0]
    assert b"KDTARGET: Refreshing KD connection\n" in greeting.payload
    line.ack(EVEN)
    assert line.machine.break_ins == 1
    assert line.stub.debugger_present


def test_a_running_target_eats_one_byte_per_step_and_only_62_means_anything() -> None:
    line = Line()
    assert line.send(encode_packet(make_control(PacketType.RESET, 0))) == b""
    line.send(b"b")
    for _ in range(16):
        assert line.step() == b""
        assert line.machine.break_ins == 0
    line.step()
    assert line.machine.break_ins == 1


def test_reset_at_a_stop_is_answered_each_time_and_the_state_change_comes_again() -> None:
    line = Line(BREAKPOINT).stopped()
    for _ in range(3):
        assert kinds(line.reset()) == [(PacketType.RESET, 0), (PacketType.STATE_CHANGE64, EVEN)]
        line.ack(EVEN)


def test_62_and_silence_at_a_stop_repeat_the_state_change_under_the_next_id() -> None:
    line = Line(BREAKPOINT).stopped()
    line.send(b"b")
    assert kinds(line.time_out()) == [(PacketType.STATE_CHANGE64, ODD)]
    line.ack(ODD)
    assert line.machine.resumed == []


def test_resend_at_a_stop_repeats_the_state_change() -> None:
    line = Line(BREAKPOINT).stopped()
    resend = encode_packet(make_control(PacketType.RESEND, 0))
    assert kinds(line.send(resend)) == [(PacketType.STATE_CHANGE64, ODD)]


def test_a_wrong_packet_type_at_a_stop_is_acknowledged_and_dropped() -> None:
    line = Line(BREAKPOINT).stopped()
    stray = DebugPromptReply(b"i").encode()
    assert kinds(line.send(encode_packet(make_data(PacketType.DEBUG_IO, EVEN, stray)))) == [
        (PacketType.ACKNOWLEDGE, EVEN)
    ]
    version = Manipulate(Api.GetVersion.value, EmptyBody())
    assert kinds(line.request(EVEN, version)) == [(PacketType.ACKNOWLEDGE, EVEN), (PacketType.STATE_MANIPULATE, ODD)]


def test_a_damaged_request_is_asked_for_again() -> None:
    line = Line(BREAKPOINT).stopped()
    good = encode_packet(make_data(PacketType.STATE_MANIPULATE, EVEN, Manipulate(0x3146, EmptyBody()).encode()))
    bad = good[:20] + bytes([good[20] ^ 1]) + good[21:]
    assert kinds(line.send(bad)) == [(PacketType.RESEND, 0)]
    assert [kind for kind, _ in kinds(line.send(good))] == [PacketType.ACKNOWLEDGE, PacketType.STATE_MANIPULATE]


def test_a_lost_acknowledgement_is_inferred_from_the_next_request() -> None:
    line = Line(BREAKPOINT)
    line.step()
    request = Manipulate(Api.GetVersion.value, EmptyBody())
    assert kinds(line.request(EVEN, request)) == [(PacketType.RESEND, 0)]
    assert kinds(line.request(EVEN, request)) == [(PacketType.ACKNOWLEDGE, EVEN), (PacketType.STATE_MANIPULATE, ODD)]


def test_a_reply_that_nobody_acknowledges_is_given_up_and_reset_leads_back() -> None:
    line = Line(BREAKPOINT).stopped()
    line.request(EVEN, Manipulate(Api.GetVersion.value, EmptyBody()))
    while line.stub.next_timeout() is not None:
        line.time_out()
    assert line.stub.phase is Phase.STOPPED
    assert kinds(line.reset()) == [(PacketType.RESET, 0), (PacketType.STATE_CHANGE64, EVEN)]


@pytest.mark.parametrize(
    ("body", "api"),
    [(ContinueBody(ContinueStatus.DBG_CONTINUE), Api.Continue), (Continue2Amd64(0x80010001), Api.Continue2)],
)
def test_continue_gets_no_reply(body: Any, api: Api) -> None:
    line = Line(BREAKPOINT).stopped()
    assert kinds(line.request(EVEN, Manipulate(api.value, body))) == [(PacketType.ACKNOWLEDGE, EVEN)]
    assert line.machine.resumed[0][0] == body.status
    assert line.stub.is_running


@pytest.mark.parametrize(
    "api",
    [Api.SetSpecialCall, Api.ClearSpecialCalls, Api.SetInternalBreakPoint, Api.ClearAllInternalBreakpoints],
)
def test_obsolete_requests_without_a_reply_are_only_acknowledged(api: Api) -> None:
    line = Line(BREAKPOINT).stopped()
    assert kinds(line.request(EVEN, Manipulate(api.value, EmptyBody()))) == [(PacketType.ACKNOWLEDGE, EVEN)]
    assert line.stub.phase is Phase.STOPPED


@pytest.mark.parametrize("api", [0x313F, 0x3143, 0x3151, 0x3154, 0x3155, 0x315D, 0x315E, 0x3162, 0x314A, 0x3199, 0])
def test_what_a_current_kernel_does_not_know_is_unsuccessful_and_its_union_is_echoed(api: int) -> None:
    line = Line(BREAKPOINT).stopped()
    request = Manipulate(api, EmptyBody(bytes(range(40))), b"data", 1, 7)
    reply = line.request(EVEN, request)[1].payload
    assert reply == Manipulate(api, EmptyBody(bytes(range(40))), b"", 1, 7, Status.UNSUCCESSFUL.value).encode()


def test_a_break_in_right_behind_an_acknowledgement_or_a_continue_is_seen() -> None:
    acknowledged = encode_packet(make_control(PacketType.ACKNOWLEDGE, EVEN))
    line = Line(Print(0, b"x"))
    line.step()
    line.send(acknowledged + b"b")
    line.step()
    assert line.machine.break_ins == 1
    resume = Manipulate(Api.Continue.value, ContinueBody(ContinueStatus.DBG_CONTINUE)).encode()
    line = Line(BREAKPOINT).stopped()
    line.send(encode_packet(make_data(PacketType.STATE_MANIPULATE, EVEN, resume)) + b"b")
    line.step()
    assert line.machine.break_ins == 1


def test_a_break_in_before_the_acknowledgement_of_a_print_is_remembered() -> None:
    line = Line(Print(0, b"x"))
    line.step()
    line.send(b"b")
    assert line.machine.break_ins == 0
    line.ack(EVEN)
    assert line.machine.break_ins == 1


def test_a_prompt_drops_requests_until_it_is_answered() -> None:
    line = Line(Prompt(0, b"boipt? ", 1))
    line.step()
    line.ack(EVEN)
    assert kinds(line.request(EVEN, Manipulate(0x3146, EmptyBody()))) == [(PacketType.ACKNOWLEDGE, EVEN)]
    answer = DebugPromptReply(b"ix", 7).encode()
    line.send(encode_packet(make_data(PacketType.DEBUG_IO, EVEN, answer)))
    assert line.machine.answers == [b"i"]


def test_after_a_reboot_ids_and_breakpoints_start_anew() -> None:
    line = Line(Print(0, b"x"), Rebooted(), BREAKPOINT)
    line.step()
    line.ack(EVEN)
    line.step()
    assert kinds(line.step()) == [(PacketType.STATE_CHANGE64, SYNC)]


def test_with_the_line_cut_prints_are_lost_and_a_stop_is_told_to_the_next_client() -> None:
    line = Line(Print(0, b"x"), LoadSymbols(0, b"\\a.sys", 0x1000, 0x1000, 0), BREAKPOINT)
    line.stub.detach()
    for _ in range(5):
        assert line.step() == b""
    assert line.stub.phase is Phase.STOPPED
    line.stub.attach(Link(Role.TARGET), line.now)
    assert kinds(line.stub.data_to_send()) == [(PacketType.STATE_CHANGE64, SYNC)]


def test_a_stop_that_was_acknowledged_is_told_again_when_the_next_client_asks() -> None:
    line = Line(BREAKPOINT).stopped()
    line.stub.detach()
    line.stub.attach(Link(Role.TARGET), line.now)
    assert line.stub.data_to_send() == b""
    line.send(b"b")
    assert kinds(line.time_out()) == [(PacketType.STATE_CHANGE64, SYNC)]
