"""The engine: one thread, callers that wait in slices, Ctrl-C that is heard."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.engine import Engine
from kdnb.errors import Cancelled, UsageError
from kdnb.transport.signals import interrupt_main_thread
from tests.debugger.simulated import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session
    from kdnb.results.events import LinkStateChange


@pytest.fixture
def engine(session: Session) -> Iterator[Engine]:
    engine = Engine(session)
    yield engine
    engine.close()


def test_calls_run_on_one_thread_in_order_and_give_values_or_errors(engine: Engine) -> None:
    threads = {engine.call(threading.get_ident) for _ in range(5)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    with pytest.raises(ZeroDivisionError):
        engine.call(lambda: 1 // 0)
    assert engine.call(engine.call, lambda: "inside") == "inside"


def test_calls_in_a_row_at_a_stop_need_not_wake_who_listens_to_the_target(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdnb.debugger.engine.LINGER", TIMEOUT)
    wakes: list[int] = []
    monkeypatch.setattr(engine.session.target, "wake", lambda: wakes.append(1))
    engine.call(lambda: None)
    calls = 1
    while not wakes or len(wakes) == calls:
        assert calls < 1000, "every call woke the listener"
        engine.call(lambda: None)
        calls += 1


def test_ctrl_c_while_the_target_runs_breaks_in(engine: Engine) -> None:
    session = engine.session

    @session.events.on_state
    def when_running(state: LinkStateChange) -> None:
        if state.state == "running":
            session.events.on_state.remove(when_running)
            interrupt_main_thread()

    stop = engine.run(session.go)
    assert stop is not None
    assert stop.requested


def test_ctrl_c_is_raised_again_when_the_call_ends_as_if_nothing_had_been(engine: Engine) -> None:
    with pytest.raises(KeyboardInterrupt):
        engine.call(_interrupt_main_until_heard, engine.session)
    with pytest.raises(KeyboardInterrupt):
        engine.run(_interrupt_main_until_heard, engine.session)
    assert engine.call(lambda: 5) == 5


def _interrupt_main_until_heard(session: Session) -> None:
    """Two signals that come before the main thread runs would be one interrupt."""
    interrupt_main_thread()
    while not session.cancel_requested():
        threading.Event().wait(0.01)


def test_ctrl_c_cancels_a_long_command(engine: Engine) -> None:
    session = engine.session
    started = threading.Event()

    def long() -> None:
        started.set()
        interrupt_main_thread()
        while True:
            session.memory.read(session.modules["nt"].base, 0x10)

    with pytest.raises(Cancelled):
        engine.call(long)
    assert engine.call(session.memory.read, session.modules["nt"].base, 2) == b"MZ"


def test_a_second_ctrl_c_gives_up_and_the_session_stays_usable(engine: Engine) -> None:
    release = threading.Event()

    def stuck() -> None:
        _interrupt_main_until_heard(engine.session)
        interrupt_main_thread()
        release.wait(TIMEOUT)

    with pytest.raises(Cancelled, match="gave up waiting"):
        engine.call(stuck)
    release.set()
    assert engine.call(lambda: 5) == 5


def test_a_closed_engine_refuses_with_a_hint(session: Session) -> None:
    engine = Engine(session)
    engine.close()
    with pytest.raises(UsageError, match="connect again"):
        engine.call(lambda: 1)


def test_interrupts_at_any_moment_neither_hang_nor_run_a_call_twice(engine: Engine) -> None:
    """A loop of short calls is interrupted again and again: each time at another step of the waiting."""
    done: list[int] = []
    asked = interrupts = 0
    while interrupts < 60:
        sender = threading.Timer(0.002 + interrupts / 50_000, interrupt_main_thread)
        try:
            sender.start()  # on a busy machine it waits for the thread longer than the timer takes
            while True:
                asked += 1
                engine.call(done.append, asked)
        except (KeyboardInterrupt, Cancelled):
            interrupts += 1
        sender.join()
    engine.call(lambda: None)
    assert len(done) == len(set(done))
    assert done == sorted(done)
