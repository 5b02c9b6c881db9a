"""A session on the simulated x86 machine: stacks at every instruction, steps, breakpoints after a reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.render.text import to_text
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session

OUTERMOST = {"nt!KiSystemStartup", "nt!KiStartSystemThread"}


@pytest.fixture
def x86(tmp_path: Path) -> Iterator[Session]:
    """A session that is stopped by a break-in."""
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT, break_in=True)
        yield session


def outermost(session: Session) -> str:
    """The function at which the walk ends."""
    frames = session.unwind(40).frames
    return session.symbols.format(frames[-1].instruction_pointer).split("+")[0]


@pytest.mark.parametrize("start", ["nt!ZwReadFile", "nt!KiSwapContext", "nt!NtCreateFile"])
def test_the_stack_is_whole_at_every_instruction(x86: Session, start: str) -> None:
    x86.go(until=x86.evaluate(start), timeout=TIMEOUT)
    for _ in range(60):
        assert outermost(x86) in OUTERMOST, x86.symbols.format(x86.registers.pc)
        x86.step()


def test_stepping_over_and_out_keeps_to_the_thread(x86: Session) -> None:
    x86.go(until=x86.evaluate("nt!NtCreateFile"), timeout=TIMEOUT)
    depth = len(x86.unwind(40).frames)
    while x86.symbols.nearest(x86.registers.pc).name == "NtCreateFile":  # type: ignore[union-attr]  # there is one
        x86.step_over()
    assert len(x86.unwind(40).frames) == depth - 1
    assert x86.step_out().address
    assert x86.symbols.format(x86.registers.pc).startswith("nt!ZwCreateFile+")


def test_a_breakpoint_by_its_plain_name_comes_back_after_a_reboot(x86: Session) -> None:
    x86.breakpoints.add("nt!NtReadFile")
    execute(x86, ".reboot; g")
    assert x86.stop is not None
    assert x86.stop.address == x86.symbols.lookup("nt!NtReadFile")
    assert x86.stop.reason == "breakpoint"


def test_what_is_written_reads_back_in_either_form_of_the_address(x86: Session) -> None:
    place = x86.evaluate("nt!NtGlobalFlag")
    assert place >> 32 in (0, 0xFFFFFFFF)
    x86.memory.write(place & 0xFFFFFFFF, b"\x11\x22")
    assert x86.memory.read(place | 0xFFFFFFFF00000000, 2) == b"\x11\x22"


def test_a_stack_of_registers_of_ones_choice_is_the_usual_one(x86: Session) -> None:
    x86.go(until=x86.evaluate("nt!NtCreateFile"), timeout=TIMEOUT)
    (usual,) = execute(x86, "k")
    for command in ("k = @ebp @esp @eip", "k = @ebp", "k = @ebp @esp @eip ff"):
        (chosen,) = execute(x86, command)
        assert chosen.frames == usual.frames, command  # type: ignore[attr-defined]  # both are stacks
    (frame,) = execute(x86, ".frame = @ebp @esp @eip")
    assert frame == usual.frames[0]  # type: ignore[attr-defined]  # as above


def test_values_wider_than_a_pointer_are_shown_whole(x86: Session) -> None:
    registers = x86.registers
    assert x86.evaluate("@$retreg64") == registers.get("edx") << 32 | registers.get("eax")
    texts = [to_text(value) for value in execute(x86, "? 1`00000002; ? 80000000; ? -1")]
    assert texts == [
        "Evaluate expression: 4294967298 = 00000001`00000002",
        "Evaluate expression: -2147483648 = 80000000",
        "Evaluate expression: -1 = ffffffff",
    ]
