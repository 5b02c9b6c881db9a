"""Replies and resends, in the cases that a healthy session doesn't show."""

from __future__ import annotations

from kdnb.capture.decode import PacketRecord
from kdnb.capture.pairing import find_resends, pair_replies
from kdnb.protocol.constants import Direction, PacketType

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST
READ, WRITE = 0x3130, 0x3131


def packet(
    direction: Direction,
    number: int = 0,
    payload: bytes = b"",
    kind: int = PacketType.STATE_MANIPULATE,
    *,
    transport: str = "serial",
    valid: bool = True,
    leader: str = "data",
) -> PacketRecord:
    size = len(payload)
    return PacketRecord(0, 1, 0, direction, transport, leader, kind, number, size, 0, valid, False, 0, payload, 0, 0)


def replies(rows: list[tuple[PacketRecord, int, int]]) -> list[int | None]:
    records = [row[0] for row in rows]
    _, repeated = find_resends(records)
    return pair_replies(records, [row[1] for row in rows], [row[2] for row in rows], repeated)


def test_a_reply_answers_the_last_request_of_its_api() -> None:
    ask, answer = packet(TO_TARGET, 0, b"?"), packet(TO_HOST, 0, b"!")
    rows = [(ask, READ, 0), (ask._replace(packet_id=1), READ, 0), (answer, READ, 0)]
    assert replies(rows) == [None, None, 1]


def test_a_reply_prefers_the_request_for_its_processor() -> None:
    rows = [
        (packet(TO_TARGET, 0, b"0"), READ, 0),
        (packet(TO_TARGET, 1, b"1"), READ, 1),
        (packet(TO_HOST, 0, b"a"), READ, 0),
        (packet(TO_HOST, 1, b"b"), READ, 5),
    ]
    assert replies(rows) == [None, None, 0, 1]


def test_a_reply_of_another_api_answers_nothing() -> None:
    assert replies([(packet(TO_TARGET, 0, b"?"), READ, 0), (packet(TO_HOST, 0, b"!"), WRITE, 0)]) == [None, None]


def test_a_new_stop_ends_what_was_asked_before() -> None:
    stop = packet(TO_HOST, 0, b"stop", PacketType.STATE_CHANGE64)
    rows = [(packet(TO_TARGET, 0, b"?"), READ, 0), (stop, 0x3030, 0), (packet(TO_HOST, 1, b"!"), READ, 0)]
    assert replies(rows) == [None, None, None]


def test_a_repeated_request_leaves_the_answer_with_the_first() -> None:
    ask = packet(TO_TARGET, 0, b"?")
    assert replies([(ask, READ, 0), (ask, READ, 0), (packet(TO_HOST, 0, b"!"), READ, 0)]) == [None, None, 0]


def test_a_request_damaged_at_first_is_answered_at_its_resend() -> None:
    broken = packet(TO_TARGET, 0, b"x", valid=False)
    rows = [(broken, READ, 0), (packet(TO_TARGET, 0, b"?"), READ, 0), (packet(TO_HOST, 0, b"!"), READ, 0)]
    assert replies(rows) == [None, None, 1]
    assert find_resends([row[0] for row in rows])[0] == [False, True, False]


def test_serial_ids_that_come_round_again_are_no_resend() -> None:
    rows = [packet(TO_TARGET, 0, b"same"), packet(TO_TARGET, 1, b"same"), packet(TO_TARGET, 0, b"same")]
    assert find_resends(rows)[0] == [False, False, False]


def test_serial_packets_with_the_same_id_and_other_bytes_are_no_resend() -> None:
    assert find_resends([packet(TO_HOST, 0, b"one"), packet(TO_HOST, 0, b"two")])[0] == [False, False]


def test_what_is_sent_again_after_a_reset_has_a_new_id() -> None:
    reset = packet(TO_HOST, 0, b"", PacketType.RESET, leader="control")
    rows = [packet(TO_HOST, 0x800, b"stop"), reset, packet(TO_HOST, 0, b"stop"), packet(TO_HOST, 1, b"stop")]
    assert find_resends(rows)[0] == [False, False, True, False]


def test_kdnet_ids_count_for_the_whole_session_and_anew_after_a_handshake() -> None:
    def kdnet(number: int) -> PacketRecord:
        return packet(TO_HOST, number, b"same", transport="kdnet")

    handshake = packet(TO_TARGET, 0, transport="kdnet-control", leader="none")
    rows = [kdnet(0), kdnet(2), kdnet(0), kdnet(4), handshake, kdnet(0)]
    assert find_resends(rows)[0] == [False, False, True, False, False, False]
