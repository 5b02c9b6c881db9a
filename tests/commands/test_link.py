"""`.restart` and `.link`."""

from __future__ import annotations

import pytest

import kdnb
from kdnb.errors import CommandError


def test_the_line_is_opened_anew_and_counted():
    with kdnb.connect("sim:", timeout=30) as kd:
        before = kd.stop
        (stop,) = kd.execute(".restart")
        assert stop.reason == "break"
        with pytest.raises(kdnb.errors.StaleError):
            kd.require_current(before)
        (counters,) = kd.execute(".link")
        assert "retransmitted    0" in str(counters)
        with pytest.raises(CommandError, match="takes seconds"):
            kd.execute(".restart now")
