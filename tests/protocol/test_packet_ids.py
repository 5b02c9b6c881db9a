"""Numbering: the serial toggle with SYNC, and KDNET's counters."""

from __future__ import annotations

import pytest

from kdnb.protocol.packet_ids import IdMeaning, KdnetIds, Role, SerialIds


@pytest.mark.parametrize(
    ("role", "expected", "packet_id", "meaning"),
    [
        (Role.HOST, None, 0x80800000, IdMeaning.EXPECTED),
        (Role.HOST, None, 0x80800001, IdMeaning.EXPECTED),
        (Role.HOST, 0x80800000, 0x80800000, IdMeaning.EXPECTED),
        (Role.HOST, 0x80800000, 0x80800001, IdMeaning.DUPLICATE),
        (Role.HOST, 0x80800000, 0x80800800, IdMeaning.SYNC),
        (Role.HOST, 0x80800000, 0x80800801, IdMeaning.SYNC),
        (Role.HOST, 0x80800000, 0x80800002, IdMeaning.INVALID),
        (Role.HOST, None, 0, IdMeaning.INVALID),
        (Role.TARGET, 0x80800000, 0x80800800, IdMeaning.INVALID),
        (Role.TARGET, 0x80800000, 0x80800001, IdMeaning.DUPLICATE),
    ],
)
def test_serial_ids_mean_what_the_table_of_1_4_says(role, expected, packet_id, meaning):
    ids = SerialIds(role)
    ids.expected = expected
    assert ids.meaning(packet_id) is meaning


def test_serial_ids_toggle_and_lose_sync():
    ids = SerialIds(Role.TARGET)
    sent = []
    for _ in range(4):
        sent.append(ids.next_to_send)
        assert ids.is_acknowledged_by(sent[-1] & ~0x800)
        ids.advance()
    assert sent == [0x80800800, 0x80800001, 0x80800000, 0x80800001]


def test_a_reset_restarts_serial_numbers_without_sync():
    ids = SerialIds(Role.TARGET)
    ids.advance()
    ids.reset()
    assert (ids.next_to_send, ids.expected, ids.reset_id()) == (0x80800000, 0x80800000, 0)


def test_adopting_a_sync_id_sets_both_directions():
    ids = SerialIds(Role.HOST)
    ids.advance()
    ids.adopt(0x80800801)
    assert (ids.next_to_send, ids.expected) == (0x80800000, 0x80800000)


def test_kdnet_counters_step_by_two_and_ignore_resets():
    host, target = KdnetIds(Role.HOST), KdnetIds(Role.TARGET)
    assert (host.next_to_send, target.next_to_send) == (0x80000000, 0)
    for _ in range(3):
        host.advance()
        target.advance()
    host.reset()
    assert (host.next_to_send, target.next_to_send, host.reset_id()) == (0x80000006, 6, 0x80000006)
    assert target.ack_id(0x80000806) == 0x80000806


def test_kdnet_takes_what_is_above_the_highest_and_nothing_else():
    ids = KdnetIds(Role.HOST)
    ids.delivered(6)
    meanings = [ids.meaning(packet_id) for packet_id in (4, 6, 8, 0x20, 7, 0x80000008)]
    assert [meaning.name for meaning in meanings] == [
        "DUPLICATE",
        "DUPLICATE",
        "EXPECTED",
        "EXPECTED",
        "INVALID",
        "INVALID",
    ]


def test_an_abandoned_kdnet_id_is_not_used_again():
    ids = KdnetIds(Role.HOST)
    ids.abandon()
    assert ids.next_to_send == 0x80000002


def test_the_kdnet_counter_wraps_within_its_31_bits():
    ids = KdnetIds(Role.HOST)
    ids.next_to_send = 0xFFFFFFFE
    ids.advance()
    assert ids.next_to_send == 0x80000000
