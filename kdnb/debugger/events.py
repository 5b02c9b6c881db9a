"""Callbacks for what a target does of itself.

They run on the engine's thread, in the order of the events. An exception in a callback is logged, kept in `failures`
and never reaches the engine: a broken callback must not leave a machine frozen. Nor can one let the target run: the
engine is in the middle of telling what the target did before.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.results.events import DebugPrint, LinkStateChange, ModuleEvent, Stop

__all__ = ["Events", "Subscribers"]

T = TypeVar("T")
FAILURES_KEPT = 20

_log = logging.getLogger("kdnb")


class Subscribers(Generic[T]):
    """The callbacks for one kind of event. Usable as a decorator: `@kd.events.on_stop`."""

    def __init__(self, events: Events, name: str) -> None:
        self._callbacks: list[Callable[[T], object]] = []
        self._events = events
        self._name = name

    def __repr__(self) -> str:
        return f"<kd.events.{self._name}: {len(self._callbacks)} callbacks>"

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
                with self._events.calling():
                    callback(event)
            except Exception as error:  # a user's code: anything can come
                self._events.failures.append(error)
                _log.error("a callback of kd.events.%s failed", self._name, exc_info=error)


class Events:
    """What can be listened to."""

    def __init__(self) -> None:
        self.failures: deque[Exception] = deque(maxlen=FAILURES_KEPT)
        """The last exceptions that callbacks raised."""
        self.in_callback = False
        """A user's function runs on the engine's thread now."""
        self.on_stop: Subscribers[Stop] = Subscribers(self, "on_stop")
        self.on_print: Subscribers[DebugPrint] = Subscribers(self, "on_print")
        self.on_module: Subscribers[ModuleEvent] = Subscribers(self, "on_module")
        self.on_state: Subscribers[LinkStateChange] = Subscribers(self, "on_state")

    def __repr__(self) -> str:
        return "<kd.events: on_stop, on_print, on_module, on_state>"

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Around the call of a user's function."""
        before, self.in_callback = self.in_callback, True
        try:
            yield
        finally:
            self.in_callback = before
