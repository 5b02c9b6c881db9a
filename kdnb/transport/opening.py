"""Opening a line on a thread of its own: a host that doesn't answer takes seconds, and nobody has to wait for them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kdnb.errors import ConnectError, KdnbError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.transport.pump import Pump

__all__ = ["Opening"]


class Opening:
    """One attempt, under way from the start. Who asked for it takes what came of it, or abandons it."""

    def __init__(self, open_line: Callable[[], Pump]) -> None:
        self._open_line = open_line
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._abandoned = False
        self._pump: Pump | None = None
        self._error: KdnbError | None = None
        threading.Thread(target=self._run, name="kdnb opening", daemon=True).start()

    def wait(self, timeout: float) -> bool:
        """True once the attempt has ended, well or badly."""
        return self._ended.wait(timeout)

    def take(self) -> Pump:
        """The open line, not started; its owner is the caller. Raises what went wrong; ask only when it has ended."""
        if self._error is not None:
            raise self._error
        assert self._pump is not None
        pump, self._pump = self._pump, None
        return pump

    def abandon(self) -> None:
        """Nobody wants the line any more: it is closed as soon as it is open."""
        with self._lock:
            self._abandoned = True
            pump, self._pump = self._pump, None
        if pump is not None:
            pump.close()

    def _run(self) -> None:
        try:
            pump = self._open_line()
        except KdnbError as error:
            self._error = error
        except Exception as error:  # a driver failed in a way nobody foresaw; whoever takes the line hears of it
            self._error = ConnectError(f"the line can't be opened: {type(error).__name__}: {error}")
        else:
            with self._lock:
                self._pump = None if self._abandoned else pump
            if self._pump is None:
                pump.close()
        self._ended.set()
