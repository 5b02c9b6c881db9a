"""A session on the simulated machine, in this process: the server runs in a thread, over loopback."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One machine for all tests of commands; each test leaves it stopped."""
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    from kdnb.capture.log import PacketLog
    from kdnb.commands.run import run_breakpoint_commands
    from kdnb.debugger.engine import clock
    from kdnb.debugger.session import Session
    from kdnb.protocol.link import Link, Role
    from kdnb.simulator.guest_symbols import write_symbols
    from kdnb.simulator.machine import Machine
    from kdnb.simulator.serve import Server
    from kdnb.target.live import LiveTarget
    from kdnb.transport.pump import Pump
    from kdnb.transport.registry import listen, open_transport

    symbols = tmp_path_factory.mktemp("symbols")
    write_symbols(symbols)
    machine = Machine("idle")
    machine.boot()
    listener = listen("tcp:127.0.0.1:0")
    server = Server(machine, listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    log = PacketLog()
    with contextlib.closing(Pump(open_transport(listener.address), Link(Role.HOST), log.record)) as pump:
        target = LiveTarget(pump, clock=clock)
        session = Session(target, clock=clock, log=log, run_commands=run_breakpoint_commands, symbol_path=str(symbols))
        session.connect(30.0)
        yield session
        session.detach()
    server.close()
    thread.join(10)
    listener.close()


@pytest.fixture
def session(simulated: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The machine stopped, without breakpoints, with the settings of a new session, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    yield simulated
    if simulated.is_running:
        simulated.break_in()
    simulated.breakpoints.remove([breakpoint.number for breakpoint in simulated.breakpoints])
    simulated.scope.reset()
    simulated.address_space.choose(None)
    simulated.options.clear()
    simulated.positions.clear()
    simulated.radix = 16
    simulated.read_only = False
    if simulated.current_processor != 0:
        simulated.switch_processor(0)
