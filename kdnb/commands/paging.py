"""`!vtop !pte`: virtual addresses on their way to physical ones (the command reference, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.paging import translate
from kdnb.errors import ExpressionError
from kdnb.results.paging import PageTableEntries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

PAGE_SHIFT = 12
MOST_PAGES = 0x400


@command(
    "!vtop",
    summary="Translate a virtual address step by step.",
    syntax="!vtop DirBase VirtualAddress\n!vtop 0 VirtualAddress",
    details="DirBase is the physical address of the top table, or its page frame number; 0 is the present address "
    "space.",
    examples=("!vtop 0 nt", "!vtop @cr3 nt"),
)
def virtual_to_physical(session: Session, arguments: Arguments) -> Result:
    """The page walk; a number as DirBase that is too small for an address is a page frame."""
    directory = arguments.expression()
    if arguments.at_end:
        directory, address = 0, directory
    else:
        address = arguments.expression()
    arguments.finish()
    if 0 < directory < 1 << PAGE_SHIFT:
        directory <<= PAGE_SHIFT
    return translate(session, address & session.address_mask, directory or None)


@command(
    "!pte",
    summary="Show the page table entries of a virtual address.",
    syntax="!pte VirtualAddress\n!pte StartAddress EndAddress",
    details="The letters: C copy on write, G global, L large page, D dirty, A accessed, N not cached, T write-through, "
    "U user or K kernel, W writable or R read-only, E executable, V valid. Two addresses show each page from the one "
    "to the other.",
    examples=("!pte nt", "!pte @rsp", "!pte nt nt+1000"),
)
def page_table_entries(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The entries of each level with their bits, page by page."""
    address = arguments.expression() & session.address_mask
    last = arguments.expression(address) & session.address_mask
    arguments.finish()
    pages = range(address, max(last, address) + 1, 1 << PAGE_SHIFT)
    if last < address or len(pages) > MOST_PAGES:
        raise ExpressionError(f"Range error in '!pte {arguments.text[:60]}'", f"at most {MOST_PAGES:x} pages at once")
    for page in pages:
        session.require_stopped()  # sees a cancel
        yield PageTableEntries(translate(session, page))
