"""`!pool !poolused !poolfind`: the kernel's pool (the command reference, 7.11)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.pool import NONPAGED, PAGED, describe_page, find_blocks, tag_text
from kdnb.debugger.pool_usage import pool_usage
from kdnb.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

CONTENTS, ONLY_CHOSEN = 1, 2


@command(
    "!pool",
    summary="Show the pool page that holds an address: its blocks with sizes and tags.",
    syntax="!pool Address [Flags]",
    details="* marks the block with the address. Flags: 1 also the first words of each block, 2 only the block with "
    "the address. Pages of whole allocations are found in nt!PoolBigPageTable. The segment heap (Windows 10 1903 and "
    "later) has no other pages to list: there one line says so. What a tag stands for is told for well-known ones.",
    examples=("!pool @$proc", "!pool poi(buggy!BuggyDevice) 2", "!pool @$thread 1"),
    tier="B",
)
def show_pool(session: Session, arguments: Arguments) -> Result:
    """One page."""
    if arguments.at_end:
        raise UsageError("!pool needs an address", "!poolused counts by tag, !poolfind TAG finds allocations")
    address = arguments.expression() & session.address_mask
    flags = arguments.expression(0)
    arguments.finish()
    page = describe_page(session, address, contents=bool(flags & CONTENTS))
    if flags & ONLY_CHOSEN and page.chosen is not None:
        page = replace(page, blocks=(page.chosen,))
    return page


@command(
    "!poolused",
    summary="Show how much pool is in use, by tag.",
    syntax="!poolused [Flags [Tag]]",
    details="Flags: 1 also allocations and frees, and tags that have nothing now; 2 sorted by nonpaged use, 4 by paged "
    "use. Tag may have * and ?; its case counts. Numbers are decimal, and those of the kernel's own tables: one for "
    "each processor, added up.",
    examples=("!poolused", "!poolused 2", "!poolused 1 Irp", "!poolused 0 Ob*"),
    tier="B",
)
def show_pool_usage(session: Session, arguments: Arguments) -> Result:
    """The kernel's counts."""
    flags = arguments.expression(0)
    tag = arguments.quoted() or arguments.word()
    arguments.finish()
    return pool_usage(session, flags, tag)


@command(
    "!poolfind",
    summary="Find pool allocations by their tag.",
    syntax="!poolfind Tag|0xValue [PoolType]",
    details="Tag may have * and ?; its case counts, and a tag with blanks stands in quotes. PoolType: 0 nonpaged "
    "(unless given), 1 paged. The whole region is read, up to 256 MB; Stop ends it.",
    examples=("!poolfind Bugg", "!poolfind Dire 1", "!poolfind 0x20707249"),
    tier="C",
)
def find_pool(session: Session, arguments: Arguments) -> Result:
    """The blocks of one region."""
    tag = arguments.quoted() or arguments.word()
    if not tag:
        raise UsageError("!poolfind needs a tag", "!poolused lists the tags that are in use")
    if tag.startswith("0x"):
        try:
            tag = tag_text(int(tag, 16).to_bytes(4, "little"))[0]
        except (ValueError, OverflowError):
            raise UsageError(f"{tag[:20]} is no value of a tag", "four bytes: 0x20707249") from None
    kind = arguments.expression(NONPAGED)
    arguments.finish()
    if kind not in (NONPAGED, PAGED):
        raise UnsupportedError(f"pool of type {kind:x} is not searched", "0 is nonpaged, 1 paged pool")
    return find_blocks(session, tag, kind)
