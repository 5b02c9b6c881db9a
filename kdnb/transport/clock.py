"""The wall clock that packets are stamped with."""

from __future__ import annotations

import sys
import time

__all__ = ["wall_time_ns"]

wall_time_ns = time.time_ns
"""Nanoseconds since 1970, in steps well below a round trip on the wire."""

if sys.platform == "win32" and sys.version_info < (3, 13):  # its clock moves every 15.6 ms, as Windows' coarse one does
    import ctypes

    _EPOCH = 116_444_736_000_000_000
    """1970 as a FILETIME: units of 100 ns since 1601."""
    _read_clock = ctypes.WinDLL("kernel32").GetSystemTimePreciseAsFileTime
    _read_clock.argtypes, _read_clock.restype = (ctypes.POINTER(ctypes.c_uint64),), None

    def wall_time_ns() -> int:
        now = ctypes.c_uint64()
        _read_clock(now)
        return (now.value - _EPOCH) * 100
