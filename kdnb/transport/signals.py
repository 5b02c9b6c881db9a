"""Signals: what ends a server that runs in the main thread, and Ctrl-C from within the program."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["closed_by_signals", "interrupt_main_thread"]

_ENDING = [signal.SIGINT, signal.SIGTERM]
if sys.platform == "win32":
    _ENDING.append(signal.SIGBREAK)  # Ctrl+Break: what a parent can send to a process group of its own


@contextlib.contextmanager
def closed_by_signals(close: Callable[[], None]) -> Iterator[None]:
    """Such signals call `close`; off the main thread, where Python allows no handlers, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, lambda *_: close()) for number in _ENDING]
    try:
        yield
    finally:
        for number, handler in zip(_ENDING, before, strict=True):
            signal.signal(number, handler)


def interrupt_main_thread() -> None:
    """Ctrl-C from within, from any thread: raises KeyboardInterrupt in the main one.

    A real signal, since it also ends a system call that waits, such as `time.sleep`.
    """
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)  # whichever thread raises it there, it is the main thread's
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
