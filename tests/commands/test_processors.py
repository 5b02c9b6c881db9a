"""`~` on the simulated machine with its two processors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.processors import ProcessorStates

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def text(session: Session, command: str) -> str:
    return "\n".join(filter(None, (to_text(result) for result in execute(session, command))))


def test_all_processors_are_listed_with_the_current_one_marked(session: Session) -> None:
    (states,) = execute(session, "~")
    assert isinstance(states, ProcessorStates)
    assert [state.is_current for state in states] == [True, False]
    assert states[0].instruction_pointer == session.registers.pc
    assert states[1].instruction_pointer == session.registers.get("rip", 1)
    first, second = to_text(states).split("\n")
    assert first.startswith(".  0  fffff800`")
    assert second.startswith("   1  fffff800`")
    assert len(states.df) == 2
    assert to_text(execute(session, "~1")[0]) == second
    assert to_text(execute(session, "~.")[0]) == first


def test_a_command_can_be_run_for_one_or_for_each(session: Session) -> None:
    own = text(session, "r rip")
    other = text(session, "1r rip")
    assert text(session, "~1r rip") == text(session, "~1 r rip") == other
    assert text(session, "~.r rip") == text(session, "~0 r rip") == own
    assert text(session, "~*r rip").split("\n") == ["Processor 0:", own, "Processor 1:", other]
    assert text(session, "~*k 1").count("Child-SP") == 2


def test_e_takes_the_rest_of_the_line(session: Session) -> None:
    lines = text(session, "~*e r rip; ? @rip").split("\n")
    assert len(lines) == 6
    assert lines[2].endswith(f"{session.registers.get('rip') & 0xFFFFFFFF:08x}")
    assert lines[5].endswith(f"{session.registers.get('rip', 1) & 0xFFFFFFFF:08x}")
    assert session.current_processor == 0


def test_switching_stays(session: Session) -> None:
    execute(session, "~1s")
    assert session.current_processor == 1
    assert text(session, "~").split("\n")[1].startswith(".  1  ")


def test_looking_at_another_processor_forgets_no_event(session: Session) -> None:
    execute(session, "p")  # an event of this processor
    event = session.last_stop
    before = text(session, ".exr -1; .lastevent")
    assert text(session, "1k 1; .exr -1; .lastevent").endswith(before)
    assert session.stop is session.last_stop is event
    execute(session, "~1s")
    assert text(session, ".exr -1; .lastevent") == before
    assert session.stop is not event
    execute(session, "~0s")
    assert session.stop is event


@pytest.mark.parametrize("command", ["~9", "~9s", "~*s", "~x", "~1f", "~*r rax=5", "~*g", "~1 nosuch"])
def test_what_cannot_be_is_one_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError) as error:
        execute(session, command)
    assert "\n" not in error.value.message
    assert session.current_processor == 0
