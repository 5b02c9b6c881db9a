"""Ctrl-C put off: heard between any two steps, raised when they are done."""

from __future__ import annotations

import signal
import threading

import pytest

from kdnb.debugger.interrupts import Deferred
from kdnb.transport.signals import interrupt_main_thread


def interrupt(heard: list[int], count: int) -> None:
    """Ctrl-C, and the wait for what it does."""
    interrupt_main_thread()
    while len(heard) < count:
        threading.Event().wait(0.01)


def test_an_interrupt_is_heard_once_in_the_block_and_raised_behind_it() -> None:
    heard: list[int] = []
    deferred = Deferred(lambda: heard.append(1))
    before = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        with deferred:
            interrupt(heard, 1)
            signal.raise_signal(signal.SIGINT)
            heard.append(2)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert heard == [1, 2]
    assert signal.getsignal(signal.SIGINT) is before
    with deferred:
        pass  # the one before is forgotten


def test_an_error_of_the_block_goes_before_the_interrupt() -> None:
    heard: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def failing() -> None:
        with Deferred(lambda: heard.append(1)):
            interrupt(heard, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_leave_the_handler_alone() -> None:
    found: list[object] = []

    def enter() -> None:
        with Deferred(lambda: None):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_an_ignored_interrupt_stays_ignored() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Deferred(lambda: heard.append(1)):
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == []
