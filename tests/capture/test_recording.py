"""Order and counts of records, whatever order they were found in."""

from __future__ import annotations

from kdnb.capture.decode import Chunk, SerialConversation
from kdnb.capture.recording import Conversation, Recording
from kdnb.protocol.constants import Direction
from kdnb.protocol.packet import encode_packet, make_control, make_data

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST


def acknowledge(number: int) -> bytes:
    return encode_packet(make_control(4, number))


def test_rows_are_in_order_of_arrival_and_streams_keep_theirs() -> None:
    chunks = [
        Chunk(0, TO_HOST, acknowledge(1), 5, 0),  # its segment came late: the next one had to wait for it
        Chunk(0, TO_HOST, acknowledge(2), 2, 16),
        Chunk(0, TO_TARGET, acknowledge(3), 3, 0),
        Chunk(0, TO_TARGET, acknowledge(4), 9, 16),
    ]
    recording = Recording([Conversation(SerialConversation(), False, chunks)])
    assert recording.packets()["packet_id"].tolist() == [3, 1, 2, 4]
    assert recording.packets()["position"].tolist() == [3, 5, 2, 9]


def test_counts_tell_directions_and_break_ins_and_leave_damage_out() -> None:
    damaged = bytearray(encode_packet(make_data(3, 0, bytes(20))))
    damaged[20] ^= 1
    chunks = [
        Chunk(0, TO_TARGET, b"b" + acknowledge(1), 1, 0),
        Chunk(0, TO_HOST, bytes(damaged) + acknowledge(1), 2, 0),
    ]
    recording = Recording([Conversation(SerialConversation(), False, chunks)])
    recording.decode()
    assert recording.counts().fillna("").to_dict("records") == [
        {"type": "ACKNOWLEDGE", "api": "", "to_target": 1, "to_host": 1},
        {"type": "BREAKIN", "api": "", "to_target": 1, "to_host": 0},
    ]


def test_an_empty_recording_has_an_empty_frame_and_no_machine() -> None:
    recording = Recording()
    assert len(recording.packets(summary=True)) == 0
    assert recording.machine is None
    assert (recording.junk, recording.gaps) == (0, 0)
