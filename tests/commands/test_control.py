"""Control flow on the simulated machine (command reference, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import Runner, execute
from kdnb.errors import Cancelled, CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def shown(session: Session, command: str) -> list[str]:
    return [text for result in execute(session, command) if (text := to_text(result))]


def test_the_loop_of_the_reference(session: Session) -> None:
    loop = "r $t0=0; .for (r $t1=0; @$t1 < 5; r $t1=@$t1+1) { r $t0 = @$t0 + dwo(@rsp + 4*@$t1) }; ? @$t0"
    total = sum(session.memory.read_u32(session.registers.sp + 4 * index) for index in range(5))
    assert shown(session, loop) == [f"Evaluate expression: {total} = 00000000`{total:08x}"] or total >> 32


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (".if (1) { .echo a; .echo b } .else { .echo c }", ["a", "b"]),
        (".if (0) { .echo a } .elsif (1) { .echo b } .else { .echo c }", ["b"]),
        (".if (0) { .echo a } .elsif (0) { .echo b } .else { .echo c }; .echo d", ["c", "d"]),
        (".if @rsp == 0 { .echo a } .else { .echo c }", ["c"]),
        (".if ((1) & (1)) { .if (0) { .echo a } .else { .echo b } }", ["b"]),
        (".if(1){.echo a}", ["a"]),
        ("r $t0=3; .while (@$t0) { .echo x; r $t0=@$t0-1 }", ["x", "x", "x"]),
        (".do { .echo x } (0)", ["x"]),
        (".for (r $t0=0; 1; r $t0=@$t0+1) { .if (@$t0 == 2) { .break }; .echo x }", ["x", "x"]),
        (".for (r $t0=0; @$t0<3; r $t0=@$t0+1) { .if (@$t0 == 1) { .continue }; .echo x }", ["x", "x"]),
        (".catch { .echo a; .leave; .echo b }; .echo c", ["a", "c"]),
        (".block { .echo a } ; .echo b", ["a", "b"]),
        (
            '.foreach /s (w "a b") { .echo <w>; .echo w; .echo x${w} }',
            ["<w>", "a", "xa", "<w>", "b", "xb"],
        ),
        ('.foreach /pS 1 /ps 1 /s (w "a b c d e") { .echo w }', ["b", "d"]),
        ("j (1) '.echo a; .echo b' ; '.echo c'", ["a", "b"]),
        ("j (0) '.echo a' ; '.echo c'", ["c"]),
        ("j (0) '.echo a'", []),
        ("r $t0=0\n.echo x; r $t0=@$t0+1; z(@$t0 < 3)", ["x", "x", "x"]),
        (".if (1)\n{\n  .echo a\n  .echo b\n}\n.else\n{\n .echo c\n}\n.echo d", ["a", "b", "d"]),
    ],
)
def test_blocks_give_the_values_of_what_ran(session: Session, command: str, expected: list[str]) -> None:
    assert shown(session, command) == expected


def test_a_caught_failure_is_shown_and_the_list_goes_on(session: Session) -> None:
    first, second = shown(session, ".catch { ? poi(0); .echo no }; .echo yes")
    assert first.startswith("Memory access error")
    assert second == "yes"


def test_a_failure_in_a_block_keeps_what_ran_before_it(session: Session) -> None:
    with pytest.raises(CommandError, match="Memory access error") as caught:
        execute(session, ".echo a; .if (1) { .echo b; ? poi(0); .echo c }; .echo d")
    assert [to_text(result) for result in caught.value.results] == ["a", "b"]  # type: ignore[arg-type]  # results


@pytest.mark.parametrize(
    "command",
    [
        ".if (1)",
        ".if (1) { .echo a",
        ".break",
        ".for (1) { k }",
        ".while",
        ".if (nosuch!x) { k }",
        ".else { k }",
        ".do { k }",
    ],
)
def test_a_broken_block_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError) as caught:
        execute(session, command)
    assert len(str(caught.value).splitlines()) == 1


def test_an_endless_loop_can_be_stopped(session: Session) -> None:
    values = Runner(session).run(".while (1) { .echo x }")
    assert [to_text(next(values)) for _ in range(5)] == ["x"] * 5
    session.request_cancel()
    with pytest.raises(Cancelled):
        next(values)
    session.clear_cancel()


def test_a_conditional_breakpoint_goes_on_where_its_condition_fails(session: Session) -> None:
    execute(session, 'r $t0=0; bp nt!KeUpdateSystemTime "r $t0=@$t0+1; .if (@$t0 == 3) { .echo third } .else { gc }"')
    execute(session, "g")
    assert session.variables["t0"] == 3
