"""Callbacks for what a target does of itself.

They run on the engine's thread, in the order of the events. An exception in a callback is kept in `failures`
and never reaches the engine: a broken callback must not leave a machine frozen.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.results.events import DebugPrint, LinkStateChange, ModuleEvent, Stop

__all__ = ["Events", "Subscribers"]

T = TypeVar("T")
FAILURES_KEPT = 20


class Subscribers(Generic[T]):
    """The callbacks for one kind of event. Usable as a decorator: `@kd.events.on_stop`."""

    def __init__(self, failures: deque[Exception]) -> None:
        self._callbacks: list[Callable[[T], object]] = []
        self._failures = failures

    def __call__(self, callback: Callable[[T], object]) -> Callable[[T], object]:
        """Call `callback` with every further event; gives the callback back."""
        self._callbacks.append(callback)
        return callback

    def remove(self, callback: Callable[[T], object]) -> None:
        """Stop calling `callback`; unknown ones are ignored."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def publish(self, event: T) -> None:
        for callback in tuple(self._callbacks):
            try:
                callback(event)
            except Exception as error:  # a user's code: anything can come
                self._failures.append(error)


class Events:
    """What can be listened to."""

    def __init__(self) -> None:
        self.failures: deque[Exception] = deque(maxlen=FAILURES_KEPT)
        """The last exceptions that callbacks raised."""
        self.on_stop: Subscribers[Stop] = Subscribers(self.failures)
        self.on_print: Subscribers[DebugPrint] = Subscribers(self.failures)
        self.on_module: Subscribers[ModuleEvent] = Subscribers(self.failures)
        self.on_state: Subscribers[LinkStateChange] = Subscribers(self.failures)
