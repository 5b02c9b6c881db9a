"""Bad input gives one clear line: any arguments behind any command that neither runs the target nor endangers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdnb.commands.declare import declared_commands
from kdnb.commands.run import execute
from kdnb.errors import KdnbError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

LEFT_OUT = frozenset(".sympath .sympath+ .symfix .symfix+ ld !sym n x .reload .while .for .do".split())
"""Those that change settings, load every symbol, or loop as long as they are told."""
HARMLESS = [
    name
    for declared in declared_commands()
    if not (declared.resumes or declared.dangerous or declared.touches_host)
    for name in declared.names
    if name not in LEFT_OUT
]
PIECES = st.sampled_from(
    [
        *(
            "nt",
            "nt!KeBugCheckEx",
            "@rsp",
            "rax",
            "$t0",
            "0",
            "1",
            "ff",
            "ffffffffffffffff",
            "-1",
            ".",
            "*",
            "?",
            "a",
            "m",
        ),
        *(
            "L",
            "L4",
            "L-4",
            "L?4",
            "l",
            "/c",
            "/c8",
            "/p",
            "/1",
            "/f",
            "-",
            "-a",
            "-[1]d",
            "=",
            "==",
            "(",
            ")",
            "+",
            ",",
        ),
        *(
            '"',
            '"k"',
            "'x'",
            "poi",
            "poi(",
            "by(0)",
            "w4",
            "e1",
            "1-3",
            "ld",
            "0s",
            "{",
            "}",
            "`",
            "@@(",
            "$scmp(",
            "\t",
        ),
    ]
)
ARGUMENTS = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=5)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=st.sampled_from(HARMLESS), pieces=ARGUMENTS, space=st.sampled_from(["", " "]))
def test_any_arguments_give_a_value_or_one_clear_line(
    session: Session, name: str, pieces: list[str], space: str
) -> None:
    command = f"{name}{space}{space.join(pieces)}"
    command = " ".join(command.splitlines())
    message = "a value"
    try:
        for result in execute(session, command):
            to_text(result, limit=100)
    except KdnbError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    session.breakpoints.remove([breakpoint.number for breakpoint in session.breakpoints])
    assert not session.is_running
