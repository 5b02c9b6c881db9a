"""KDNET: KD packets in encrypted, authenticated UDP datagrams.

Knows: keys, the frame, the handshake (kdnet.md). Refuses to know: sockets, time, randomness (entropy is an argument).

A datagram is `MDBG`, version, channel, AES-256-CBC ciphertext, and a 16-byte tag that is also the initialisation
vector: HMAC-SHA256 over header and plaintext, under the inverted control key on both channels. The control channel
is encrypted with the control key; the data channel with a key derived from it and the host's handshake response.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kdnb.errors import ConnectionStringError
from kdnb.protocol.kdnet_offers import Offers
from kdnb.protocol.packet_ids import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.protocol.kdnet_offers import Address

__all__ = [
    "Channel",
    "KdnetCodec",
    "KdnetDecoder",
    "KdnetFrame",
    "ReplayWindow",
    "derive_data_key",
    "is_kdnet",
    "is_poke",
    "is_response",
    "make_poke",
    "make_response",
    "open_frame",
    "parse_key",
    "seal_frame",
]

MAGIC = b"MDBG"
HEADER_SIZE = 6
TAG_SIZE = 16
BLOCK = 16
INVERTED = bytes(range(255, -1, -1))
"""Each byte's complement, for `bytes.translate`."""
VERSION = 4
"""Seen in every frame of the capture; a host answers with the version that the target used."""
SMALLEST = HEADER_SIZE + BLOCK + TAG_SIZE

POKE_SIZE = 344
RESPONSE_SIZE = 322
POKE = b"\x01\x01"
RESPONSE = b"\x01\x02"
NONCE_SIZE = 32
UNUSED_BODY = struct.pack("<IHH", 0, 0, 0)
REPLAY_WINDOW = 64
"""Sequence numbers below the highest one that are still told apart, so that reordered datagrams pass once."""
WRONG_KEY_AFTER = 2
"""Control frames with the right shape and a wrong tag, and none right, before the key is called wrong: one may be
damaged. Data frames don't count: those of somebody else's session have a key that nobody else knows."""
WRONG_KEY = "KDNET frames arrive but don't authenticate: the key is wrong"
WRONG_KEY_HINT = (
    "compare it with the one that bcdedit /dbgsettings shows on the target; or somebody else sends to this port: "
    "target=HOST:PORT hears the target alone"
)


class Channel(IntEnum):
    DATA = 0
    CONTROL = 1


@dataclass(frozen=True, slots=True)
class KdnetFrame:
    """An authenticated datagram."""

    channel: Channel
    sequence: int
    to_target: bool
    body: bytes
    version: int = VERSION


def parse_key(text: str) -> bytes:
    """The 32-byte control key of `w.x.y.z`: four base-36 words, each a 64-bit little-endian number (kdnet.md, Keys).

    Raises ConnectionStringError; the message doesn't repeat the key.
    """
    words = text.strip().split(".")
    try:
        numbers = [int(word, 36) if word.isascii() and word.isalnum() else -1 for word in words]
        if len(numbers) != 4:
            raise ValueError
        return struct.pack("<4Q", *numbers)
    except (ValueError, struct.error) as error:
        hint = "write the four words that the target was given, e.g. key=1.2.3.4"
        raise ConnectionStringError("the KDNET key is not four base-36 words of at most 64 bits", hint) from error


def derive_data_key(control_key: bytes, response: bytes) -> bytes:
    """SHA-256 of the control key and the 322-byte body of the host's response."""
    return hashlib.sha256(control_key + response).digest()


def _mac_key(control_key: bytes) -> bytes:
    return control_key.translate(INVERTED)


def seal_frame(control_key: bytes, key: bytes, frame: KdnetFrame) -> bytes:
    """The datagram of a frame; `key` is the channel's AES key."""
    padding = -(8 + len(frame.body)) % BLOCK
    word = frame.sequence << 8 | (0x80 if frame.to_target else 0) | padding
    plain = struct.pack(">Q", word) + frame.body + bytes(padding)
    header = MAGIC + bytes([frame.version, frame.channel])
    tag = hmac.digest(_mac_key(control_key), header + plain, "sha256")[:TAG_SIZE]
    encryptor = Cipher(algorithms.AES(key), modes.CBC(tag)).encryptor()
    return header + encryptor.update(plain) + encryptor.finalize() + tag


def is_kdnet(datagram: bytes) -> bool:
    """Has it the outer shape of a KDNET datagram?"""
    return (
        len(datagram) >= SMALLEST
        and datagram[:4] == MAGIC
        and datagram[5] in {Channel.DATA, Channel.CONTROL}
        and (len(datagram) - HEADER_SIZE) % BLOCK == 0
    )


def open_frame(control_key: bytes, key: bytes, datagram: bytes) -> KdnetFrame | None:
    """Decrypt and check a datagram; None where the tag is wrong. `key` is the channel's AES key."""
    if not is_kdnet(datagram):
        return None
    tag = datagram[-TAG_SIZE:]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(tag)).decryptor()
    plain = decryptor.update(datagram[HEADER_SIZE:-TAG_SIZE]) + decryptor.finalize()
    expected = hmac.digest(_mac_key(control_key), datagram[:HEADER_SIZE] + plain, "sha256")[:TAG_SIZE]
    if not hmac.compare_digest(tag, expected):
        return None
    (word,) = struct.unpack_from(">Q", plain)
    end = len(plain) - (word & 0x0F)
    if end < 8:
        return None
    return KdnetFrame(Channel(datagram[5]), word >> 8, bool(word & 0x80), plain[8:end], datagram[4])


def make_poke(nonce: bytes, target: bytes = bytes(18), host: bytes = bytes(18), bound: bytes = bytes(18)) -> bytes:
    """The body of a target's offer. Addresses are 18 bytes: IPv6 (mapped) and port, big-endian.

    `bound` is zero until the target has accepted a response.
    """
    body = POKE + nonce + target + host + bound
    return body.ljust(POKE_SIZE, b"\0")


def make_response(poke: bytes, host_random: bytes) -> bytes:
    """The body of the host's response to an offer."""
    return (RESPONSE + poke[2 : 2 + NONCE_SIZE] + host_random).ljust(RESPONSE_SIZE, b"\0")


def is_poke(body: bytes) -> bool:
    """Is it the body of a target's offer?"""
    return len(body) >= 88 and body[:2] == POKE


def is_response(body: bytes) -> bool:
    """Is it the body of a host's response?"""
    return len(body) == RESPONSE_SIZE and body[:2] == RESPONSE


class ReplayWindow:
    """Which sequence numbers were seen; each passes once."""

    def __init__(self) -> None:
        self._highest = -1
        self._seen = 0

    def accept(self, sequence: int) -> bool:
        if sequence > self._highest:
            ahead = min(sequence - self._highest, REPLAY_WINDOW)
            self._seen = (self._seen << ahead | 1) & ((1 << REPLAY_WINDOW) - 1)
            self._highest = sequence
            return True
        behind = self._highest - sequence
        if behind >= REPLAY_WINDOW or self._seen >> behind & 1:
            return False
        self._seen |= 1 << behind
        return True


class KdnetDecoder:
    """Opens the datagrams of both directions as an onlooker: for captures.

    Learns each data key from the handshake that it sees. Data frames from before the first handshake stay closed.
    """

    def __init__(self, key: bytes) -> None:
        self._control_key = key
        self._data_keys: list[bytes] = []  # newest first
        self.authenticated = 0
        self.rejected = 0
        """Frames with KDNET's shape that no key opens."""

    def decode(self, datagram: bytes) -> KdnetFrame | None:
        """The frame, or None where it doesn't authenticate."""
        if not is_kdnet(datagram):
            return None
        keys = [self._control_key] if datagram[5] == Channel.CONTROL else self._data_keys
        for key in keys:
            frame = open_frame(self._control_key, key, datagram)
            if frame is not None:
                self.authenticated += 1
                if frame.channel is Channel.CONTROL and frame.to_target and is_response(frame.body):
                    self._learn(derive_data_key(self._control_key, frame.body))
                return frame
        self.rejected += 1
        return None

    def _learn(self, key: bytes) -> None:
        if key not in self._data_keys:
            self._data_keys.insert(0, key)


class KdnetCodec:
    """One end of a KDNET conversation: seals what goes out, opens what comes in, does the handshake.

    `entropy(n)` gives n random bytes; it is an argument because this layer has no source of its own. A host answers
    a target's offer when it holds no data key, or when the offer says that the target has none (it restarted). A
    new key counts only when the first data frame under it has arrived: an old offer played back must not end a
    living session. From then on the session is with the address that this frame came from, and no other is heard in
    it (`peer`); how a target that has moved comes back stands in `kdnet_offers`.
    """

    def __init__(self, role: Role, key: bytes, entropy: Callable[[int], bytes]) -> None:
        self.role = role
        self.sessions = 0
        """Data keys taken into use so far."""
        self.authenticated = 0
        self.forged = 0
        """Datagrams whose tag is wrong: damage, forgery, another key."""
        self.replayed = 0
        self.foreign = 0
        """Datagrams that are none of KDNET's, go the wrong way, or come from an address that is not the session's."""
        self.peer: Address = None
        """Where the session's target is."""
        self._unopened_offers = 0
        self._control_key = key
        self._entropy = entropy
        self._data_key: bytes | None = None
        self._offers = Offers(self._respond)
        self._offer = b""  # target: the nonce of the last poke
        self._output: list[bytes] = []
        self._sequence = 0
        self._poke_sequence = 0
        self._seen = ReplayWindow()
        self._version = VERSION

    @property
    def is_connected(self) -> bool:
        return self._data_key is not None

    @property
    def rejected(self) -> int:
        return self.forged + self.replayed + self.foreign

    @property
    def key_is_wrong(self) -> bool:
        """True when frames arrive and not one authenticates."""
        return self._unopened_offers >= WRONG_KEY_AFTER and not self.authenticated

    @property
    def key_is_doubtful(self) -> bool:
        """True when an offer has arrived that doesn't authenticate, and none that does."""
        return self._unopened_offers > 0 and not self.authenticated

    def seal(self, body: bytes) -> bytes:
        """The data-channel datagram of a KD packet (without trailer) or of the break-in byte.

        Before the handshake there is no key: the datagram is empty and the link's timer tries again.
        """
        if self._data_key is None:
            return b""
        self._sequence += 1
        frame = KdnetFrame(Channel.DATA, self._sequence, self.role is Role.HOST, body, self._version)
        return seal_frame(self._control_key, self._data_key, frame)

    def poke(self, addresses: bytes = b"") -> bytes:
        """Target: the next offer, to be sent every 3 seconds."""
        self._poke_sequence += 3
        self._offer = self._entropy(NONCE_SIZE)  # fresh each time, so that an old response can't be played back
        body = bytearray(make_poke(self._offer))
        body[34 : 34 + len(addresses)] = addresses
        if self.is_connected:
            body[86:88] = b"\x01\x00"
        frame = KdnetFrame(Channel.CONTROL, self._poke_sequence, False, bytes(body), self._version)
        return seal_frame(self._control_key, self._control_key, frame)

    def datagrams_to_send(self) -> list[bytes]:
        """Handshake datagrams that answer what came in; they go to its sender."""
        output, self._output = self._output, []
        return output

    def receive(self, datagram: bytes, sender: Address = None) -> bytes | None:
        """Open a datagram; the body of a data frame, or None. Handshake frames are dealt with here."""
        if not is_kdnet(datagram):
            self.foreign += 1
            return None
        if datagram[5] == Channel.CONTROL:
            self._take_control(datagram, sender)
            return None
        return self._take_data(datagram, sender)

    def restart(self) -> None:
        """Target: back to the state at power-on; what comes next is an offer."""
        self._data_key = None
        self._offer = b""
        self._sequence = self._poke_sequence = 0

    # --- data -------------------------------------------------------------------------------------------------------

    def _take_data(self, datagram: bytes, sender: Address) -> bytes | None:
        is_peer = sender == self.peer
        if is_peer and self._data_key is not None:
            frame = open_frame(self._control_key, self._data_key, datagram)
            if frame is not None:
                return self._accept(frame)
        for offer in self._offers.answered_to(sender):
            frame = open_frame(self._control_key, offer.data_key, datagram)
            if frame is not None and self._is_for_us(frame):
                self._begin_session(offer.data_key, offer.version, sender)
                return self._accept(frame)
        if is_peer or self._data_key is None:
            self.forged += 1
        else:
            self.foreign += 1
        return None

    def _accept(self, frame: KdnetFrame) -> bytes | None:
        """The body of an authentic frame, once."""
        if not self._is_for_us(frame):
            return None
        self._offers.peer_heard()
        if not self._seen.accept(frame.sequence):
            self.replayed += 1
            return None
        return frame.body

    def _is_for_us(self, frame: KdnetFrame) -> bool:
        if frame.to_target is (self.role is Role.TARGET):
            self.authenticated += 1
            return True
        self.foreign += 1
        return False

    def _begin_session(self, key: bytes, version: int, peer: Address) -> None:
        self._data_key = key
        self._version = version
        self.peer = peer
        self._offers.clear()
        self._seen = ReplayWindow()
        self._sequence = 0
        self.sessions += 1

    # --- handshake --------------------------------------------------------------------------------------------------

    def _take_control(self, datagram: bytes, sender: Address) -> None:
        frame = open_frame(self._control_key, self._control_key, datagram)
        if frame is None:
            self.forged += 1
            self._unopened_offers += 1
        elif not self._is_for_us(frame):
            return
        elif self.role is Role.HOST and is_poke(frame.body):
            self._take_offer(frame, sender)
        elif self.role is Role.TARGET and is_response(frame.body) and frame.body[2:34] == self._offer:
            key = derive_data_key(self._control_key, frame.body)
            if key != self._data_key:
                self._begin_session(key, self._version, sender)
                # "UNUSED": tells the host that the key is in use (kdnet.md, Handshake 3).
                self._output.append(self.seal(UNUSED_BODY + bytes(4)))

    def _take_offer(self, frame: KdnetFrame, sender: Address) -> None:
        is_unbound = frame.body[86:88] == bytes(2)
        is_peer = sender == self.peer
        if self._data_key is not None:
            if is_peer and not is_unbound:
                self._offers.peer_heard()
            if not is_unbound or not (is_peer or self._offers.may_have_moved(sender)):
                return
        nonce = frame.body[2 : 2 + NONCE_SIZE]
        offer = self._offers.take(frame.body, nonce, frame.version, sender)
        answer = KdnetFrame(Channel.CONTROL, frame.sequence, True, offer.response, frame.version)
        self._output.append(seal_frame(self._control_key, self._control_key, answer))

    def _respond(self, poke: bytes) -> tuple[bytes, bytes]:
        response = make_response(poke, self._entropy(NONCE_SIZE))
        return response, derive_data_key(self._control_key, response)

    def __repr__(self) -> str:
        return f"<KdnetCodec {self.role.value} sessions={self.sessions}>"
