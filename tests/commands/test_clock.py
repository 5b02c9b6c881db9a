"""`.time` and `.sleep` on the simulated machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import Cancelled, CommandError
from kdnb.render.text import to_text
from kdnb.results.clock import TargetTime

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

DAY = 86400 * 10_000_000
TARGET_DATE = 132_000_000_000_000_000


def test_the_target_tells_its_time_and_how_long_it_is_up(session: Session) -> None:
    (first,) = execute(session, ".time")
    assert isinstance(first, TargetTime)
    assert first.uptime == int.from_bytes(session.memory.read(0xFFFFF78000000008, 8), "little")
    lines = to_text(first).split("\n")
    assert lines[0].startswith("Debug session time: ")
    assert lines[1].startswith("System Uptime: 0 days 0:")


def test_the_time_of_another_zone(session: Session) -> None:
    (east,), (west,) = execute(session, ".time -h 5"), execute(session, ".time -h (-5)")
    assert "(UTC + 5:00)" in to_text(east)
    assert "(UTC - 5:00)" in to_text(west)
    with pytest.raises(CommandError, match="Range error"):
        execute(session, ".time -h 100")


def test_the_banner_has_the_time_too(session: Session) -> None:
    lines = to_text(execute(session, "vertarget")[0]).split("\n")
    assert lines[-2:] == to_text(execute(session, ".time")[0]).split("\n")


def test_times_are_shown_with_their_zone_and_days() -> None:
    shown = to_text(TargetTime(TARGET_DATE, 3 * DAY + 36_610_205_000, -5 * 36_000_000_000))
    assert shown == ("Debug session time: Wed Apr 17 23:40:00.000 2019 (UTC + 5:00)\nSystem Uptime: 3 days 1:01:01.020")
    west = to_text(TargetTime(TARGET_DATE, 0, 12_600_000_0000))
    assert "(UTC - 3:30)" in west
    assert "keeps no system time" in to_text(TargetTime(0, 0, 0))


def test_a_sleep_ends_by_itself_or_by_stop(session: Session) -> None:
    assert to_text(execute(session, ".sleep 0")[0]) == ""
    timer = threading.Timer(0.05, session.request_cancel)
    timer.start()
    try:
        with pytest.raises(Cancelled):
            execute(session, ".sleep 100000")
    finally:
        timer.join()
        session.clear_cancel()
    with pytest.raises(CommandError, match="a day at most"):
        execute(session, ".sleep ffffffff")
