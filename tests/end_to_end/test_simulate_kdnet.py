"""A session over KDNET with the simulated machine: handshake, stop, memory, and a second debugger after the first."""

from __future__ import annotations

import socket

import kdnb
from tests.end_to_end.test_simulate_process import end, simulate

KEY = "1.2.3.4"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_sessions_over_kdnet() -> None:
    spec = f"net:port={free_port()},key={KEY}"
    with simulate(listen=spec) as (process, address):
        assert KEY not in address
        for _ in range(2):
            debugger = kdnb.connect(spec, timeout=60)
            try:
                base = debugger.modules["nt"].base
                assert debugger.read(base, 2) == b"MZ"
                assert len(debugger.read(base, 0x2000)) == 0x2000
            finally:
                debugger.close()
        assert end(process) == 0


def test_a_break_in_among_prints_is_not_lost() -> None:
    """Most of the time such a machine waits for an acknowledgement; a break-in then stays pending."""
    spec = f"net:port={free_port()},key={KEY}"
    with simulate("--scenario", "storm", listen=spec) as (process, _):
        debugger = kdnb.connect(spec, timeout=60)
        try:
            for _ in range(5):
                debugger.go(wait=False)
                assert debugger.break_in().processor == 0
        finally:
            debugger.close()
        assert end(process) == 0
