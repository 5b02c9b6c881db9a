"""Imports every family of commands, so that the table of commands is full."""

from __future__ import annotations

from kdnb.commands import (
    aliases,
    analyze,
    breakpoints,
    context,
    control,
    descriptors,
    disassembly,
    errors,
    events,
    execution,
    expressions,
    hardware,
    link,
    lists,
    logfile,
    memory_display,
    memory_edit,
    modules,
    paging,
    printf,
    registers,
    scripts,
    session,
    stack,
    types,
    unwind,
)

__all__ = ["FAMILIES"]

FAMILIES = (
    registers,
    memory_display,
    memory_edit,
    stack,
    context,
    unwind,
    disassembly,
    breakpoints,
    execution,
    expressions,
    modules,
    types,
    lists,
    session,
    events,
    link,
    hardware,
    descriptors,
    paging,
    errors,
    analyze,
    control,
    printf,
    aliases,
    scripts,
    logfile,
)
"""In the order of the reference page."""
