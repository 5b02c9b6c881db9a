"""The simulated machine on KDNET: the target speaks first, so it needs no listening port but the debugger's.

A `net:` string means the same to both ends: the debugger's UDP port on this computer and the common key. With
`target=HOST:PORT` the machine speaks from that address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.kdnet import parse_key
from kdnb.transport import registry
from kdnb.transport.line import LineListener
from kdnb.transport.udp import UdpTransport

if TYPE_CHECKING:
    from kdnb.protocol.kdnet import KdnetCodec
    from kdnb.transport.base import Listener

__all__ = ["Pokes", "key_of", "listen"]

LOOPBACK = "127.0.0.1"
POKE_INTERVAL = 3.0
"""Seconds between two offers of a real target; the reference on KDNET has it from a capture."""


class Pokes:
    """The offers that a target makes all the time: by them a debugger finds it, also after its own restart."""

    def __init__(self, codec: KdnetCodec) -> None:
        self._codec = codec
        self._next = 0.0

    def due(self, now: float) -> list[bytes]:
        """The offer, when it is time for one."""
        if now < self._next:
            return []
        self._next = now + POKE_INTERVAL
        return [self._codec.poke()]


def key_of(spec: str) -> bytes | None:
    """The key of a `net:` string, None for other transports. Raises UsageError for a key that is none."""
    parsed = registry.parse_spec(spec)
    return parse_key(parsed.options["key"]) if parsed.scheme == "net" else None


def listen(spec: str) -> Listener:
    """Where clients come from; on KDNET the debugger's port, which counts as a client that is there."""
    parsed = registry.parse_spec(spec)
    if parsed.scheme != "net":
        return registry.listen(spec)
    host, _, port = parsed.options.get("target", f"{LOOPBACK}:0").rpartition(":")
    debugger = (LOOPBACK, parsed.number("port", 0, 0xFFFF))
    return LineListener(str(parsed), lambda: UdpTransport.bind(host, int(port), debugger))
