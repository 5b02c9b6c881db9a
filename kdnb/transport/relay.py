"""The relay: two transports back to back. What one end says is passed on to the other, byte for byte, by two threads
that wait in nothing but their reads, so that it adds no delay of its own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kdnb.errors import KdnbError, TransportClosed
from kdnb.protocol.constants import Direction
from kdnb.transport.clock import wall_time_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.transport.base import Transport
    from kdnb.transport.pump import Observer

__all__ = ["Relay"]

READ_WAIT = 0.25
"""The longest single wait of a thread, in seconds: bounds how long a line with fault rules holds back bytes that may
yet become a packet. Data ends a wait at once."""
JOIN_TIMEOUT = 5.0


class Relay:
    """Carries bytes between a client and a target until one of them closes.

    `observer(direction, data, time_ns)` gets each chunk before it is passed on, one at a time, with wall time in
    nanoseconds since 1970. `on_end(reason)` is called from a thread of the relay, once or twice, when an end has gone.
    """

    def __init__(
        self, client: Transport, target: Transport, observer: Observer, on_end: Callable[[str], object]
    ) -> None:
        self._ends = {"client": client, "target": target}
        self._observer = observer
        self._on_end = on_end
        self._lock = threading.Lock()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._carry, args=way, name=f"kdnb relay {way[2].value}", daemon=True)
            for way in (("client", "target", Direction.TO_TARGET), ("target", "client", Direction.TO_HOST))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Close both ends and end the threads."""
        self._closing = True
        for end in self._ends.values():
            end.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(JOIN_TIMEOUT)

    def _carry(self, source: str, sink: str, direction: Direction) -> None:
        at = source
        try:
            while not self._closing:
                at = source
                data = self._ends[source].read(READ_WAIT)
                if data:
                    with self._lock:
                        self._observer(direction, data, wall_time_ns())
                    at = sink
                    self._ends[sink].write(data)
        except TransportClosed as error:
            self._on_end(f"the {at} went away ({error.message})")
        except Exception as error:
            # Whatever a driver or the observer raises must end the conversation, not only this thread.
            text = error.message if isinstance(error, KdnbError) else f"{type(error).__name__}: {error}"
            self._on_end(f"the conversation failed at the {at} ({text})")
