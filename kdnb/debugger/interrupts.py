"""Ctrl-C while the main thread is in the engine's place: heard, and never raised between two of its steps."""

from __future__ import annotations

import signal
import threading

# What `signal.getsignal` and `signal.signal` call. Those look each handler up in an enum as well: 10 microseconds in
# all, as much as the change of threads that a look does without.
from _signal import getsignal  # type: ignore[import-not-found]  # typeshed leaves out CPython's inner modules
from _signal import signal as set_handler
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Deferred"]

_MAIN, _SIGINT = threading.main_thread().ident, signal.SIGINT


class Deferred:
    """`with` this, SIGINT calls `heard`, between any two steps of the block, and raises nothing. Not inside itself.

    Whoever would have got it gets it when the block ends, unless that ends by an error: for Python's own handler this
    is the KeyboardInterrupt. Off the main thread, where interrupts are never raised, nothing changes; nor where SIGINT
    is ignored, or has no handler of Python's.
    """

    __slots__ = ("_before", "_came", "_heard")

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._before: Callable[[int, Any], Any] | None = None
        self._came = False

    def __enter__(self) -> None:
        if threading.get_ident() == _MAIN:
            before = getsignal(_SIGINT)
            self._before = before if callable(before) else None
            if self._before is not None:
                self._came = False
                set_handler(_SIGINT, self._note)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if threading.get_ident() == _MAIN:
            before = self._before
            if before is not None:
                set_handler(_SIGINT, before)
                if self._came and kind is None:
                    before(_SIGINT, None)

    def _note(self, _number: int, _frame: object) -> None:
        if not self._came:  # a second one may come while the first is being told
            self._came = True
            self._heard()
