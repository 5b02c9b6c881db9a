"""Bad input gives one clear line: any arguments behind any command that neither runs the target nor endangers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdnb.commands.declare import declared_commands
from kdnb.commands.run import execute
from kdnb.errors import CommandError, KdnbError
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


@pytest.mark.parametrize(
    "text",
    [
        ".crash now",
        ".bugcheck 5",
        "vertarget x",
        "rF x",
        "rM 2 x",
        "rm a x",
        "bm nt!KeBugCheck* 1 x",
        ".exr 1000 x",
        "k 5 x",
        "kd 4 (",
        ".kframes 5 x",
        ".lines -q",
        ".symopt+ 10 x",
        ".expr /s c++ x",
        ".logclose x",
        "!gflag 5 x",
        ".reload nt nt",
        "!sym noisy x",
        "dv /tq",
        ".time -h 500",
        "!address",
        "!process /q",
        "bp[5 nt",
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent_or_changed(session: Session, text: str) -> None:
    execute(session, "r")  # what expressions may ask is cached
    sent, stop, options = session.target.statistics.sent, session.stop, dict(session.options)
    with pytest.raises(CommandError) as caught:
        execute(session, text)
    assert "\n" not in str(caught.value)
    assert session.target.statistics.sent == sent
    assert (session.stop, session.options) == (stop, options)
    assert not len(session.breakpoints)
    assert not session.environment.is_cplusplus
