"""Imports every family of commands, so that the table of commands is full."""

from __future__ import annotations

from kdnb.commands import (
    breakpoints,
    context,
    descriptors,
    disassembly,
    execution,
    expressions,
    hardware,
    memory_display,
    memory_edit,
    modules,
    registers,
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
)
"""In the order of the reference page."""
