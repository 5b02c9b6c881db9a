"""MSRs and ports on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.values import MsrValue, PortValue

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_model_specific_register_is_read_and_written(session: Session) -> None:
    (before,) = execute(session, "rdmsr c0000082")
    assert isinstance(before, MsrValue)
    assert to_text(before).startswith("msr[c0000082] = fffff800`")
    execute(session, f"wrmsr c0000082 0x{before.value + 16:x}")
    (after,) = execute(session, "rdmsr c0000082")
    assert isinstance(after, MsrValue)
    assert after.value == before.value + 16
    execute(session, f"wrmsr c0000082 0x{before.value:x}")
    with pytest.raises(CommandError, match=r"^no such msr 12345678 \(ReadMachineSpecific.*\); check the number"):
        execute(session, "rdmsr 12345678")


def test_a_port_is_read(session: Session) -> None:
    (value,) = execute(session, "ib 3fd")
    assert isinstance(value, PortValue)
    assert to_text(value) == f"000003fd: {value.value:02x}"
    with pytest.raises(CommandError, match="Range error"):
        execute(session, "ib 10000")


def test_a_port_is_written(session: Session) -> None:
    execute(session, "od cf8 80000000")
    (value,) = execute(session, "id cf8")
    assert isinstance(value, PortValue)
    assert value.value == 0x80000000


@pytest.mark.parametrize("command", ["ob 80 100", "ow 80 10000", "od 80 100000000"])
def test_a_value_that_does_not_fit_a_port_is_not_written(session: Session, command: str) -> None:
    with pytest.raises(CommandError, match="Numeric value overflow"):
        execute(session, command)


def test_the_interrupt_request_level_has_a_name(session: Session) -> None:
    assert to_text(execute(session, "!irql")[0]).startswith("Debugger saved IRQL for processor 0x0 -- ")


def test_a_read_only_session_writes_nothing(session: Session) -> None:
    session.read_only = True
    for command in ("wrmsr c0000082 0", "ob 3f8 0", ".crash", ".reboot"):
        with pytest.raises(CommandError, match="read-only"):
            execute(session, command)
