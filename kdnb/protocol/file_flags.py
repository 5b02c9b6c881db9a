"""Names of the flags of a file object (public headers)."""

from __future__ import annotations

__all__ = ["FILE_FLAGS"]

FILE_FLAGS = (
    "File Open", "Synchronous IO", "Alertable IO", "No Intermediate Buffering", "Write Through", "Sequential Only",
    "Cache Supported", "Named Pipe", "Stream File", "Mailslot", "Generate Audit On Close", "Direct Device Open",
    "File Modified", "File Size Changed", "Cleanup Complete", "Temporary File", "Delete On Close",
    "Opened Case Sensitive", "Handle Created", "File Fast IO Read", "Random Access", "File Open Cancelled",
    "Volume Open",
)  # fmt: skip
"""Bits of FILE_OBJECT.Flags (FO_...), from bit 0 on."""
