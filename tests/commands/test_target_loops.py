"""`!for_each_process`, `!for_each_thread` and `!for_each_frame` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.stack import Frame

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def shown(session: Session, text: str) -> list[str]:
    return [to_text(result) for result in execute(session, text)]


def test_commands_run_for_every_process(session: Session) -> None:
    addresses = [f"{process.address:x}" for process in session.processes.listing()]
    assert shown(session, '!for_each_process ".printf \\"%I64x\\", @#Process; .echo"')[::2] == addresses
    assert len(shown(session, "!for_each_process")) == len(addresses)


def test_commands_run_for_every_thread(session: Session) -> None:
    addresses = [f"0x{thread.address:x}" for each in session.processes.listing(flags=2) for thread in each.threads]
    assert shown(session, "!for_each_thread .echo @#Thread") == addresses
    assert shown(session, "!for_each_thread .echo ${@#Thread}") == addresses
    assert all(text.startswith("THREAD ") for text in shown(session, "!for_each_thread"))


def test_every_frame_is_meanwhile_the_chosen_one(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime; .frame 1")
    found = execute(session, '!for_each_frame "? @$frame"')
    frames = found[::2]
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [int(str(to_text(value)).split(" = ")[1].replace("`", ""), 16) for value in found[1::2]] == list(
        range(len(frames))
    )
    assert session.scope.frame == 1
    assert shown(session, "!for_each_frame") == [to_text(frame) for frame in frames]


def test_a_failing_command_ends_the_loop_and_leaves_the_frame(session: Session) -> None:
    execute(session, "g nt!KeUpdateSystemTime; .frame 1")
    with pytest.raises(CommandError, match="Couldn't resolve"):
        execute(session, "!for_each_frame ? nosuch!name")
    assert session.scope.frame == 1
