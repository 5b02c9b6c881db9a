"""Unions of GetContext, SetContext and their windowed forms (protocol reference 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, u32

__all__ = ["ContextBody", "ContextExBody"]


@dataclass(frozen=True, slots=True)
class ContextBody(Structure):
    """GetContext and SetContext; the CONTEXT record is the message's data."""

    flags: Annotated[int, u32("ContextFlags", "parts to set; unused by GetContext")] = 0
    unused: Annotated[bytes, padding(36)] = bytes(36)


@dataclass(frozen=True, slots=True)
class ContextExBody(Structure):
    """GetContextEx and SetContextEx: a window of the CONTEXT record."""

    offset: Annotated[int, u32("Offset", "first byte of the window")] = 0
    byte_count: Annotated[int, u32("ByteCount", "bytes of the window; in GetContextEx's reply the whole size")] = 0
    bytes_copied: Annotated[int, u32("BytesCopied", "bytes that follow; in SetContextEx's request the whole size")] = 0
    unused: Annotated[bytes, padding(28)] = bytes(28)
