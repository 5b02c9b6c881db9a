"""The interface that targets keep to."""

from __future__ import annotations

import inspect

from kdnb.target.base import Capability, Target
from kdnb.target.live import LiveTarget


def test_a_live_target_has_every_method_with_the_same_parameters() -> None:
    for name, declared in inspect.getmembers(Target, inspect.isfunction):
        if name.startswith("_"):
            continue
        offered = inspect.signature(getattr(LiveTarget, name))
        assert list(offered.parameters) == list(inspect.signature(declared).parameters), name


def test_a_live_target_can_do_everything() -> None:
    assert LiveTarget.capabilities == frozenset(Capability)
