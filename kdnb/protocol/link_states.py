"""The link as a table: in which state which input leads to which actions and to which state.

This file knows nothing of bytes, ids or timers: `link` turns what comes in into an `Input`, looks the cell up here and
carries out its actions in order. Nothing decides on states anywhere else. Every cell exists; `tests` walk all of them,
and `diagram()` draws the picture in the docs.
Sources: protocol reference 1.4-1.10; the target's cells follow the order of checks in 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kdnb.protocol.packet_ids import Role

__all__ = ["TRANSITIONS", "Action", "Input", "State", "Transition", "diagram"]


class Key(Enum):
    """A key of the table. Hashed by identity: a round trip looks up some twenty, and Enum's own hash is Python."""

    __hash__ = object.__hash__


class State(Key):
    """Where the link stands."""

    IDLE = "Idle"
    """Nothing of ours is in flight."""
    AWAITING_ACK = "AwaitingAck"
    """One data packet of ours is in flight."""
    RESYNCING = "Resyncing"
    """Host: RESET was sent, its echo has not come."""
    FAILED = "Failed"
    """Host: gave up. Whatever proves that the target is there again leads out."""


class Input(Key):
    """What happened. The first group came from the peer, the second from this end."""

    ACK = "ACK"
    """ACK of the packet in flight."""
    STALE_ACK = "other ACK"
    RESEND = "RESEND"
    RESET = "RESET"
    DATA = "data"
    """A sound data packet with the expected id (and, at the target, of a type that it waits for)."""
    DUPLICATE = "duplicate"
    """A sound data packet that was taken before."""
    SYNC = "data with SYNC"
    """The target has restarted its numbering."""
    UNWANTED = "unwanted type"
    """Target: a data packet of a type that it doesn't wait for."""
    DAMAGED = "damaged"
    """Wrong checksum or trailer, an id that can't be, or half a packet and then silence."""
    BREAK_IN = "break-in"

    SEND = "send"
    """A packet waits to be sent."""
    TIMEOUT = "timeout"
    """The wait for an ACK, or for the echo of a RESET, is over."""
    EXHAUSTED = "retries spent"
    """The same, for the last time allowed."""
    RESET_WANTED = "reset()"
    RESTART = "restart()"


class Action(Key):
    """What the link does; each is one method of `Link`."""

    TRANSMIT = "transmit"
    """Take the next packet of the queue and send it."""
    RETRANSMIT = "retransmit"
    CONFIRM = "confirm"
    """The packet in flight has arrived."""
    ACKNOWLEDGE = "acknowledge"
    DELIVER = "deliver"
    ADOPT = "adopt ids"
    """Take the numbering from a SYNC id; what was in flight or queued was meant for the target before its restart."""
    ASK_RESEND = "ask RESEND"
    ACCEPT_RESET = "reset ids"
    FORGET = "forget what waits"
    """Drop what is in flight or queued: after a RESET nobody can know whether it arrived."""
    SEND_RESET = "send RESET"
    ANSWER_RESET = "answer RESET"
    SYNCHRONISED = "report synchronised"
    REPORT_RESEND = "report RESEND"
    REPORT_BREAK_IN = "report break-in"
    FAIL = "report failure"
    RESTART = "restart ids"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Transition:
    """One cell: the actions in order, and the state after them."""

    actions: tuple[Action, ...]
    state: State


Table = dict[tuple[State, Input], Transition]

_I, _A, _R, _F = State.IDLE, State.AWAITING_ACK, State.RESYNCING, State.FAILED


def _row(state: State, cells: dict[Input, tuple[Action | State, ...]]) -> Table:
    """A row of the table. In a cell the actions come first and the next state last; without one the state stays."""
    table: Table = {}
    for given in Input:
        cell = cells[given]
        actions = tuple(entry for entry in cell if isinstance(entry, Action))
        after = next((entry for entry in cell if isinstance(entry, State)), state)
        table[state, given] = Transition(actions, after)
    return table


_HOST: Table = {
    **_row(
        _I,
        {
            Input.ACK: (),
            Input.STALE_ACK: (),
            # Nothing is in flight, so there is nothing to repeat; unprovoked RESENDs were seen on busy hosts.
            Input.RESEND: (),
            # No answer: two ends that answer each other's RESET never stop (1.9).
            Input.RESET: (Action.ACCEPT_RESET,),
            Input.DATA: (Action.ACKNOWLEDGE, Action.DELIVER),
            Input.DUPLICATE: (Action.ACKNOWLEDGE,),
            Input.SYNC: (Action.ADOPT, Action.ACKNOWLEDGE, Action.DELIVER),
            Input.UNWANTED: (Action.ACKNOWLEDGE,),
            Input.DAMAGED: (Action.ASK_RESEND,),
            Input.BREAK_IN: (),
            Input.SEND: (Action.TRANSMIT, _A),
            Input.TIMEOUT: (),
            Input.EXHAUSTED: (),
            Input.RESET_WANTED: (Action.FORGET, Action.SEND_RESET, _R),
            Input.RESTART: (Action.RESTART,),
        },
    ),
    **_row(
        _A,
        {
            Input.ACK: (Action.CONFIRM, _I),
            Input.STALE_ACK: (),
            Input.RESEND: (Action.RETRANSMIT,),
            # A late echo: the target had reset its ids before it saw our packet. Under the new id it takes it once.
            Input.RESET: (Action.ACCEPT_RESET, Action.RETRANSMIT),
            # Sent before the target saw ours. It will ask for ours again (1.5 step 6), or the timer does.
            Input.DATA: (Action.ACKNOWLEDGE, Action.DELIVER),
            Input.DUPLICATE: (Action.ACKNOWLEDGE,),
            Input.SYNC: (Action.ADOPT, Action.ACKNOWLEDGE, Action.DELIVER, _I),
            Input.UNWANTED: (Action.ACKNOWLEDGE,),
            Input.DAMAGED: (Action.ASK_RESEND,),
            Input.BREAK_IN: (),
            Input.SEND: (),
            Input.TIMEOUT: (Action.RETRANSMIT,),
            Input.EXHAUSTED: (Action.FAIL, _F),
            Input.RESET_WANTED: (Action.FORGET, Action.SEND_RESET, _R),
            Input.RESTART: (Action.RESTART, _I),
        },
    ),
    **_row(
        _R,
        {
            Input.ACK: (),
            Input.STALE_ACK: (),
            Input.RESEND: (),
            Input.RESET: (Action.ACCEPT_RESET, Action.SYNCHRONISED, _I),
            # The target ran (RESET eaten) or its echo is still to come: either way it talks.
            Input.DATA: (Action.ACKNOWLEDGE, Action.DELIVER, Action.SYNCHRONISED, _I),
            # By the old numbering; the echo may be lost and this be a new packet. The next RESET brings it again.
            Input.DUPLICATE: (),
            Input.SYNC: (Action.ADOPT, Action.ACKNOWLEDGE, Action.DELIVER, Action.SYNCHRONISED, _I),
            Input.UNWANTED: (),
            Input.DAMAGED: (Action.ASK_RESEND,),
            Input.BREAK_IN: (),
            Input.SEND: (),
            Input.TIMEOUT: (Action.SEND_RESET,),
            Input.EXHAUSTED: (Action.FAIL, _F),
            Input.RESET_WANTED: (
                Action.FORGET,
                Action.SEND_RESET,
            ),
            Input.RESTART: (Action.RESTART, _I),
        },
    ),
    **_row(
        _F,
        {
            Input.ACK: (),
            Input.STALE_ACK: (),
            Input.RESEND: (),
            Input.RESET: (Action.ACCEPT_RESET, Action.SYNCHRONISED, _I),
            Input.DATA: (Action.ACKNOWLEDGE, Action.DELIVER, Action.SYNCHRONISED, _I),
            Input.DUPLICATE: (Action.ACKNOWLEDGE,),
            Input.SYNC: (Action.ADOPT, Action.ACKNOWLEDGE, Action.DELIVER, Action.SYNCHRONISED, _I),
            Input.UNWANTED: (),
            Input.DAMAGED: (Action.ASK_RESEND,),
            Input.BREAK_IN: (),
            Input.SEND: (Action.REFUSE,),
            Input.TIMEOUT: (),
            Input.EXHAUSTED: (),
            Input.RESET_WANTED: (Action.FORGET, Action.SEND_RESET, _R),
            Input.RESTART: (Action.RESTART, _I),
        },
    ),
}

_TARGET: Table = {
    **_row(
        _I,
        {
            Input.ACK: (),
            Input.STALE_ACK: (),
            # The target's kernel repeats its announcement under a new id (1.5 step 2); the link only says so.
            Input.RESEND: (Action.REPORT_RESEND,),
            Input.RESET: (Action.ANSWER_RESET,),
            Input.DATA: (Action.ACKNOWLEDGE, Action.DELIVER),
            Input.DUPLICATE: (Action.ACKNOWLEDGE,),
            Input.SYNC: (Action.ASK_RESEND,),
            # Acknowledged and dropped, Expected stays (1.5 step 7).
            Input.UNWANTED: (Action.ACKNOWLEDGE,),
            Input.DAMAGED: (Action.ASK_RESEND,),
            Input.BREAK_IN: (Action.REPORT_BREAK_IN,),
            Input.SEND: (Action.TRANSMIT, _A),
            Input.TIMEOUT: (),
            Input.EXHAUSTED: (),
            Input.RESET_WANTED: (Action.REFUSE,),
            Input.RESTART: (Action.RESTART,),
        },
    ),
    **_row(
        _A,
        {
            Input.ACK: (Action.CONFIRM, _I),
            Input.STALE_ACK: (),
            Input.RESEND: (Action.RETRANSMIT,),
            Input.RESET: (Action.ANSWER_RESET, Action.RETRANSMIT),
            # The host went on, so it has our packet and its ACK was lost; its packet is asked for again (step 6).
            Input.DATA: (Action.ASK_RESEND, Action.CONFIRM, _I),
            Input.DUPLICATE: (Action.ACKNOWLEDGE,),
            Input.SYNC: (Action.ASK_RESEND,),
            Input.UNWANTED: (Action.ACKNOWLEDGE,),
            Input.DAMAGED: (Action.ASK_RESEND,),
            # Makes it speak again, and stays pending until a poll finds it (1.6).
            Input.BREAK_IN: (Action.REPORT_BREAK_IN, Action.RETRANSMIT),
            Input.SEND: (),
            Input.TIMEOUT: (Action.RETRANSMIT,),
            # "Debugger not present": ids start anew and the machine runs on.
            Input.EXHAUSTED: (Action.FAIL, Action.RESTART, _I),
            Input.RESET_WANTED: (Action.REFUSE,),
            Input.RESTART: (Action.RESTART, _I),
        },
    ),
}

TRANSITIONS: dict[Role, Table] = {Role.HOST: _HOST, Role.TARGET: _TARGET}


def diagram(role: Role) -> str:
    """The table of one role as a mermaid state diagram; inputs with the same effect share an arrow."""
    arrows: dict[tuple[State, State, tuple[Action, ...]], list[str]] = {}
    for (state, given), cell in TRANSITIONS[role].items():
        if cell.actions or cell.state is not state:
            arrows.setdefault((state, cell.state, cell.actions), []).append(given.value)
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE.value}"]
    for (before, after, actions), inputs in arrows.items():
        label = f"{', '.join(inputs)} / {', '.join(action.value for action in actions)}"
        lines.append(f"    {before.value} --> {after.value} : {label}")
    return "\n".join(lines) + "\n"
