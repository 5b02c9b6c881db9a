"""Callbacks."""

from __future__ import annotations

from kdnb.debugger.events import FAILURES_KEPT, Events
from kdnb.results.events import DebugPrint


def test_callbacks_get_events_in_order_until_they_are_removed() -> None:
    events, seen = Events(), []
    callback = events.on_print(seen.append)
    events.on_print.publish(DebugPrint("one"))
    events.on_print.publish(DebugPrint("two"))
    events.on_print.remove(callback)
    events.on_print.remove(callback)
    events.on_print.publish(DebugPrint("three"))
    assert [event.text for event in seen] == ["one", "two"]


def test_a_failing_callback_hinders_no_other_and_failures_are_bounded() -> None:
    events, seen = Events(), []

    @events.on_print
    def broken(event: DebugPrint) -> None:
        raise ValueError(event.text)

    events.on_print(seen.append)
    for number in range(FAILURES_KEPT + 5):
        events.on_print.publish(DebugPrint(str(number)))
    assert len(seen) == FAILURES_KEPT + 5
    assert len(events.failures) == FAILURES_KEPT
