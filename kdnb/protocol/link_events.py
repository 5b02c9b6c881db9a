"""What a link reports: events (past tense, something happened) and the settings and counters that go with them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "HOST_SETTINGS",
    "TARGET_SETTINGS",
    "BreakInReceived",
    "LinkEvent",
    "LinkFailed",
    "LinkSettings",
    "LinkStatistics",
    "LinkSynchronised",
    "NotAuthenticated",
    "PacketReceived",
    "PacketSent",
    "PeerReset",
    "PeerRestarted",
    "ResendRequested",
]


@dataclass(slots=True)
class PacketReceived:
    """A payload arrived: once, in order, undamaged as far as the checksum can tell.

    Not frozen: one comes with each reply, and a frozen one takes five times as long to make.
    """

    packet_type: int
    payload: bytes
    packet_id: int


@dataclass(frozen=True, slots=True)
class PacketSent:
    """The peer has the packet that was sent with this id."""

    packet_id: int
    packet_type: int


@dataclass(frozen=True, slots=True)
class PeerReset:
    """A RESET was exchanged; on a serial line both numberings begin anew.

    `in_flight`: a packet of ours was in flight and is being repeated by the link. A target with nothing in flight
    repeats its announcement itself.
    """

    in_flight: bool = False


@dataclass(frozen=True, slots=True)
class PeerRestarted:
    """Host: the target has begun anew (SYNC id, or a new KDNET session). Whatever was known of it is void."""


@dataclass(frozen=True, slots=True)
class ResendRequested:
    """Target: the host asks for the last packet again, but it had been acknowledged."""


@dataclass(frozen=True, slots=True)
class BreakInReceived:
    """Target: the break-in byte came. A packet in flight is repeated by the link."""


@dataclass(frozen=True, slots=True)
class LinkSynchronised:
    """Host: after `reset()` or a failure the target is heard again."""


@dataclass(frozen=True, slots=True)
class NotAuthenticated:
    """KDNET: frames arrive and none opens with our key. Said once."""


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """The link gave up. Packets that were in flight or queued are dropped; whether the first one arrived is unknown."""

    reason: str


LinkEvent = (
    PacketReceived
    | PacketSent
    | PeerReset
    | PeerRestarted
    | ResendRequested
    | BreakInReceived
    | LinkSynchronised
    | NotAuthenticated
    | LinkFailed
)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Times in seconds, counts per packet. Real values differ among stacks (protocol reference 1.7 and 12 no. 2)."""

    ack_timeout: float = 1.0
    """Wait for an ACK before sending again. Targets wait about 1 s per byte (Singularity, ReactOS)."""
    retries: int = 10
    """Repeats after silence before giving up. The reference suggests 10 for a host (1.7)."""
    first_contact_retries: int = 10
    """The same before the first ACK ever."""
    resend_limit: int = 100
    """Repeats on RESEND before giving up. Ours: real stacks have none, but a link must end or say that it failed."""
    quiet_time: float = 1.0
    """Silence inside half a packet before it is given up and asked for again. The reference suggests 1-2 s (1.6)."""
    break_in_wait: float = 0.1
    """Target: silence after 0x62 that makes it a break-in (1.6). Real targets wait their byte time; ours is quicker."""
    reset_interval: float = 1.0
    """Between two RESETs while the target is silent: WinDbg on a pipe sends one about every second (1.7)."""
    resets: int = 20
    """RESETs before giving up; 0 is without end, as WinDbg's own option `resets` has it."""
    repeated_ids: bool = False
    """Take a packet under an id seen before if its content differs from the last one taken. The UEFI engine windbg.efi
    sends two different packets in a row with one id; on other targets this would only weaken the check."""


HOST_SETTINGS = LinkSettings(ack_timeout=0.5, retries=20, first_contact_retries=20, quiet_time=0.3)
"""Quicker than the reference asks for, since repeating early does no harm (ids tell copies apart) and each lost byte
costs one such wait: real targets give up half a packet after 0.3 s too (measured); the longest packet takes 0.35 s at
115200 baud. In all 10 s of silence are survived, as with the reference's 1 s and 10 repeats (1.7)."""
TARGET_SETTINGS = LinkSettings(retries=20, first_contact_retries=5)
"""Retry counts of ReactOS and Singularity (1.7)."""


@dataclass(slots=True)
class LinkStatistics:
    """Counters since the link was made."""

    bytes_received: int = 0
    last_type: int | None = None
    """Packet type of the last sound packet, control packets included."""
    sent: int = 0
    """Data packets, each counted once."""
    break_ins: int = 0
    """Break-in bytes sent."""
    retransmitted: int = 0
    asked_again: int = 0
    """Of these, because the peer asked for it (RESEND): it had not taken the packet."""
    received: int = 0
    """Data packets taken."""
    duplicates: int = 0
    unwanted: int = 0
    damaged: int = 0
    resends_asked: int = 0
    resets: int = 0
    failures: int = 0
    junk: int = 0
    """Bytes outside packets."""
    sessions: int = 0
    """KDNET: data keys taken into use."""
    forged: int = 0
    """KDNET: datagrams of the session's target whose tag is wrong: damage, or forgery; part of `rejected`."""
    rejected: int = 0
    """KDNET: datagrams that didn't authenticate, were replayed, came from elsewhere, or were none of KDNET's."""

    @property
    def troubles(self) -> int:
        """Everything that had to be repaired so far: a measure of how bad the line is."""
        return self.retransmitted + self.damaged + self.resends_asked + self.forged + self.failures
