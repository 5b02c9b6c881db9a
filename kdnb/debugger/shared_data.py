"""KUSER_SHARED_DATA: the page that the kernel shares with all processes. Its address never changed (public headers)."""

from __future__ import annotations

__all__ = ["SHARED_DATA", "USER_SHARED_DATA"]

SHARED_DATA = {8: 0xFFFF_F780_0000_0000, 4: 0xFFDF_0000}
"""Where the kernel writes it, by pointer size."""
USER_SHARED_DATA = 0x7FFE_0000
"""Where processes read it."""
