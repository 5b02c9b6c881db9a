"""The simulated machine on KDNET: the target speaks first, so it needs no listening port but the debugger's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.kdnet import parse_key
from kdnb.transport.registry import parse_spec

if TYPE_CHECKING:
    from kdnb.protocol.kdnet import KdnetCodec

__all__ = ["Pokes", "key_of"]

POKE_INTERVAL = 3.0
"""Seconds between two offers of a real target; the reference on KDNET has it from a capture."""
FIRST_POKE_INTERVAL = 0.5
"""The same before the first handshake: ours is quicker, so that nobody waits for a machine that is just starting."""


class Pokes:
    """The offers that a target makes all the time: by them a debugger finds it, also after its own restart."""

    def __init__(self, codec: KdnetCodec) -> None:
        self._codec = codec
        self._next = 0.0
        self._was_connected = False

    def due(self, now: float) -> list[bytes]:
        """The offer, when it is time for one: at once after a restart."""
        if self._was_connected and not self._codec.is_connected:
            self._next = now
        self._was_connected = self._codec.is_connected
        if now < self._next:
            return []
        self._next = now + (POKE_INTERVAL if self._codec.is_connected else FIRST_POKE_INTERVAL)
        return [self._codec.poke()]


def key_of(spec: str) -> bytes | None:
    """The key of a `net:` string, None for other transports. Raises UsageError for a key that is none."""
    parsed = parse_spec(spec)
    return parse_key(parsed.options["key"]) if parsed.scheme == "net" else None
