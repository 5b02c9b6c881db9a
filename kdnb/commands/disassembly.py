"""`u`, `ub`, `up`, `uf` (the command reference, 7.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.disassembly import disassemble
from kdnb.debugger.function_flow import function_blocks
from kdnb.debugger.paging import physical_address, translate
from kdnb.errors import ExpressionError
from kdnb.results.disassembly import Call, CallList, Disassembly, FunctionCode

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.ranges import Range
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.disassembly import Instruction

COUNT = 8
MOST = 0x10000


def _start(session: Session, name: str) -> int:
    """Where a listing without an address begins: behind the last one of this stop, else at the instruction pointer."""
    if session.options.get("u_stop") != session.sequence or name not in session.positions:
        return session.environment.instruction_pointer
    return session.positions[name]


def _went_to(session: Session, name: str, address: int) -> None:
    if session.options.get("u_stop") != session.sequence:
        session.positions.pop("u", None)
        session.positions.pop("ub", None)
    session.options["u_stop"] = session.sequence
    session.positions[name] = address


def _listing(session: Session, arguments: Arguments, code: tuple[Instruction, ...]) -> Disassembly:
    note = ""
    if any(not instruction.data for instruction in code):
        typed = f"{arguments.name} {arguments.text}".strip()
        note = f"Memory access error in '{typed}'"
    # A 32-bit target may have physical memory above its addresses.
    size = 8 if code and code[-1].address >> 32 else session.pointer_size
    return Disassembly(code, size, note, with_bytes=not session.options.get("no_code_bytes"))


def _counted(arguments: Arguments, start: int | None) -> Range:
    """A range of instructions: an end, or a count of them."""
    wanted = arguments.range(1, COUNT, start)
    arguments.finish()
    if wanted.count > MOST:
        typed = f"{arguments.name} {arguments.text[:60]}"
        raise ExpressionError(f"Range error in '{typed}'", "at most 10000 instructions at once")
    return wanted


def _up_to_end(code: tuple[Instruction, ...], wanted: Range) -> tuple[Instruction, ...]:
    if not wanted.has_end:
        return code
    return tuple(one for one in code if one.address < wanted.start + wanted.count)


@command(
    "u",
    "uu",
    summary="Disassemble.",
    syntax="u|uu [Address [End | L Count]]",
    details="Eight instructions unless a count of instructions or an end address is given. Without an address it goes "
    "on where the last u ended (at first: the instruction pointer).",
    examples=("u", "u @rip L3", "u . .+8", "u nt!KeBugCheckEx L2"),
)
def disassemble_forward(session: Session, arguments: Arguments) -> Result:
    """Instructions from an address on."""
    wanted = _counted(arguments, _start(session, "u"))
    code = _up_to_end(session.disassemble(wanted.start, wanted.count), wanted)
    if code and code[-1].data:
        _went_to(session, "u", code[-1].address + len(code[-1].data))
    return _listing(session, arguments, code)


@command(
    "ub",
    summary="Disassemble backwards: the instructions before an address.",
    syntax="ub [Address [L Count]]",
    details="Reading x86 code backwards is a guess, unless the function's start is known.",
    examples=("ub", "ub @rip L3"),
)
def disassemble_backward(session: Session, arguments: Arguments) -> Result:
    """Instructions that end at an address."""
    wanted = _counted(arguments, _start(session, "ub"))
    code = session.disassemble_before(wanted.start, wanted.count)
    if code:
        _went_to(session, "ub", code[0].address)
    return _listing(session, arguments, code)


@command(
    "up",
    summary="Disassemble physical memory.",
    syntax="up [Address [End | L Count]]",
    details="As u, at a physical address (!vtop and !pte tell it). There are no symbols: branches lead where they "
    "would if the code ran there. Without an address it goes on where the last up ended (at first: where the "
    "instruction pointer's page lies).",
    examples=("up", "up 1000 L3"),
    tier="C",
)
def disassemble_physical(session: Session, arguments: Arguments) -> Result:
    """Instructions from a physical address on."""
    start = session.positions.get("up")
    if start is None:
        start = translate(session, session.environment.instruction_pointer).physical
    wanted = _counted(arguments, start)
    wanted = replace(wanted, start=physical_address(session, wanted.start))
    code = disassemble(session.physical, wanted.start, wanted.count, session.machine, lambda _: None)
    code = _up_to_end(code, wanted)
    if code and code[-1].data:
        session.positions["up"] = code[-1].address + code[-1].size
    return _listing(session, arguments, code)


@command(
    "uf",
    summary="Disassemble a whole function.",
    syntax="uf [/c] [/D] [/m] [/o] [/O] [/i] [Address]",
    details="Jumps are followed inside the bounds that unwind data (x86: the PDB's frame data) give; parts of the "
    "function elsewhere are shown too. Blocks are in address order, with a blank line between them. /c shows only "
    "the calls, /i also the number of instructions; /D, /m, /o and /O change nothing here.",
    examples=("uf nt!KeBugCheckEx", "uf /c nt!KeBugCheckEx"),
)
def disassemble_function(session: Session, arguments: Arguments) -> Result:
    """All instructions of the function around an address."""
    options = arguments.options(dict.fromkeys("cDmoOi", False))
    calls_only = "c" in options
    address = arguments.expression(session.environment.instruction_pointer)
    arguments.finish()
    blocks = function_blocks(session, address)
    name_at = session.symbols.format
    if not calls_only:
        with_bytes = not session.options.get("no_code_bytes")
        return FunctionCode(blocks, session.pointer_size, with_bytes=with_bytes, with_count="i" in options)
    start = next((block[0] for block in blocks if "+" not in block[0].label), blocks[0][0])
    calls = [
        Call(
            instruction.address,
            name_at(instruction.address),
            instruction.target,
            name_at(instruction.target) if instruction.target is not None else instruction.operands,
        )
        for block in blocks
        for instruction in block
        if instruction.is_call
    ]
    return CallList(start.address, name_at(start.address), tuple(calls), session.pointer_size)
