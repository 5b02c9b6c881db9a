"""Counts of what goes by, against hand-made conversations."""

from __future__ import annotations

from kdnb.capture.live_counts import LiveCounts
from kdnb.protocol.constants import Direction, PacketType
from kdnb.protocol.packet import encode_packet, make_control, make_data

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST


def test_types_directions_junk_damage_and_resends_are_told_apart() -> None:
    print_ = encode_packet(make_data(PacketType.DEBUG_IO, 0x80800000, b"some text of sixteen or more bytes"))
    damaged = print_[:20] + bytes([print_[20] ^ 1]) + print_[21:]
    counts = LiveCounts()
    counts.feed(TO_TARGET, b"b", 0)
    counts.feed(TO_HOST, b"boot text" + damaged, 1)
    counts.feed(TO_TARGET, encode_packet(make_control(PacketType.RESEND, 0)), 2)
    for half in (print_[:30], print_[30:]):
        counts.feed(TO_HOST, half, 3)
    counts.feed(TO_TARGET, encode_packet(make_control(PacketType.ACKNOWLEDGE, 0x80800000)), 4)
    counts.finish()
    assert {kind: (count[TO_TARGET], count[TO_HOST]) for kind, count in counts.packets.items()} == {
        "BREAKIN": (1, 0),
        "RESEND": (1, 0),
        "DEBUG_IO": (0, 1),
        "ACKNOWLEDGE": (1, 0),
    }
    assert (counts.invalid, counts.resends, counts.junk) == (1, 1, 9)
    assert str(counts).endswith("junk 9, invalid 1, resends 1")
    assert "DEBUG_IO 0/1" in str(counts)
