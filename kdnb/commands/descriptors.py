"""`dg`: segment descriptors (the command reference, 7.1; the layout is the processor manuals')."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.segments import read_descriptor
from kdnb.errors import ExpressionError, UnsupportedError
from kdnb.results.descriptors import DescriptorTable

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.descriptors import Descriptor

SELECTOR_LIMIT = 256


@command(
    "dg",
    summary="Show segment descriptors of the global descriptor table.",
    syntax="dg FirstSelector [LastSelector]",
    details="Columns: privilege, size (Bg 32 bits, Nb not), granularity (By bytes, Pg pages), present, long mode.",
    examples=("dg 10", "dg 0 40"),
    tier="B",
)
def display_descriptors(session: Session, arguments: Arguments) -> Result:
    """The descriptors of a range of selectors."""
    first = arguments.expression()
    last = arguments.expression(first)
    arguments.finish()
    if not session.registers.has("gdtr"):
        raise UnsupportedError("this machine has no segment descriptors", "dg is for x64 and x86")
    if first > last or last > 0xFFFF or (last - first) // 8 >= SELECTOR_LIMIT:
        raise ExpressionError(f"Range error in 'dg {arguments.text[:60]}'", "at most 256 selectors, 0 to ffff")
    if first & 4:
        raise UnsupportedError("selectors of the local descriptor table can't be shown", "dg takes those of the GDT")
    return _descriptors(session, first, last)


@command(
    "!gdt",
    summary="Show the global descriptor table.",
    syntax="!gdt",
    details="The same as dg from the first to the last selector.",
    examples=("!gdt",),
    tier="B",
)
def display_descriptor_table(session: Session, arguments: Arguments) -> Result:
    """All descriptors of the table, at most 256."""
    arguments.finish()
    if not session.registers.has("gdtr"):
        raise UnsupportedError("this machine has no segment descriptors", "!gdt is for x64 and x86")
    return _descriptors(session, 0, 8 * SELECTOR_LIMIT - 1)


def _descriptors(session: Session, first: int, last: int) -> DescriptorTable:
    limit = session.registers.get("gdtl")
    found: list[Descriptor] = []
    selector = first & ~7
    while selector <= last and selector + 7 <= limit:
        descriptor = read_descriptor(session, selector)
        found.append(descriptor)
        # In long mode a TSS or LDT takes two entries.
        wide = session.pointer_size == 8 and descriptor.is_system and descriptor.access & 0xF
        selector += 16 if wide else 8
    return DescriptorTable(tuple(found), session.pointer_size)
