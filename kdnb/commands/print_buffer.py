"""`!dbgprint`: what the kernel printed lately (the command reference, 7.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import UnsupportedError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

LARGEST = 0x100_0000
"""Bytes of a buffer that is believed; Windows' own is 4 KB to 1 MB."""


@command(
    "!dbgprint",
    summary="Show the kernel's buffer of debug prints: what DbgPrint wrote, also while nobody listened.",
    syntax="!dbgprint",
    details="The debugger data block tells where it lies. Prints that the component filters held back are not in it.",
    examples=("!dbgprint",),
    tier="B",
)
def show_print_buffer(session: Session, arguments: Arguments) -> Result:
    """The text, the oldest first."""
    arguments.finish()
    block = session.debugger_data
    places = {name: block.get(f"kd_print_{name}") for name in _FIELDS} if block is not None else {}
    write_at, rollover_at = places.get("write_pointer"), places.get("rollover_count")
    start, end = places.get("circular_buffer"), places.get("circular_buffer_end")
    memory = session.memory
    if places.get("circular_buffer_ptr") and places.get("buffer_size"):  # the buffer may have been made larger
        start = memory.read_pointer(places["circular_buffer_ptr"] or 0)
        end = start + memory.read_u32(places["buffer_size"] or 0)
    if not start or not end or not write_at:
        raise UnsupportedError("the debugger data block doesn't tell where the print buffer lies", "events show prints")
    size, write = end - start, memory.read_pointer(write_at) - start
    if not 0 < size <= LARGEST or not 0 <= write <= size:
        raise UnsupportedError("the print buffer's pointers contradict each other", "db shows memory")
    data = memory.read(start, size)
    is_full = rollover_at is not None and memory.read_u32(rollover_at) > 0
    text = (data[write:] if is_full else b"") + data[:write]
    return Text(text.decode("latin-1").replace("\0", "").replace("\r", "").rstrip("\n"))


_FIELDS = (
    "circular_buffer",
    "circular_buffer_end",
    "write_pointer",
    "rollover_count",
    "circular_buffer_ptr",
    "buffer_size",
)
