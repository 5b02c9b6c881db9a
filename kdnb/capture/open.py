"""Open a capture: a pcap or pcapng file, gzipped or not, or the raw bytes of one direction.

A damaged file gives what was before the damage, and a line in `Capture.problems`. Only a file without one
valid packet is refused.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

from kdnb.capture.decode import Chunk, SerialConversation
from kdnb.capture.decode_kdnet import KdnetConversation
from kdnb.capture.fragments import Fragments
from kdnb.capture.layers import Fragment, dissect
from kdnb.capture.packet_file import is_packet_file, load, read_frames
from kdnb.capture.recording import Conversation, Recording
from kdnb.capture.summary import summarise
from kdnb.capture.target_end import CERTAIN, TargetScore
from kdnb.capture.tcp_streams import Connections
from kdnb.errors import CaptureError, KdnbError, UnsupportedError
from kdnb.protocol.constants import Direction
from kdnb.protocol.kdnet import parse_key

if TYPE_CHECKING:
    import mmap
    from collections.abc import Sequence
    from pathlib import Path

    from kdnb.capture.layers import Endpoint, Segment
    from kdnb.capture.tcp_streams import Connection, Stream

__all__ = ["Capture", "open_capture"]

KDNET_MAGIC = b"MDBG"
LEADERS = (b"0000", b"iiii")
RAW_STEP = 1 << 20
SCORE_STEP = 1 << 16


class Capture(Recording):
    """A decoded capture file. `problems` holds one line for each thing that is wrong with it."""

    def __init__(self, name: str, conversations: Sequence[Conversation], problems: list[str], frames: int) -> None:
        super().__init__(conversations)
        self.name = name
        self.problems = problems
        self.frames = frames
        """Frames of the file; 0 for a raw byte log."""
        self.seconds = 0.0
        """What reading and decoding took."""
        self.decode()
        self.finish()

    def __repr__(self) -> str:
        return summarise(self)

    def replay(self) -> NoReturn:
        """Debugging what was captured: not built yet, so this raises `UnsupportedError` with what there is."""
        raise UnsupportedError("a capture can't be debugged yet", "read it: packets(), messages(), counts()")


def open_capture(
    path: str | Path,
    key: str | None = None,
    target_port: int | None = None,
    direction: Direction | str | None = None,
) -> Capture:
    """Read and decode a capture; `-` is standard input.

    `key` opens KDNET; `target_port` says which TCP end is the target when the packets don't; `direction` is that
    of a raw byte log. Raises `CaptureError` when nothing can be decoded.
    """
    import numpy  # noqa: F401  # loading it is no part of the time that decoding takes

    problems: list[str] = []
    secret = _parse(key)
    started = time.perf_counter()
    data = load(path, problems)
    if is_packet_file(data):
        capture = _open_packets(str(path), data, secret, target_port, problems)
    else:
        capture = _open_raw(str(path), data, direction, problems)
    capture.fields  # noqa: B018  # reading the payloads belongs to decoding
    capture.seconds = time.perf_counter() - started
    if capture.gaps:
        problems.append(
            f"the TCP streams have {capture.gaps} hole{'s'[: capture.gaps > 1]}: bytes are missing from the capture"
        )
    return capture


def _parse(key: str | None) -> bytes | None:
    if key is None:
        return None
    try:
        return parse_key(key)
    except KdnbError as error:
        raise CaptureError(f"the key can't be read: {error.message}", "give it as w.x.y.z") from None


def _open_raw(name: str, data: bytes | mmap.mmap, direction: Direction | str | None, problems: list[str]) -> Capture:
    """A log of the bytes of one direction; without `direction` its packets tell."""
    if direction is None:
        direction = _guess_raw(data)
    way = Direction(direction)
    chunks = [
        Chunk(None, way, bytes(data[at : at + RAW_STEP]), at, at, by_byte=True) for at in range(0, len(data), RAW_STEP)
    ]
    capture = Capture(name, [Conversation(SerialConversation(), False, chunks)], problems, 0)
    if not any(record.valid and record.leader != "breakin" for record in capture.records):
        why = problems[0] if problems else "neither pcap nor pcapng, and no KD packet in its bytes"
        if name == "-":
            raise CaptureError(f"standard input is no capture: {why}", "pipe one in: gunzip -c FILE | kdnb decode -")
        raise CaptureError(f"{name} is no capture: {why}", "check the file")
    return capture


def _guess_raw(data: bytes | mmap.mmap) -> Direction:
    score = TargetScore()
    for at in range(0, len(data), SCORE_STEP):
        score.feed(bytes(data[at : at + SCORE_STEP]))
        if abs(score.score) >= CERTAIN:
            break
    return Direction.TO_TARGET if score.score < 0 else Direction.TO_HOST


def _open_packets(
    name: str, data: bytes | mmap.mmap, key: bytes | None, target_port: int | None, problems: list[str]
) -> Capture:
    connections = Connections()
    datagrams: dict[tuple[Endpoint, Endpoint], list[tuple[Segment, int, int | None]]] = {}
    fragments = Fragments()
    frames = kdnet = 0
    packed = len(problems)
    for frame in read_frames(data, problems):
        frames += 1
        found = dissect(frame.link_type, frame.data)
        # A joined packet counts as captured with the piece that completed it.
        segment = fragments.add(found, frame.time) if isinstance(found, Fragment) else found
        if segment is None:
            continue
        if segment.flags is not None:
            connections.add(segment, frame.number, frame.time)
        elif segment.payload[:4] == KDNET_MAGIC:
            kdnet += 1
            ends = (segment.source, segment.destination)
            datagrams.setdefault((min(ends), max(ends)), []).append((segment, frame.number, frame.time))
    if packed:  # the gzip data was cut: that the file inside is cut too says nothing new
        del problems[packed:]
    if left := fragments.left:
        problems.append(f"{left} fragment{'s'[: left > 1]} of IP packets {'were' if left > 1 else 'was'} left out")

    conversations = _serial_conversations(connections.finish(), target_port)
    if kdnet and key is not None:
        for index, packets in enumerate(datagrams.values(), len(conversations)):
            conversations.append(_kdnet_conversation(packets, key, index))
    capture = Capture(name, conversations, problems, frames)
    _check_kdnet(capture, kdnet, key)
    if not any(record.valid for record in capture.records):
        why = problems[0] if problems else f"none of its {frames} frames holds a KD packet"
        raise CaptureError(f"{name} holds no KD conversation: {why}", "check the file and the capture filter")
    return capture


def _check_kdnet(capture: Capture, kdnet: int, key: bytes | None) -> None:
    """Say what the key opens: nothing at all is an error, a part a problem."""
    if not kdnet:
        return
    valid = any(record.valid for record in capture.records)
    if key is None:
        message = f"{capture.name} holds {kdnet} KDNET frames, which are encrypted"
        if not valid:
            raise CaptureError(message, "give the target's key (--key w.x.y.z)")
        capture.problems.append(f"{message}: give the target's key (--key w.x.y.z)")
        return
    rejected = sum(conversation.decoder.rejected for conversation in capture.conversations)
    if rejected == kdnet and not valid:
        raise CaptureError(
            f"none of the {kdnet} KDNET frames of {capture.name} authenticates: the key is wrong",
            "give the target's own (--key w.x.y.z)",
        )
    if rejected:
        capture.problems.append(
            f"{rejected} of {kdnet} KDNET frames don't authenticate: another key, or no handshake before them"
        )


def _kdnet_conversation(packets: list[tuple[Segment, int, int | None]], key: bytes, index: int) -> Conversation:
    """The datagrams between two endpoints. Until one authenticates, the sender of the first counts as the target."""
    first = packets[0][0].source
    ways = {True: Direction.TO_HOST, False: Direction.TO_TARGET}
    chunks = [Chunk(when, ways[segment.source == first], segment.payload, number) for segment, number, when in packets]
    return Conversation(KdnetConversation(key, index), True, chunks)


def _serial_conversations(connections: list[Connection], target_port: int | None) -> list[Conversation]:
    """The TCP connections that carry KD."""
    conversations: list[Conversation] = []
    for connection in connections:
        if not any(_may_hold_packets(stream) for stream in connection.streams):
            continue
        scores = [TargetScore(), TargetScore()]
        _score(connection, scores)
        if not scores[0].valid + scores[1].valid:
            continue
        target = _target_side(connection, scores, target_port)
        ways = [Direction.TO_HOST if side == target else Direction.TO_TARGET for side in (0, 1)]
        chunks = [
            Chunk(piece.time, way, piece.data, piece.frame, piece.offset)
            for way, stream in zip(ways, connection.streams, strict=True)
            for piece in stream.pieces
        ]
        conversations.append(Conversation(SerialConversation(len(conversations)), False, chunks))
    if target_port is not None and conversations:
        _check_port(connections, target_port)
    return conversations


def _may_hold_packets(stream: Stream) -> bool:
    """Whether a leader occurs: other traffic isn't worth framing. One may be cut by a segment's end."""
    tail = b""
    for piece in stream.pieces:
        data = tail + piece.data
        if any(leader in data for leader in LEADERS):
            return True
        tail = data[-3:]
    return False


def _score(connection: Connection, scores: list[TargetScore]) -> None:
    """Frame both streams until it is certain which end is the target."""
    for side, stream in enumerate(connection.streams):
        for piece in stream.pieces:
            scores[side].feed(piece.data)
            if scores[side].valid and abs(scores[0].score - scores[1].score) >= CERTAIN:
                return


def _target_side(connection: Connection, scores: list[TargetScore], target_port: int | None) -> int:
    ports = [endpoint[1] for endpoint in connection.endpoints]
    if target_port in ports and ports[0] != ports[1]:
        return ports.index(target_port)
    if scores[0].score != scores[1].score:
        return 0 if scores[0].score > scores[1].score else 1
    return 0 if ports[0] < ports[1] else 1  # a guess: virtual machines listen, debuggers connect


def _check_port(connections: list[Connection], target_port: int) -> None:
    ports = sorted({endpoint[1] for connection in connections for endpoint in connection.endpoints})
    if target_port not in ports:
        seen = ", ".join(map(str, ports[:8]))
        raise CaptureError(f"no TCP connection of the capture uses port {target_port}", f"its ports are {seen}")
