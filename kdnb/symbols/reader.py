"""How memory is asked for, wherever bytes come from a target, a file or a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["MemoryReader", "ReadMemory"]

ReadMemory = Callable[[int, int], bytes]
"""`(address, size) -> bytes`; raises `MemoryReadError` or returns fewer bytes at a hole."""


class MemoryReader(Protocol):
    """Anything with readable memory: a session's cache, its physical memory, a dump."""

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes at `address`; a hole raises `MemoryReadError` with what came before it."""
        ...
