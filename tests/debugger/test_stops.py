"""What a stop says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.stops import Cause, bugcheck_parameters, bugcheck_text, describe, load_details

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_break_in_tells_place_processor_and_instruction(session: Session) -> None:
    stop = session.stop
    assert stop is not None
    assert (stop.code, stop.first_chance, stop.processor_count, stop.sequence) == (0x80000003, True, 2, 1)
    assert stop.instruction is not None
    assert stop.instruction.label == stop.symbol
    assert stop.to_dict()["reason"] == "break"


def test_without_a_bug_check_there_are_no_parameters(session: Session) -> None:
    assert bugcheck_parameters(session) is None
    assert bugcheck_text(session) == "A fatal system error has occurred."


def test_a_bug_check_is_named_with_its_parameters(session: Session) -> None:
    session.execution.crash()
    values = bugcheck_parameters(session)
    assert values is not None
    assert values[0] == 0xE2
    assert "MANUALLY_INITIATED_CRASH" in bugcheck_text(session)


def test_a_step_carries_the_code_of_one_even_where_nothing_ran(session: Session) -> None:
    assert session.change is not None
    assert describe(session, session.change, Cause("step")).code == 0x80000004


def test_paths_of_a_target_are_cleaned() -> None:
    assert load_details("a\x1b.sys", 0x1000, 0x200, unload=False) == "Loaded a.sys at 0x1000 (0x200 bytes)"
    assert load_details("a.sys", 0x1000, 0, unload=True) == "Unloaded a.sys at 0x1000"
