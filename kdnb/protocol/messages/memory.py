"""Union of the memory and control-space APIs (protocol reference 3.3, 3.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, u32, u64

__all__ = ["MemoryBody"]


@dataclass(frozen=True, slots=True)
class MemoryBody(Structure):
    """Read and write of virtual and physical memory and of control space.

    For control space `address` is a byte offset (x86) or a selector (3.7). In a physical request `actual` holds
    cache flags: 0 default, 1 cached, 2 uncached, 3 write combined.
    """

    address: Annotated[int, u64("TargetBaseAddress", "address; sign-extended for 32-bit targets")] = 0
    transfer_count: Annotated[int, u32("TransferCount", "bytes asked for")] = 0
    actual: Annotated[int, u32("ActualBytesRead", "bytes read or written (reply)")] = 0
    unused: Annotated[bytes, padding(24)] = bytes(24)
