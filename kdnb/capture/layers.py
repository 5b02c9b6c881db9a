"""Link, IP, UDP and TCP headers: one captured frame in, its segment out.

Ethernet (with VLAN tags), Linux cooked v1 and v2, raw IP, BSD loopback; IPv4 and IPv6 with extension headers. Whatever
else a frame holds is None. Fragments of IP packets are told apart; `fragments` joins them. Numbers: the LINKTYPE_ list
of tcpdump.org, RFC 791, 8200, 9293.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["Endpoint", "Fragment", "Segment", "dissect", "upper_layer"]

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
_u32 = struct.Struct(">I").unpack_from


class Segment(NamedTuple):
    """A UDP datagram (`flags` is None) or a TCP segment with its sequence number and flag bits."""

    source: Endpoint
    destination: Endpoint
    payload: bytes
    sequence: int
    flags: int | None


class Fragment(NamedTuple):
    """A piece of an IP packet. `offset` in bytes; `data` is empty where the capture cut the frame."""

    source: bytes
    destination: bytes
    protocol: int
    identification: int
    offset: int
    more: bool
    data: bytes


def dissect(link_type: int, data: bytes) -> Segment | Fragment | None:
    """The UDP or TCP segment in a frame, a piece of one, or None for everything else (short frames as well)."""
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


def upper_layer(protocol: int, data: bytes, source: bytes, destination: bytes) -> Segment | None:
    """The segment in the joined payload of an IP packet, None for other protocols. IPv6 may have more headers in it."""
    try:
        if len(source) == 4:
            return _transport(data, protocol, 0, len(data), source, destination)
        found = _behind_extensions(data, protocol, 0, len(data), source, destination)
        return found if isinstance(found, Segment) else None
    except (IndexError, struct.error):
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


def _ipv4(data: bytes, at: int) -> Segment | Fragment | None:
    header = (data[at] & 15) * 4
    (total,), (fragment,) = _u16(data, at + 2), _u16(data, at + 6)
    if header < 20:
        return None
    # Length 0 is what a sender with segmentation offload leaves there.
    end = at + total if total else len(data)
    source, destination = data[at + 12 : at + 16], data[at + 16 : at + 20]
    if fragment & 0x3FFF:  # more fragments, or not the first
        piece = data[at + header : end] if end <= len(data) else b""
        (identification,), more = _u16(data, at + 4), bool(fragment & 0x2000)
        return Fragment(source, destination, data[at + 9], identification, (fragment & 0x1FFF) * 8, more, piece)
    return _transport(data, data[at + 9], at + header, min(end, len(data)), source, destination)


def _ipv6(data: bytes, at: int) -> Segment | Fragment | None:
    (length,), following = _u16(data, at + 4), data[at + 6]
    source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
    end = at + 40 + length if length else len(data)
    return _behind_extensions(data, following, at + 40, end, source, destination)


def _behind_extensions(
    data: bytes, following: int, at: int, end: int, source: bytes, destination: bytes
) -> Segment | Fragment | None:
    """What comes behind IPv6's extension headers. `end` is where the packet says that it ends."""
    while following not in (TCP, UDP):
        if following in EXTENSIONS:
            following, at = data[at], at + 8 + data[at + 1] * 8
        elif following == AUTHENTICATION:
            following, at = data[at], at + 8 + data[at + 1] * 4
        elif following == FRAGMENT_HEADER:
            (place,), (identification,) = _u16(data, at + 2), _u32(data, at + 4)
            if place & 0xFFF9:
                piece = data[at + 8 : end] if end <= len(data) else b""
                return Fragment(source, destination, data[at], identification, place & 0xFFF8, bool(place & 1), piece)
            following, at = data[at], at + 8
        else:
            return None
    return _transport(data, following, at, min(end, len(data)), source, destination)


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
