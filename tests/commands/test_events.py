"""Event filters on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.events import LastEvent, Stop
from kdnb.results.filters import EventFilterTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session


def put_text(session: Session, text: str) -> int:
    """A text in the unused end of the kernel's header page."""
    address = session.modules["nt"].base + 0xC00
    session.memory.write(address, text.encode() + b"\0")
    return address


def call_at_break(session: Session, name: str, **registers: int) -> None:
    """Let the guest run `name` next: at a break-in it sits in a function that only returns, so another may do that."""
    session.go(wait=False)
    session.break_in()
    for register, value in registers.items():
        session.registers.set(register, value)
    session.registers.set("rip", session.evaluate(name))


@pytest.fixture(autouse=True)
def defaults(session: Session) -> Iterator[None]:
    session.options["go_timeout"] = 10.0
    yield
    session.filters.reset()


def shown(session: Session, command: str) -> str:
    return "\n".join(filter(None, (to_text(result) for result in execute(session, command))))


def test_the_list_has_events_and_exceptions_with_their_states(session: Session) -> None:
    (table,) = execute(session, "sx")
    assert isinstance(table, EventFilterTable)
    text = to_text(table).split("\n")
    assert "  av - Access violation - break - not handled" in text
    assert "  ii - Illegal instruction - second-chance break - not handled" in text
    assert "  ld - Load module - ignore" in text
    assert table["sse"].handled is True
    assert text[-1] == "   * - Other exception - second-chance break - not handled"
    assert next(iter(table.df["name"])) == "ld"


def test_break_and_handling_states_commands_and_patterns_are_changed(session: Session) -> None:
    execute(session, 'sxe ld:disk*; sxd av; sxe -h dz; sxn c0001234; sx- -c "r" -c2 "k" av')
    assert to_text(session.filters.table()["ld"]) == "  ld - Load module - break (only for disk*)"
    assert to_text(session.filters.table()["av"]).split("\n") == [
        "  av - Access violation - second-chance break - not handled",
        '       Command on break: "r"',
        '       Command on second chance break: "k"',
    ]
    assert session.filters["dz"].handled is True
    assert session.filters["dz"].action == "break"
    assert session.filters["c0001234"].action == "output"
    execute(session, "sxr")
    assert session.filters["av"].action == "break"
    assert session.filters["c0001234"].name == "*"


def test_an_event_without_a_second_chance_is_ignored_by_sxd(session: Session) -> None:
    execute(session, "sxe ld; sxd ld")
    assert session.filters["ld"].action == "ignore"


@pytest.mark.parametrize("command", ["sxe", "sxe nosuch", "sxe -c av", "sxe ld:a b", "sxr x", "sxe 12"])
def test_nonsense_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)


def test_an_int3_in_the_code_is_passed_where_its_filter_ignores_it(session: Session) -> None:
    prints: list[str] = []
    session.events.on_print(lambda event: prints.append(event.text))
    call_at_break(session, "nt!DbgBreakPoint")
    (*_, stop) = execute(session, "sxn bpe; bp /1 nt!KeUpdateRunTime; g")
    assert isinstance(stop, Stop)
    assert stop.breakpoints
    assert "Break instruction exception - code 80000003 (first chance)\n" in prints


def test_commands_of_a_filter_run_at_its_break_and_may_go_on(session: Session) -> None:
    call_at_break(session, "nt!DbgBreakPoint")
    (*_, stop) = execute(session, 'sxe -c "r $t3=77; gc" bpe; bp /1 nt!KeUpdateRunTime; g')
    assert isinstance(stop, Stop)
    assert stop.breakpoints
    assert session.variables["t3"] == 0x77


@pytest.mark.parametrize(("filter", "seen", "stops"), [("sxn out", True, False), ("sxi out:hello", False, False),
                                                       ("sxe out:hello", True, True)])  # fmt: skip
def test_printed_text_is_shown_dropped_or_a_reason_to_stop(
    session: Session, filter: str, seen: bool, stops: bool
) -> None:
    prints: list[str] = []
    session.events.on_print(lambda event: prints.append(event.text))
    execute(session, "ed nt!Kd_DEFAULT_Mask 8")
    call_at_break(session, "nt!DbgPrint", rcx=put_text(session, "hello from here\n"))
    execute(session, f"{filter}; bp /1 nt!KeUpdateRunTime 40")
    (stop,) = execute(session, "g")
    assert isinstance(stop, Stop)
    assert ("hello from here\n" in prints) is seen
    assert (stop.reason == "break") is stops


def test_the_last_event_is_the_last_stop(session: Session) -> None:
    (stop,) = execute(session, "g nt!KeUpdateRunTime")
    assert execute(session, ".lastevent") == [LastEvent(stop)]


def test_g_behind_g_waits_for_the_same_stop(session: Session) -> None:
    execute(session, "bp nt!KeUpdateRunTime; g &")
    (stop,) = execute(session, "g")
    assert isinstance(stop, Stop)
