"""How an image's bytes are asked for, wherever they come from: a target, a file or a test."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["ReadMemory"]

ReadMemory = Callable[[int, int], bytes]
"""`(address, size) -> bytes`; raises `MemoryReadError` or returns fewer bytes at a hole."""
