"""Who is the target: each kind of evidence for itself."""

from __future__ import annotations

import pytest

from kdnb.capture.target_end import CERTAIN, TargetScore
from kdnb.protocol.constants import Api, PacketType
from kdnb.protocol.packet import encode_packet, make_control, make_data


def score(packet_type: int, payload: bytes, packet_id: int = 0x80800000) -> int:
    found = TargetScore()
    found.feed(encode_packet(make_data(packet_type, packet_id, payload)))
    assert found.valid == 1
    return found.score


def manipulate(api: int, status: int, extra: bytes = b"") -> bytes:
    return api.to_bytes(4, "little") + bytes(4) + status.to_bytes(4, "little") + bytes(44) + extra


def test_only_a_target_announces_stops() -> None:
    assert score(PacketType.STATE_CHANGE64, bytes(240)) >= CERTAIN


@pytest.mark.parametrize("api", [Api.Continue, Api.Continue2, Api.Reboot])
def test_only_a_host_lets_go(api: Api) -> None:
    assert score(PacketType.STATE_MANIPULATE, manipulate(api, 0)) <= -CERTAIN


def test_prints_and_synchronising_ids_are_the_targets() -> None:
    assert score(PacketType.DEBUG_IO, bytes(20)) > 0
    assert score(PacketType.STATE_MANIPULATE, manipulate(Api.GetVersion, 0), 0x80800800) > 0


def test_pending_requests_and_written_data_are_the_hosts() -> None:
    assert score(PacketType.STATE_MANIPULATE, manipulate(Api.GetVersion, 0x103)) < 0
    assert score(PacketType.STATE_MANIPULATE, manipulate(Api.WriteVirtualMemory, 0, b"data")) < 0
    assert score(PacketType.STATE_MANIPULATE, manipulate(Api.ReadVirtualMemory, 0, b"data")) > 0
    assert score(PacketType.STATE_MANIPULATE, manipulate(Api.SetContextEx, 0, b"data")) < 0
    assert score(PacketType.STATE_MANIPULATE, manipulate(Api.WriteBreakPointEx, 0, b"data")) == 0


def test_no_number_of_hints_outweighs_what_only_one_end_can_say() -> None:
    """A client that leaves its requests' status 0 looked like a target (seen with ntoseye 0.52)."""
    found = TargetScore()
    hint = encode_packet(
        make_data(PacketType.STATE_MANIPULATE, 0x80800000, manipulate(Api.ReadVirtualMemory, 0, b"data"))
    )
    go = encode_packet(make_data(PacketType.STATE_MANIPULATE, 0x80800000, manipulate(Api.Continue2, 0)))
    found.feed(hint * 1000 + go)
    assert found.score < 0


def test_control_packets_tell_nothing() -> None:
    found = TargetScore()
    found.feed(encode_packet(make_control(PacketType.RESET)))
    assert (found.valid, found.score) == (1, 0)
