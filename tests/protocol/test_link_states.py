"""Every cell of the transition table, walked; and the picture drawn from it."""

from __future__ import annotations

import pytest

from kdnb.errors import LinkError
from kdnb.protocol.framing import Framer
from kdnb.protocol.link import Link, LinkSettings, _Outgoing
from kdnb.protocol.link_states import TRANSITIONS, Action, Input, State, diagram
from kdnb.protocol.packet import encode_packet, make_control, make_data
from kdnb.protocol.packet_ids import Role

CELLS = [(role, state, given) for role, table in TRANSITIONS.items() for state, given in table]

# What the peer sees of a cell: the packets that go out and the events that come out, in order. Written down a second
# time on purpose: a cell that is changed by hand shows here.
A, R, X, D = "ACK", "RESEND", "RESET", "data"
GOT, SENT, FAILED, AGAIN = "PacketReceived", "PacketSent", "LinkFailed", "PeerRestarted"
HEARD, PEER_RESET = "LinkSynchronised", "PeerReset"
IDLE, W, Y, F = State.IDLE, State.AWAITING_ACK, State.RESYNCING, State.FAILED
EXPECTED = {
    (Role.HOST, IDLE): {
        Input.RESET: ([], [PEER_RESET], IDLE),
        Input.DATA: ([A], [GOT], IDLE),
        Input.DUPLICATE: ([A], [], IDLE),
        Input.SYNC: ([A], [AGAIN, GOT], IDLE),
        Input.UNWANTED: ([A], [], IDLE),
        Input.DAMAGED: ([R], [], IDLE),
        Input.SEND: ([D], [], W),
        Input.RESET_WANTED: ([X], [], Y),
        Input.RESTART: ([], [], IDLE),
    },
    (Role.HOST, W): {
        Input.ACK: ([], [SENT], IDLE),
        Input.RESEND: ([D], [], W),
        Input.RESET: ([D], [PEER_RESET], W),
        Input.DATA: ([A], [GOT], W),
        Input.DUPLICATE: ([A], [], W),
        Input.SYNC: ([A], [AGAIN, GOT], IDLE),
        Input.UNWANTED: ([A], [], W),
        Input.DAMAGED: ([R], [], W),
        Input.TIMEOUT: ([D], [], W),
        Input.EXHAUSTED: ([], [FAILED], F),
        Input.RESET_WANTED: ([X], [], Y),
        Input.RESTART: ([], [], IDLE),
    },
    (Role.HOST, Y): {
        Input.RESET: ([], [PEER_RESET, HEARD], IDLE),
        Input.DATA: ([A], [GOT, HEARD], IDLE),
        Input.SYNC: ([A], [AGAIN, GOT, HEARD], IDLE),
        Input.DAMAGED: ([R], [], Y),
        Input.TIMEOUT: ([X], [], Y),
        Input.EXHAUSTED: ([], [FAILED], F),
        Input.RESET_WANTED: ([X], [], Y),
        Input.RESTART: ([], [], IDLE),
    },
    (Role.HOST, F): {
        Input.RESET: ([], [PEER_RESET, HEARD], IDLE),
        Input.DATA: ([A], [GOT, HEARD], IDLE),
        Input.DUPLICATE: ([A], [], F),
        Input.SYNC: ([A], [AGAIN, GOT, HEARD], IDLE),
        Input.DAMAGED: ([R], [], F),
        Input.RESET_WANTED: ([X], [], Y),
        Input.RESTART: ([], [], IDLE),
    },
    (Role.TARGET, IDLE): {
        Input.RESEND: ([], ["ResendRequested"], IDLE),
        Input.RESET: ([X], [PEER_RESET], IDLE),
        Input.DATA: ([A], [GOT], IDLE),
        Input.DUPLICATE: ([A], [], IDLE),
        Input.SYNC: ([R], [], IDLE),
        Input.UNWANTED: ([A], [], IDLE),
        Input.DAMAGED: ([R], [], IDLE),
        Input.BREAK_IN: ([], ["BreakInReceived"], IDLE),
        Input.SEND: ([D], [], W),
        Input.RESTART: ([], [], IDLE),
    },
    (Role.TARGET, W): {
        Input.ACK: ([], [SENT], IDLE),
        Input.RESEND: ([D], [], W),
        Input.RESET: ([X, D], [PEER_RESET], W),
        Input.DATA: ([R], [SENT], IDLE),
        Input.DUPLICATE: ([A], [], W),
        Input.SYNC: ([R], [], W),
        Input.UNWANTED: ([A], [], W),
        Input.DAMAGED: ([R], [], W),
        Input.BREAK_IN: ([D], ["BreakInReceived"], W),
        Input.TIMEOUT: ([D], [], W),
        Input.EXHAUSTED: ([], [FAILED], IDLE),
        Input.RESTART: ([], [], IDLE),
    },
}
REFUSED = {(Role.HOST, F, Input.SEND), (Role.TARGET, IDLE, Input.RESET_WANTED), (Role.TARGET, W, Input.RESET_WANTED)}


def in_state(role, state, given):
    """A link brought into a state by its own calls."""
    link = Link(role, settings=LinkSettings(first_contact_retries=0, retries=0, resets=1))
    link._had_contact = True
    if given is Input.SEND and state in {IDLE, F}:
        if state is F:
            link = in_state(role, F, Input.ACK)
        link._queue.append(_Outgoing(2, b"x", True, True))
        assert link.state is state
        return link
    if state in {W, F}:
        link.send(2, b"x" * 56, 0.0)
    if state is F:
        link.handle_timeout(10.0)
    if state is Y:
        link.reset(0.0)
    assert link.state is state
    link.data_to_send()
    while link.next_event():
        pass
    return link


def outcome(link):
    names = {4: A, 5: R, 6: X}
    framer = Framer()
    packets = framer.feed(link.data_to_send())
    sent = [names.get(framed.packet.packet_type, D) for framed in packets]
    events = []
    while (event := link.next_event()) is not None:
        events.append(type(event).__name__)
    return sent, events, link.state


def test_the_table_has_a_cell_for_every_state_and_input():
    for role, states in ((Role.HOST, list(State)), (Role.TARGET, [IDLE, W])):
        assert set(TRANSITIONS[role]) == {(state, given) for state in states for given in Input}


@pytest.mark.parametrize(("role", "state", "given"), CELLS, ids=lambda value: value.value)
def test_each_cell_does_what_the_protocol_asks(role, state, given):
    link = in_state(role, state, given)
    link._received = make_data(2, 0x80800800 if given is Input.SYNC else 0x80800000, b"y" * 56)
    if (role, state, given) in REFUSED:
        with pytest.raises(LinkError):
            link._step(given, 20.0)
        return
    link._step(given, 20.0)
    assert outcome(link) == EXPECTED[role, state].get(given, ([], [], state))


def test_every_action_and_state_is_used_by_some_cell():
    cells = [cell for table in TRANSITIONS.values() for cell in table.values()]
    assert {action for cell in cells for action in cell.actions} == set(Action)
    assert {cell.state for cell in cells} == set(State)


@pytest.mark.parametrize("role", Role)
def test_the_diagram_shows_every_cell_that_does_something(role):
    text = diagram(role)
    assert text.startswith("stateDiagram-v2\n")
    assert "%%" not in text
    for (state, given), cell in TRANSITIONS[role].items():
        shown = [
            line.split(" : ")[1].split(" / ")[0].split(", ")
            for line in text.splitlines()
            if line.strip().startswith(f"{state.value} --> {cell.state.value} :")
        ]
        assert any(given.value in inputs for inputs in shown) == bool(cell.actions or cell.state is not state)


def test_acks_are_told_apart_by_id():
    link = in_state(Role.HOST, W, Input.ACK)
    link.receive_data(encode_packet(make_control(4, 0x80800001)), 0.0)
    assert link.state is W
    link.receive_data(encode_packet(make_control(4, 0x80800000)), 0.0)
    assert link.state is IDLE
