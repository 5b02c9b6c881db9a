"""Imports every family of commands, so that the table of commands is full."""

from __future__ import annotations

from kdnb.commands import (
    aliases,
    breakpoints,
    context,
    control,
    descriptors,
    disassembly,
    execution,
    expressions,
    hardware,
    logfile,
    memory_display,
    memory_edit,
    modules,
    printf,
    registers,
    scripts,
    session,
    stack,
    types,
)

__all__ = ["FAMILIES"]

FAMILIES = (
    registers,
    memory_display,
    memory_edit,
    stack,
    context,
    disassembly,
    breakpoints,
    execution,
    expressions,
    modules,
    types,
    session,
    hardware,
    descriptors,
    control,
    printf,
    aliases,
    scripts,
    logfile,
)
"""In the order of the reference page."""
