"""What to tell somebody who waits for a target: what was seen, the likely cause, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import PacketType, name_of

if TYPE_CHECKING:
    from kdnb.protocol.link_events import LinkStatistics

__all__ = ["describe"]


def describe(statistics: LinkStatistics, *, network: bool) -> tuple[str, str]:
    """What was seen so far with its likely cause, and the next step; one line each."""
    seen = f"{statistics.bytes_received} bytes seen"
    if not statistics.bytes_received:
        if network:
            cause = "the target isn't started, or it calls another address or port"
            return f"nothing seen; likely {cause}", "start it; bcdedit /dbgsettings shows hostip and port; host= here"
        cause = "the target isn't started, debugging is off, another debugger has the line, or it is another line"
        return f"nothing seen; likely {cause}", "start it with debugging on (bcdedit /debug on), check the port"
    if network and not statistics.sessions:
        if statistics.rejected:
            cause = "the key is wrong, or strangers send to this port"
            return f"{seen}, nothing authenticates; likely {cause}", "compare it with bcdedit /dbgsettings"
        return f"{seen}, the handshake isn't complete; likely answers don't reach the target", "check the firewall"
    if statistics.last_type is None:
        return f"{seen}, no packet among them; likely another baud rate, or text of the firmware", "check baud="
    last = name_of(PacketType, statistics.last_type) or f"type {statistics.last_type}"
    return (
        f"{seen}, last packet {last}; likely it is busy, or another debugger holds the line",
        "wait, or reset the target",
    )
