"""What is done before the target is let go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import Api

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def sent(session: Session, start: int) -> list[str]:
    """APIs of the requests since row `start` of the log."""
    frame = session.log.packets().iloc[start:]  # type: ignore[union-attr]  # the fixture's session has a log
    return list(frame[(frame.direction == "to_target") & (frame.type == "STATE_MANIPULATE")].api)


def test_a_resume_passes_the_int3_inserts_breakpoints_and_continues(session: Session) -> None:
    session.breakpoints.add("nt!NtDelayExecution")
    start = len(session.log.packets())  # type: ignore[union-attr]  # as above
    session.go(timeout=30)
    requests = [Api.SetContext, Api.WriteBreakPoint, Api.Continue2, Api.RestoreBreakPoint]
    assert sent(session, start) == [request.name for request in requests]


def test_going_on_from_a_breakpoint_traces_over_it_first(session: Session) -> None:
    session.breakpoints.add("nt!NtDelayExecution")
    session.go(timeout=30)
    start = len(session.log.packets())  # type: ignore[union-attr]  # as above
    session.go(timeout=30)
    requests = [Api.Continue2, Api.WriteBreakPoint, Api.Continue2, Api.RestoreBreakPoint]
    assert sent(session, start) == [request.name for request in requests]
