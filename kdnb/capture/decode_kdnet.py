"""KDNET datagrams in, packet records out: authentication, decryption, and the one packet of each datagram.

The key schedule and the frame's layout are in `protocol/kdnet`; this module gives each datagram a row. One
that no known key opens stays as it is, marked invalid.
"""

from __future__ import annotations

from kdnb.capture.decode import Chunk, PacketRecord, packet_record
from kdnb.protocol.constants import Direction
from kdnb.protocol.framing import decode_datagram
from kdnb.protocol.kdnet import KdnetDecoder

__all__ = ["KdnetConversation"]

DATA_CHANNEL = 0


class KdnetConversation:
    """KD over KDNET: datagrams of both directions; data keys are learned from the handshake as it goes by."""

    junk = 0
    gaps = 0

    def __init__(self, key: bytes, conversation: int = 0) -> None:
        self._decoder = KdnetDecoder(key)
        self._conversation = conversation
        self.authenticated = 0
        self.rejected = 0
        """Datagrams that no known key opens."""

    def feed(self, chunk: Chunk) -> list[PacketRecord]:
        frame = self._decoder.decode(chunk.data)
        if frame is None:
            self.rejected += 1
            return [self._plain(chunk, chunk.data, "kdnet", valid=False)]
        self.authenticated += 1
        direction = Direction.TO_TARGET if frame.to_target else Direction.TO_HOST
        chunk = chunk._replace(direction=direction)
        if frame.channel != DATA_CHANNEL:
            return [self._plain(chunk, frame.body, "kdnet-control", valid=True)]
        framed = decode_datagram(frame.body)
        if framed is None:
            return [self._plain(chunk, frame.body, "kdnet", valid=False)]
        return [packet_record(framed, chunk, chunk.position, None, self._conversation, transport="kdnet")]

    def _plain(self, chunk: Chunk, payload: bytes, transport: str, *, valid: bool) -> PacketRecord:
        """A record without a KD header."""
        return PacketRecord(
            chunk.time, chunk.position, None, chunk.direction, transport, "none", None, None, None, None,
            valid, False, 0, payload, chunk.tag, self._conversation,
        )  # fmt: skip

    def junk_bytes(self, direction: Direction) -> bytes:
        return b""

    def finish(self) -> list[PacketRecord]:
        return []
