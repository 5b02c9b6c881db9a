"""How packets belong together: replies to requests, retransmissions to their originals.

A reply answers the last request of the same API that has no answer yet, of the same processor if there is
one; exactly one is outstanding on a healthy line (the protocol reference 1.11). On serial, where ids only
toggle, a packet is a resend when it has the bytes of the data packet before it in its direction, and its id
too unless a RESET came between them, which renumbers what is sent again (1.4). On KDNET ids count, and a
resend is an id that was there before in this session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import Direction, PacketType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdnb.capture.decode import PacketRecord

__all__ = ["ResendFinder", "find_resends", "pair_replies"]

PENDING_KEPT = 8
"""Unanswered requests of one API that are remembered; more of them means that replies are missing anyway."""

STATE_CHANGES = frozenset({PacketType.STATE_CHANGE32, PacketType.STATE_CHANGE64})
REQUESTS = {
    PacketType.STATE_MANIPULATE: Direction.TO_TARGET,
    PacketType.DEBUG_IO: Direction.TO_HOST,
    PacketType.FILE_IO: Direction.TO_HOST,
    PacketType.CONTROL_REQUEST: Direction.TO_HOST,
}
"""Packet types that go both ways, and the direction of the request."""


class ResendFinder:
    """Tells resends apart as the records go by, in the order in which they came."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, Direction], PacketRecord] = {}
        self._seen: dict[tuple[int, Direction], dict[int, bool]] = {}
        self._renumbered: set[tuple[int, Direction]] = set()

    def look(self, record: PacketRecord) -> tuple[bool, bool]:
        """Whether the record is a resend, and whether its original had been read well."""
        side = (record.conversation, record.direction)
        if record.transport == "kdnet-control":
            if record.direction is Direction.TO_TARGET:  # a handshake: both ends count anew
                for direction in Direction:
                    self._seen.pop((record.conversation, direction), None)
            return False, False
        if record.packet_type == PacketType.RESET:
            self._renumbered.add(side)
        if record.leader != "data" or record.packet_id is None:
            return False, False
        if record.transport == "kdnet":
            ids = self._seen.setdefault(side, {})
            resend, read_well = record.packet_id in ids, ids.get(record.packet_id, False)
            ids[record.packet_id] = read_well or record.valid
            return resend, read_well
        before = self._last.get(side)
        self._last[side] = record
        same_number = before is not None and (before.packet_id == record.packet_id or side in self._renumbered)
        self._renumbered.discard(side)
        if before is None or not same_number or before.packet_type != record.packet_type:
            return False, False
        resend = before.payload == record.payload or not before.valid
        return resend, resend and before.valid


def find_resends(records: Sequence[PacketRecord]) -> tuple[list[bool], set[int]]:
    """For each record whether it is a resend, and the rows of those whose original was read well."""
    finder = ResendFinder()
    looks = [finder.look(record) for record in records]
    return [resend for resend, _ in looks], {row for row, (_, read_well) in enumerate(looks) if read_well}


def pair_replies(
    records: Sequence[PacketRecord],
    apis: Sequence[int | None],
    processors: Sequence[int | None],
    repeated: set[int],
) -> list[int | None]:
    """For each record the row of the request that it answers. `repeated` rows are left out: they were seen before."""
    replies: list[int | None] = [None] * len(records)
    pending: dict[tuple[int, int, int], list[int]] = {}
    for row, record in enumerate(records):
        kind, api = record.packet_type, apis[row]
        if kind is None or api is None or not record.valid or row in repeated:
            continue
        if kind in STATE_CHANGES:  # the target stopped anew: what it had not answered it never will
            for key in [key for key in pending if key[:2] == (record.conversation, PacketType.STATE_MANIPULATE)]:
                del pending[key]
            continue
        request = REQUESTS.get(PacketType(kind)) if kind in REQUESTS else None
        if request is None:
            continue
        waiting = pending.setdefault((record.conversation, kind, api), [])
        if record.direction is request:
            waiting.append(row)
            del waiting[:-PENDING_KEPT]
        elif waiting:
            same = [index for index, asked in enumerate(waiting) if processors[asked] == processors[row]]
            replies[row] = waiting.pop(same[-1] if same else -1)
    return replies
