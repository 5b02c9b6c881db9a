"""Signals end a server, and what handled them before does so again afterwards."""

from __future__ import annotations

import signal
import threading

from kdnb.transport.signals import closed_by_signals


def test_sigint_and_sigterm_close_and_are_given_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    closed = []
    with closed_by_signals(lambda: closed.append(1)):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert closed == [1, 1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


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
