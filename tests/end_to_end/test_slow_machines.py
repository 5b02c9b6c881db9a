"""Whole sessions on machines and lines that are slow by turns, in virtual time: what the session believes is true."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from kdnb.simulator.guest_symbols import write_symbols
from kdnb.simulator.machine import Machine
from tests.debugger.virtual_machine import VirtualMachine, virtual_session

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

TIMEOUT = 60.0
PLACE = "nt!NtReadFile"


@pytest.fixture(scope="module")
def symbols(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("symbols")
    write_symbols(folder)
    return str(folder)


class Bench:
    """One session; each method is something that a user or a bad moment does."""

    def __init__(self, seed: int, symbols: str) -> None:
        self.random = random.Random(seed)
        machine = Machine("idle")
        machine.boot()
        latency, tick = self.random.choice([0.001, 0.02, 0.2, 0.45]), self.random.choice([0.005, 0.02])
        self.pump = VirtualMachine(machine, latency=latency, tick=tick)
        self.session: Session = virtual_session(self.pump, symbol_path=symbols)
        self.session.connect(TIMEOUT)

    def go(self) -> None:
        if not self.session.is_running:
            stop = self.session.go(timeout=self.random.choice([0.2, 1.0]))
            assert stop is None or stop.breakpoints, f"a stop that nobody asked for: {stop}"

    def step(self) -> None:
        if not self.session.is_running:
            assert self.session.step().reason in ("step", "breakpoint")

    def stop(self) -> None:
        assert self.session.break_in(TIMEOUT) is self.session.stop

    def look(self) -> None:
        if not self.session.is_running:
            assert self.session.memory.read(self.session.modules["nt"].base, 0x300)[:2] == b"MZ"

    def toggle_breakpoint(self) -> None:
        if not self.session.is_running:
            self.session.breakpoints.remove(0) if len(self.session.breakpoints) else self.session.breakpoints.add(PLACE)

    def fall_asleep(self) -> None:
        start = self.pump.clock.now + self.random.random()
        self.pump.asleep.append((start, start + self.random.choice([0.1, 1.0, 3.0])))

    def break_in_too_many(self) -> None:
        """As one of connecting that came late."""
        if not self.session.is_running:
            self.session.break_ins.hold_off(0.0)
            self.session._break.set()
            self.session.break_ins.send_if_wanted()
            self.session.clear_break()
            self.pump.let_pass(self.random.choice([0.0, 0.05, 0.15, 0.4, 1.0]))

    def wait(self, seconds: float) -> None:
        end = self.pump.clock.now + seconds
        while self.pump.clock.now < end:
            self.session.execution.serve(0.1)


ACTIONS = (
    Bench.go,
    Bench.go,
    Bench.step,
    Bench.stop,
    Bench.look,
    Bench.toggle_breakpoint,
    Bench.fall_asleep,
    Bench.break_in_too_many,
)


@pytest.mark.parametrize("seed", [3, 14, 27, 41, 59, 1079])
def test_the_session_knows_whether_its_target_runs(seed: int, symbols: str) -> None:
    bench = Bench(seed, symbols)
    for _ in range(12):
        bench.random.choice(ACTIONS)(bench)
    bench.wait(6.0)
    assert bench.session.is_running == bench.pump.stub.is_running
    bench.stop()
    bench.look()
