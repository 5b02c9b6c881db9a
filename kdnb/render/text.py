"""Plain text in WinDbg's layouts (the command reference, 2.4-7.9)."""

from __future__ import annotations

from itertools import islice

# Imported for what they register with `lines`.
from kdnb.render import (
    text_analysis,
    text_breakpoints,
    text_decoded,
    text_descriptors,
    text_device_nodes,
    text_disassembly,
    text_dlls,
    text_events,
    text_filters,
    text_hardware,
    text_images,
    text_irps,
    text_locals,
    text_memory,
    text_memory_usage,
    text_modules,
    text_objects,
    text_paging,
    text_pool,
    text_processes,
    text_queued_locks,
    text_registers,
    text_resources,
    text_security,
    text_stack,
    text_tracing,
    text_types,
    text_unwind,
    text_user_blocks,
    text_vads,
    text_values,
)
from kdnb.render.lines import lines, printable

__all__ = ["to_text"]

FORMATTERS = (
    text_analysis,
    text_breakpoints,
    text_decoded,
    text_descriptors,
    text_device_nodes,
    text_disassembly,
    text_dlls,
    text_events,
    text_filters,
    text_images,
    text_irps,
    text_locals,
    text_hardware,
    text_memory,
    text_memory_usage,
    text_modules,
    text_objects,
    text_paging,
    text_pool,
    text_processes,
    text_queued_locks,
    text_registers,
    text_resources,
    text_security,
    text_stack,
    text_tracing,
    text_types,
    text_unwind,
    text_user_blocks,
    text_vads,
    text_values,
)


def to_text(value: object, limit: int | None = None) -> str:
    """`value` as text without a line end behind it; at most `limit` lines and one that says what was left out."""
    # Here and not in each formatter, so that no name of a target's gets past: what it sends may steer a terminal.
    source = (printable(line).replace("\n", ".") for line in lines(value))
    if limit is None:
        return "\n".join(source)
    shown = list(islice(source, limit))
    left_out = sum(1 for _ in source)
    if left_out:
        shown.append(f"... {left_out} more lines (of {len(shown) + left_out})")
    return "\n".join(shown)
