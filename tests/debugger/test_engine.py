"""The engine: one thread, callers that wait in slices, Ctrl-C that is heard."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.engine import Engine
from kdnb.errors import Cancelled, TargetRunningError, UsageError
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


@pytest.fixture
def resting(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that waits for nothing but the next call: looks need not go to its thread."""
    monkeypatch.setattr("kdnb.debugger.engine.LINGER", TIMEOUT)
    engine.call(lambda: None)
    while engine.look(threading.get_ident) != threading.get_ident():
        pass  # the thread had not come to wait yet
    return engine


def test_a_look_runs_on_the_callers_thread_while_the_engine_rests(resting: Engine) -> None:
    assert resting.look(threading.get_ident) == threading.get_ident()
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(resting.look(threading.get_ident)))
    other.start()
    other.join()
    assert found == [other.ident]
    with pytest.raises(ZeroDivisionError):
        resting.look(lambda: 1 // 0)
    assert resting.look(resting.session.memory.read, resting.session.modules["nt"].base, 2) == b"MZ"


def test_a_look_waits_for_its_turn_while_the_engine_is_at_work(engine: Engine) -> None:
    begun, release = threading.Event(), threading.Event()
    order: list[str] = []

    def long() -> None:
        begun.set()
        release.wait(TIMEOUT)
        order.append("long")

    caller = threading.Thread(target=lambda: engine.call(long))
    caller.start()
    begun.wait(TIMEOUT)
    looker = threading.Thread(target=lambda: engine.look(order.append, "look"))
    looker.start()
    release.set()
    caller.join()
    looker.join()
    assert order == ["long", "look"]


def test_the_engine_waits_for_the_end_of_a_look(resting: Engine) -> None:
    begun, release = threading.Event(), threading.Event()
    order: list[str] = []

    def look() -> None:
        begun.set()
        release.wait(TIMEOUT)
        order.append("look")

    looker = threading.Thread(target=lambda: resting.look(look))
    looker.start()
    begun.wait(TIMEOUT)
    caller = threading.Thread(target=lambda: resting.call(order.append, "call"))
    caller.start()
    assert not order
    release.set()
    looker.join()
    caller.join()
    assert order == ["look", "call"]


def test_calls_and_looks_inside_a_look_run_at_once(resting: Engine) -> None:
    def inside() -> list[int]:
        return [resting.call(threading.get_ident), resting.run(threading.get_ident), resting.look(threading.get_ident)]

    assert resting.look(inside) == [threading.get_ident()] * 3


def test_a_call_is_not_kept_waiting_by_looks_in_a_row(resting: Engine) -> None:
    done = threading.Event()
    caller = threading.Thread(target=lambda: resting.call(done.set))
    caller.start()
    while not done.is_set():
        resting.look(lambda: None)
    caller.join()


def test_ctrl_c_in_a_look_ends_it_and_is_raised_behind_it(resting: Engine) -> None:
    before = signal.getsignal(signal.SIGINT)
    session = resting.session
    steps: list[str] = []

    def look() -> None:
        _interrupt_main_until_heard(session)
        steps.append("every step was taken")

    with pytest.raises(KeyboardInterrupt):
        resting.look(look)
    assert steps
    assert signal.getsignal(signal.SIGINT) is before
    assert resting.look(lambda: 5) == 5
    assert not session.cancel_requested()


def test_ctrl_c_wakes_a_look_that_waits_for_the_target(resting: Engine) -> None:
    session = resting.session
    sender = threading.Timer(0.01, interrupt_main_thread)

    def look() -> None:
        sender.start()
        while not session.cancel_requested():
            session.target.wait(TIMEOUT)

    with pytest.raises(KeyboardInterrupt):
        resting.look(look)
    sender.join()


def test_ctrl_c_cancels_a_look_that_goes_on_reading(resting: Engine) -> None:
    session = resting.session
    base = session.modules["nt"].base

    def look() -> None:
        interrupt_main_thread()
        while True:
            session.memory.read(base, 0x10)

    with pytest.raises(Cancelled):
        resting.look(look)
    assert resting.look(session.memory.read, base, 2) == b"MZ"


def test_ctrl_c_in_a_look_goes_to_whoever_handles_it(resting: Engine) -> None:
    heard: list[int] = []

    def handler(number: int, _frame: object) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGINT, handler)
    try:
        resting.look(_interrupt_main_until_heard, resting.session)
        assert heard == [signal.SIGINT]
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        resting.look(interrupt_main_thread)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_a_look_at_a_running_target_or_a_closed_engine_is_refused_as_a_call_is(resting: Engine) -> None:
    session = resting.session
    base = session.modules["nt"].base
    resting.run(session.go, wait=False)
    with pytest.raises(TargetRunningError):
        resting.look(session.memory.read, base, 2)
    resting.run(session.break_in)
    resting.close()
    with pytest.raises(UsageError, match="connect again"):
        resting.look(session.memory.read, base, 2)


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
    """A loop of short calls and looks is interrupted again and again: each time at another of its steps."""
    done: list[int] = []
    asked = interrupts = 0
    while interrupts < 60:
        sender = threading.Timer(0.002 + interrupts / 50_000, interrupt_main_thread)
        try:
            sender.start()  # on a busy machine it waits for the thread longer than the timer takes
            while True:
                asked += 1
                (engine.look if asked % 4 else engine.call)(done.append, asked)
        except (KeyboardInterrupt, Cancelled):
            interrupts += 1
        sender.join()
    engine.call(lambda: None)
    assert len(done) == len(set(done))
    assert done == sorted(done)
