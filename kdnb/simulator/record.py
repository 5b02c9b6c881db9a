"""Records a session of a scripted host with the simulated machine: the same bytes and times on every run.

`python -m kdnb.simulator.record FILE.pcapng` writes it; the notebooks read such a file as their capture.
The suffix chooses the format, as in every export of a capture.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.capture.log import PacketLog
from kdnb.capture.writers import write
from kdnb.protocol.constants import Api
from kdnb.protocol.messages.state_change import StateChange64
from kdnb.simulator.loader import guest_exports
from kdnb.simulator.scripted_host import ScriptedHost

if TYPE_CHECKING:
    from kdnb.protocol.constants import Direction

__all__ = ["record_session"]

BEGINNING_NS = 1_605_873_600 * 10**9
"""20 November 2020, 12:00 UTC: the day on which the guest's clock stands too, so that every run is the same."""

PAGE, PACKETFUL = 0x1000, 0xF00
BOOT_STOPS = 8
STEPS = 5


def record_session(path: Path) -> int:
    """Boot, look around, run to a breakpoint, step, continue, break in again. The number of chunks recorded."""
    log = PacketLog()
    chunks = 0

    def observe(direction: Direction, data: bytes, now: float) -> None:
        nonlocal chunks
        chunks += 1
        log.record(direction, data, BEGINNING_NS + round(now * 1e6) * 1000)

    host = ScriptedHost("boot", observe)
    _follow_boot(host)
    _look_around(host)
    _run_to_a_breakpoint(host, guest_exports()["KeDelayExecutionThread"])
    write(log, path)
    return chunks


def _follow_boot(host: ScriptedHost) -> None:
    """Continue at each image that is loaded, then break in."""
    stop = host.wait_for(StateChange64)
    for _ in range(BOOT_STOPS):
        if stop.load_symbols is None:
            return
        host.read(stop.load_symbols.base, PAGE // 4)
        host.resume()
        for _ in range(200):
            host.turn()
        if not host.messages:
            host.link.send_break_in()
        stop = host.wait_for(StateChange64)


def _look_around(host: ScriptedHost) -> None:
    """What a debugger asks first: version, registers of both processors, the kernel's headers, a stack."""
    host.request(Api.GetVersion, processor=0xFFFF)
    for processor in range(len(host.machine.processors)):
        host.special_registers(processor)
        host.context(processor)
    for offset in range(0, 4 * PAGE, PACKETFUL):
        host.read(host.machine.kernel_base + offset, PACKETFUL)
    host.read(host.context().rsp, PAGE // 4)
    host.read(0x10, 16)


def _run_to_a_breakpoint(host: ScriptedHost, address: int) -> None:
    host.set_breakpoint(address)
    host.go()
    for _ in range(STEPS):
        stop = host.wait_for(StateChange64)
        host.context(stop.processor)
        host.read(stop.program_counter, 32)
        host.resume(trace=True)
    host.wait_for(StateChange64)
    host.resume()
    for _ in range(100):
        host.turn()
    host.break_in()
    host.go()


if __name__ == "__main__":
    record_session(Path(sys.argv[1]))
