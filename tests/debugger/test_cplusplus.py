"""The C++ subset inside MASM expressions, on the simulated machine's types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import ExpressionError, UnsupportedError

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("@@c++(sizeof(nt!_LIST_ENTRY))", 16),
        ("@@(sizeof(_LIST_ENTRY*)) + 10", 0x18),
        ("@@c++(sizeof(unsigned)) ", None),
        ("@@c++(#FIELD_OFFSET(nt!_EPROCESS, ImageFileName))", 0x5A8),
        ("@@c++(&((nt!_EPROCESS *)0x1000)->Pcb.ProfileListHead)", 0x1018),
        ("@@c++(10 + 0x10 * (2 - -1))", 10 + 16 * 3),
        ("1 + @@c++(10)", 11),
    ],
)
def test_values(session: Session, text: str, value: int | None) -> None:
    if value is None:
        with pytest.raises(ExpressionError):
            session.evaluate(text)
    else:
        assert session.evaluate(text) == value


def test_registers_and_symbols(session: Session) -> None:
    assert session.evaluate("@@c++(@rsp + 8)") == session.evaluate("@rsp + 8")
    assert session.evaluate("@@c++(&nt!PsActiveProcessHead)") == session.evaluate("nt!PsActiveProcessHead")
    address = session.evaluate("@$proc")
    assert session.evaluate("@@c++(&((nt!_EPROCESS *)@$proc)->ImageFileName)") == address + 0x5A8


@pytest.mark.parametrize("text", ["@@c++(foo->bar)", "@@c++(1", "@@c++()", "@@c++(1 2)", "@@c++(sizeof(nt!_NOSUCH))"])
def test_what_is_not_understood_is_one_error(session: Session, text: str) -> None:
    with pytest.raises((ExpressionError, UnsupportedError)):
        session.evaluate(text)
