"""Chunks of conversations and what they decode to: the common base of a capture file and of a live log.

Decoding is incremental: `Recording.decode` takes chunks once, records pile up, and the packet frame is made
of all of them on demand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from kdnb.capture.fields import PayloadFields, find_machine, read_fields
from kdnb.capture.frames import NO_TAGS, record_kind, to_frame
from kdnb.capture.packet_lines import packet_lines
from kdnb.protocol import codec
from kdnb.protocol.constants import Direction, MachineType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas

    from kdnb.capture.decode import Chunk, Decoder, PacketRecord
    from kdnb.capture.frames import Tag

__all__ = ["Conversation", "Recording"]


@dataclass(slots=True)
class Conversation:
    """What two ends said: its chunks in the order of their streams, and the decoder that reads them."""

    decoder: Decoder
    datagrams: bool
    """KDNET: each chunk is a datagram. Otherwise chunks are cuts of two byte streams."""
    chunks: list[Chunk] = field(default_factory=list)
    decoded: int = 0
    """So many of the chunks have been through the decoder."""

    def decode(self) -> list[PacketRecord]:
        """The records that the chunks added since the last call complete."""
        chunks = self.chunks[self.decoded :]
        self.decoded += len(chunks)
        feed = self.decoder.feed
        return [record for chunk in chunks for record in feed(chunk)]


class Recording:
    """Conversations, their records in order, and the frame made of them."""

    def __init__(self, conversations: Iterable[Conversation] = ()) -> None:
        self.conversations = list(conversations)
        self._records: list[PacketRecord] = []
        self._positions: list[int] = []  # what each record is ordered by
        self._latest: dict[tuple[int, Direction], int] = {}
        self._fields: PayloadFields | None = None

    def decode(self) -> None:
        """Take in what is new in the conversations."""
        fresh = [record for conversation in self.conversations for record in conversation.decode()]
        self._add(fresh)

    def finish(self) -> None:
        """Nothing more comes: what is left over is junk or a truncated packet."""
        self._add([record for conversation in self.conversations for record in conversation.decoder.finish()])

    def _add(self, fresh: list[PacketRecord]) -> None:
        """Put records where they belong: by position, but those of one stream in stream order.

        A segment that came late has a higher position than what follows it in the stream, so that each record
        counts with the highest position of its stream so far.
        """
        if not fresh:
            return
        first = len(self._positions)
        for record in fresh:
            side = (record.conversation, record.direction)
            position = max(self._latest.get(side, 0), record.position)
            self._latest[side] = position
            self._positions.append(position)
        self._records += fresh
        self._fields = None
        recent = self._positions[max(first - 1, 0) :]
        if any(later < earlier for earlier, later in pairwise(recent)):
            order = sorted(range(len(self._positions)), key=self._positions.__getitem__)
            self._records = [self._records[index] for index in order]
            self._positions = [self._positions[index] for index in order]

    @property
    def records(self) -> Sequence[PacketRecord]:
        """The records, one for each row of the frame."""
        return self._records

    @property
    def tags(self) -> Sequence[Tag]:
        """What the `tag` numbers of the chunks stand for."""
        return NO_TAGS

    @property
    def fields(self) -> PayloadFields:
        if self._fields is None:
            self._fields = read_fields(self._records)
        return self._fields

    @property
    def machine(self) -> MachineType | None:
        """What the target is, as far as the packets tell; None when they don't."""
        return find_machine(self._records, self.fields)

    @property
    def junk(self) -> int:
        """Bytes that belong to no packet: boot text, noise, what damage left over."""
        return sum(conversation.decoder.junk for conversation in self.conversations)

    def junk_bytes(self, direction: Direction) -> bytes:
        """The junk of one direction itself: what a target printed before its debugger came up, for instance."""
        return b"".join(conversation.decoder.junk_bytes(direction) for conversation in self.conversations)

    @property
    def gaps(self) -> int:
        """Holes in the byte streams."""
        return sum(conversation.decoder.gaps for conversation in self.conversations)

    def packets(self, summary: bool = False) -> pandas.DataFrame:
        """The packet frame; with `summary` one more column of one line of text for each packet."""
        self.decode()
        machine = self.machine or MachineType.AMD64
        lines = packet_lines(self._records, machine) if summary else None
        return to_frame(self._records, self.tags, lines, self.fields)

    def messages(self) -> Iterator[tuple[int, codec.Message]]:
        """Row and decoded message of each valid data packet."""
        machine = self.machine or MachineType.AMD64
        for row, record in enumerate(self._records):
            if record.valid and record.leader == "data" and record.packet_type is not None:
                yield row, codec.decode(record.packet_type, record.payload, record.direction, machine)

    def counts(self) -> pandas.DataFrame:
        """Valid packets by type and API: how many went each way. Control-channel frames count as `kdnet-control`."""
        import pandas as pd

        table: dict[tuple[str, str | None], list[int]] = {}
        for record, api in zip(self._records, self.fields.api, strict=True):
            if record.valid:
                cell = table.setdefault((record_kind(record), api), [0, 0])
                cell[record.direction is Direction.TO_HOST] += 1
        rows = [(kind, api, *cell) for (kind, api), cell in sorted(table.items(), key=lambda item: _order(*item))]
        return pd.DataFrame(rows, columns=["type", "api", "to_target", "to_host"])


def _order(key: tuple[str, str | None], cell: list[int]) -> tuple[str, int, str]:
    kind, api = key
    return (kind, -sum(cell), api or "")
