"""`k` wherever the machine happens to be, against the chain that its calls and interrupts really made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.protocol.constants import MachineType
from kdnb.results.stack import Stack
from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.recorded_guest import Recorder, serve_recorded
from tests.debugger.simulated import TIMEOUT, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

STOPS = 50
PROLOG_AND_BODY, WAY_OUT = 40, 12

machines = pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])


@pytest.fixture
def symbols(architecture: Architecture, tmp_path: Path) -> str:
    write_symbols(tmp_path, architecture)
    return str(tmp_path)


def checked_stack(session: Session, recorder: Recorder) -> Stack:
    """The stack by `kv`, which is the true one and no guess, or ends with a word where nobody knows how it goes on."""
    if session.processes.current() == session.processes.find("notepad.exe") and session.machine == MachineType.AMD64:
        execute(session, ".reload /user")
    (stack,) = execute(session, "kv")
    assert isinstance(stack, Stack)
    where = session.symbols.format(session.registers.pc)
    found = [hex(f.return_address) for f in stack]
    chain = recorder.chain(session.registers.sp, session.memory.read_pointer)
    assert found == [hex(a) for a in chain], where
    assert stack.note == "" or recorder.is_entering(session.registers.sp), where
    assert not any(frame.warning for frame in stack), where
    return stack


@machines
@pytest.mark.parametrize("scenario", ["syscalls", "storm", "bugcheck"])
def test_k_shows_the_true_call_chain_at_fifty_random_stops(
    scenario: str, architecture: Architecture, symbols: str
) -> None:
    seen: set[str] = set()
    traps = 0
    with (
        serve_recorded(scenario, 1125, architecture) as (address, recorder),
        open_session(address, symbol_path=symbols) as session,
    ):
        session.connect(TIMEOUT)
        for _ in range(STOPS):
            recorder.arm()
            assert session.go(timeout=TIMEOUT) is not None
            stack = checked_stack(session, recorder)
            traps += any(frame.trap_frame is not None for frame in stack)
            seen.update(frame.symbol.partition("+")[0] for frame in stack)
    assert len(seen) > 20
    assert traps > 0


@pytest.mark.parametrize(
    ("architecture", "place", "instructions"),
    [
        pytest.param(AMD64, "nt!KiClockInterrupt", PROLOG_AND_BODY, id="interrupt-amd64"),
        pytest.param(X86, "nt!KiClockInterrupt", PROLOG_AND_BODY, id="interrupt-x86"),
        pytest.param(AMD64, "nt!KiExceptionExit", WAY_OUT, id="exit-amd64"),
        pytest.param(X86, "nt!KiExceptionExit", WAY_OUT, id="exit-x86"),
        pytest.param(AMD64, "nt!KiSystemCall64", PROLOG_AND_BODY, id="system-call-amd64"),
    ],
)
def test_k_shows_the_true_call_chain_at_each_instruction_of_a_trap(
    place: str, instructions: int, architecture: Architecture, symbols: str
) -> None:
    with (
        serve_recorded("idle", 1125, architecture) as (address, recorder),
        open_session(address, symbol_path=symbols) as session,
    ):
        session.connect(TIMEOUT)
        assert session.go(until=session.evaluate(place), timeout=TIMEOUT) is not None
        for _ in range(instructions):
            checked_stack(session, recorder)
            recorder.arm(1)
            assert session.go(timeout=TIMEOUT) is not None
