"""Signals end a server, and what handled them before does so again afterwards."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from kdnb.transport.signals import closed_by_signals, interrupt_main_thread
from tests.systems import ON_WINDOWS

PATIENCE = 60.0
NAMES = ["SIGINT", "SIGTERM", *(["SIGBREAK"] if ON_WINDOWS else [])]


@pytest.mark.parametrize("name", NAMES)
def test_what_ends_a_program_closes_and_is_given_back(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    closed = []
    with closed_by_signals(lambda: closed.append(1)):
        signal.raise_signal(number)
    assert closed == [1]
    assert signal.getsignal(number) == before


def test_off_the_main_thread_nothing_changes():
    found = []

    def run():
        with closed_by_signals(lambda: None):
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [before]


def test_an_interrupt_from_a_thread_ends_a_wait_of_the_main_one():
    timer = threading.Timer(0.05, interrupt_main_thread)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come as soon as the timer runs
        timer.start()
        time.sleep(PATIENCE)  # noqa: TID251  # the very wait that is to end
    timer.join()
    assert time.monotonic() - begin < PATIENCE
