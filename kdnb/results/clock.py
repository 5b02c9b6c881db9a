"""The target's clock."""

from __future__ import annotations

from dataclasses import dataclass

from kdnb.results.base import Result

__all__ = ["TargetTime"]


@dataclass(frozen=True, slots=True, repr=False)
class TargetTime(Result):
    """`.time`: all in units of 100 ns."""

    system_time: int
    """Since 1601, UTC; 0 where the target keeps none."""
    uptime: int
    zone_bias: int
    """What local time lacks to UTC."""
