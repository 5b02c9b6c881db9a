"""Link, IP, UDP and TCP headers: one captured frame in, its segment out.

Ethernet (with VLAN tags), Linux cooked v1 and v2, raw IP, BSD loopback; IPv4 and IPv6 with extension
headers. Whatever else a frame holds is None. Fragments are told apart, not joined: KD packets are shorter
than any usual MTU, and TCP doesn't fragment. Numbers: the LINKTYPE_ list of tcpdump.org, RFC 791, 8200, 9293.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["FRAGMENT", "Endpoint", "Segment", "dissect"]

Endpoint = tuple[bytes, int]
"""IP address as 4 or 16 bytes, and port."""

NULL, ETHERNET, RAW_BSD, RAW_OPENBSD, RAW = 0, 1, 12, 14, 101
LOOP, COOKED, IPV4, IPV6, COOKED2 = 108, 113, 228, 229, 276
IP_AT_START = frozenset({RAW_BSD, RAW_OPENBSD, RAW, IPV4, IPV6})
VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
TCP, UDP = 6, 17
HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, AUTHENTICATION = 0, 43, 44, 51
DESTINATION, MOBILITY, HIP, SHIM6 = 60, 135, 139, 140
EXTENSIONS = frozenset({HOP_BY_HOP, ROUTING, DESTINATION, MOBILITY, HIP, SHIM6})

_tcp_header = struct.Struct(">HHIIBB").unpack_from
_udp_header = struct.Struct(">HHH").unpack_from
_u16 = struct.Struct(">H").unpack_from


class Segment(NamedTuple):
    """A UDP datagram (`flags` is None) or a TCP segment with its sequence number and flag bits."""

    source: Endpoint
    destination: Endpoint
    payload: bytes
    sequence: int
    flags: int | None


FRAGMENT = Segment((b"", 0), (b"", 0), b"", 0, None)
"""What `dissect` returns for a part of a fragmented IP packet."""


def dissect(link_type: int, data: bytes) -> Segment | None:
    """The UDP or TCP segment in a frame, `FRAGMENT`, or None for everything else (short frames as well)."""
    try:
        at = _network_offset(link_type, data)
        if at < 0:
            return None
        version = data[at] >> 4
        if version == 4:
            return _ipv4(data, at)
        return _ipv6(data, at) if version == 6 else None
    except (IndexError, struct.error):  # the frame ends inside a header
        return None


def _network_offset(link_type: int, data: bytes) -> int:
    """Where the IP header begins; -1 when the frame holds no IP."""
    if link_type == ETHERNET:
        (kind,), at = _u16(data, 12), 14
        while kind in VLAN_TAGS:
            (kind,), at = _u16(data, at + 2), at + 4
    elif link_type in IP_AT_START:
        return 0
    elif link_type in (NULL, LOOP):
        return 4  # the family number differs from system to system; the IP version nibble doesn't
    elif link_type == COOKED:
        (kind,), at = _u16(data, 14), 16
    elif link_type == COOKED2:
        (kind,), at = _u16(data, 0), 20
    else:
        return -1
    return at if kind in (ETHERTYPE_IPV4, ETHERTYPE_IPV6) else -1


def _ipv4(data: bytes, at: int) -> Segment | None:
    header = (data[at] & 15) * 4
    (total,), (fragment,) = _u16(data, at + 2), _u16(data, at + 6)
    if header < 20:
        return None
    if fragment & 0x3FFF:  # more fragments, or not the first
        return FRAGMENT
    # Length 0 is what a sender with segmentation offload leaves there.
    end = min(at + total, len(data)) if total else len(data)
    return _transport(data, data[at + 9], at + header, end, data[at + 12 : at + 16], data[at + 16 : at + 20])


def _ipv6(data: bytes, at: int) -> Segment | None:
    (length,), following = _u16(data, at + 4), data[at + 6]
    source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
    end = min(at + 40 + length, len(data)) if length else len(data)
    at += 40
    while following not in (TCP, UDP):
        if following in EXTENSIONS:
            following, at = data[at], at + 8 + data[at + 1] * 8
        elif following == AUTHENTICATION:
            following, at = data[at], at + 8 + data[at + 1] * 4
        elif following == FRAGMENT_HEADER:
            if _u16(data, at + 2)[0] & 0xFFF9:
                return FRAGMENT
            following, at = data[at], at + 8
        else:
            return None
    return _transport(data, following, at, end, source, destination)


def _transport(data: bytes, protocol: int, at: int, end: int, source: bytes, destination: bytes) -> Segment | None:
    if protocol == UDP:
        source_port, destination_port, length = _udp_header(data, at)
        payload = data[at + 8 : min(at + length, end) if length >= 8 else end]
        return Segment((source, source_port), (destination, destination_port), payload, 0, None)
    if protocol == TCP:
        source_port, destination_port, sequence, _, offset, flags = _tcp_header(data, at)
        payload = data[at + (offset >> 4) * 4 : end]
        return Segment((source, source_port), (destination, destination_port), payload, sequence, flags)
    return None
