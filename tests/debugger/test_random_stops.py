"""`k` wherever the machine happens to be, against the chain that its calls and interrupts really made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.results.stack import Stack
from tests.debugger.recorded_guest import serve_recorded
from tests.debugger.simulated import TIMEOUT, open_session

if TYPE_CHECKING:
    from pathlib import Path

STOPS = 50


@pytest.mark.parametrize("scenario", ["syscalls", "storm", "bugcheck"])
def test_k_shows_the_true_call_chain_at_fifty_random_stops(scenario: str, guest_symbols: Path) -> None:
    seen: set[str] = set()
    traps = 0
    with (
        serve_recorded(scenario, seed=1125) as (address, recorder),
        open_session(address, symbol_path=str(guest_symbols)) as session,
    ):
        session.connect(TIMEOUT)
        for _ in range(STOPS):
            recorder.arm()
            stop = session.go(timeout=TIMEOUT)
            assert stop is not None
            (stack,) = execute(session, "kv")
            assert isinstance(stack, Stack)
            assert [hex(f.return_address) for f in stack] == [hex(a) for a in recorder.chain(session.registers.sp)]
            assert stack.note == ""
            assert not any(frame.warning for frame in stack)
            traps += any(frame.trap_frame is not None for frame in stack)
            seen.update(frame.symbol.partition("+")[0] for frame in stack)
    assert len(seen) > 20
    assert traps > 0
