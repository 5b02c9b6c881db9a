"""A session over a line that damages, repeats and delays: it comes through whole, or says that it failed."""

from __future__ import annotations

import pytest

import kdnb
from kdnb.simulator.loader import guest_files
from tests.end_to_end.test_simulate_process import simulate


@pytest.mark.parametrize("rules", ["damage=0.03,seed=2", "dup=0.2,delay=0.2:0.01,seed=5", "junk=0.001,seed=9"])
def test_memory_arrives_as_it_is(rules: str) -> None:
    header = guest_files()[0].image[:0x400]
    with simulate("--faults", rules) as (_, address):
        debugger = kdnb.connect(address, timeout=60)
        try:
            base = debugger.modules["nt"].base
            assert all(debugger.read(base, len(header)) == header for _ in range(5))
            debugger.write(debugger.registers.rsp - 0x100, b"kdnb")
            assert debugger.read(debugger.registers.rsp - 0x100, 4) == b"kdnb"
        finally:
            debugger.close()
