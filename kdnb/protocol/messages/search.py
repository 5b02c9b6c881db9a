"""Unions of the search, fill and query APIs (protocol reference 3.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, u16, u32, u64

__all__ = ["FillBody", "QueryMemoryBody", "SearchBody"]


@dataclass(frozen=True, slots=True)
class SearchBody(Structure):
    """SearchMemory: the pattern is the request's data; not found is status 8000001A."""

    address: Annotated[int, u64("SearchAddress", "start; in the reply where it was found")] = 0
    length: Annotated[int, u64("SearchLength", "bytes to search")] = 0
    pattern_length: Annotated[int, u32("PatternLength", "bytes of the pattern")] = 0
    unused: Annotated[bytes, padding(20)] = bytes(20)


@dataclass(frozen=True, slots=True)
class FillBody(Structure):
    """FillMemory: the pattern is the request's data."""

    address: Annotated[int, u64("Address", "start")] = 0
    length: Annotated[int, u32("Length", "bytes to fill; in the reply bytes written")] = 0
    flags: Annotated[int, u16("Flags", "1 virtual, 2 physical")] = 0
    pattern_length: Annotated[int, u16("PatternLength", "bytes of the pattern")] = 0
    unused: Annotated[bytes, padding(24)] = bytes(24)


@dataclass(frozen=True, slots=True)
class QueryMemoryBody(Structure):
    """QueryMemory: what kind of memory an address is."""

    address: Annotated[int, u64("Address", "")] = 0
    reserved: Annotated[int, u64("Reserved", "")] = 0
    address_space: Annotated[int, u32("AddressSpace", "0 in; out: 0 process, 1 session, 2 kernel")] = 0
    flags: Annotated[int, u32("Flags", "out: 1 read, 2 write, 4 execute, 8 fixed")] = 0
    unused: Annotated[bytes, padding(16)] = bytes(16)
