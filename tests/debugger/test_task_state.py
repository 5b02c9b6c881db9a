"""Registers in a TSS, on an x86 target whose tables are written by hand."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.task_state import read_task
from kdnb.errors import ExpressionError
from kdnb.render.text import to_text
from tests.debugger.x86_target import CODE, x86_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session

TASK, LIMIT = 0x8003F800, 0x67


def descriptor(base: int, access: int) -> bytes:
    return struct.pack("<HHBBBB", LIMIT, base & 0xFFFF, base >> 16 & 0xFF, access, 0, base >> 24)


@pytest.fixture
def session() -> Iterator[Session]:
    """Selector 28 is a busy TSS, 30 a data segment, 38 a TSS that is not present, 40 one that lies nowhere."""
    with x86_session() as (session, machine):
        machine.memory[0x8003F] = bytearray(0x1000)
        machine.put(0x8003F028, descriptor(TASK, 0x8B))
        machine.put(0x8003F030, descriptor(TASK, 0x93))
        machine.put(0x8003F038, descriptor(TASK, 0x0B))
        machine.put(0x8003F040, descriptor(0x90000000, 0x89))
        general = (CODE + 1, 0x10202, *range(0xA0, 0xA8))
        segments = (0xFFFF0023, 8, 0x10, 0x23, 0x30, 0)  # the upper halves are reserved
        machine.put(TASK + 0x20, struct.pack("<16I", *general, *segments))
        yield session


def test_the_registers_come_from_their_places(session: Session) -> None:
    values = read_task(session, 0x28)
    assert (values["eip"], values["efl"]) == (CODE + 1, 0x10202)
    assert [values[name] for name in "eax ecx edx ebx esp ebp esi edi".split()] == list(range(0xA0, 0xA8))
    assert [values[name] for name in "es cs ss ds fs gs".split()] == [0x23, 8, 0x10, 0x23, 0x30, 0]
    assert read_task(session, 0x2B) == values, "the two lowest bits are a privilege level"


def test_the_registers_are_the_context_until_it_is_reset(session: Session) -> None:
    (shown,) = execute(session, ".tss 28")
    assert to_text(shown).startswith("eax=000000a0 ebx=000000a3 ecx=000000a1")
    assert session.evaluate("@esp") == 0xA4
    execute(session, ".tss")
    assert session.scope.context is None


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        (0, "no selector of the GDT"),
        (0x2C, "no selector of the GDT"),
        (0x400, "no selector of the GDT"),
        (0x12345, "no selector of the GDT"),
        (0x30, "no 32-bit TSS"),
        (0x38, "no 32-bit TSS"),
    ],
)
def test_what_is_no_task_is_told(session: Session, selector: int, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem):
        read_task(session, selector)


def test_a_task_that_cannot_be_read_leaves_the_context_alone(session: Session) -> None:
    with pytest.raises(Exception, match="90000020"):
        execute(session, ".tss 40")
    assert session.scope.context is None
