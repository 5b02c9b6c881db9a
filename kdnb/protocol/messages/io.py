"""Unions of the port, MSR and bus APIs (protocol reference 3.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kdnb.protocol.wire import Structure, padding, u32, u64

__all__ = ["BusDataBody", "IoBody", "IoExtendedBody", "MsrBody"]


@dataclass(frozen=True, slots=True)
class IoBody(Structure):
    """ReadIoSpace and WriteIoSpace."""

    address: Annotated[int, u64("IoAddress", "port")] = 0
    size: Annotated[int, u32("DataSize", "1, 2 or 4 bytes")] = 0
    value: Annotated[int, u32("DataValue", "read or to write")] = 0
    unused: Annotated[bytes, padding(24)] = bytes(24)


@dataclass(frozen=True, slots=True)
class IoExtendedBody(Structure):
    """ReadIoSpaceExtended and WriteIoSpaceExtended."""

    size: Annotated[int, u32("DataSize", "1, 2 or 4 bytes")] = 0
    interface_type: Annotated[int, u32("InterfaceType", "INTERFACE_TYPE of the bus")] = 0
    bus_number: Annotated[int, u32("BusNumber", "")] = 0
    address_space: Annotated[int, u32("AddressSpace", "1 = I/O")] = 0
    address: Annotated[int, u64("IoAddress", "port or memory address")] = 0
    value: Annotated[int, u32("DataValue", "read or to write")] = 0
    unused: Annotated[bytes, padding(12)] = bytes(12)


@dataclass(frozen=True, slots=True)
class MsrBody(Structure):
    """ReadMachineSpecificRegister and WriteMachineSpecificRegister."""

    msr: Annotated[int, u32("Msr", "register number; ARM64: op0, op1, CRn, CRm, op2 as nibbles")] = 0
    low: Annotated[int, u32("DataValueLow", "bits 0-31")] = 0
    high: Annotated[int, u32("DataValueHigh", "bits 32-63")] = 0
    unused: Annotated[bytes, padding(28)] = bytes(28)

    @property
    def value(self) -> int:
        """Both halves."""
        return self.high << 32 | self.low


@dataclass(frozen=True, slots=True)
class BusDataBody(Structure):
    """GetBusData and SetBusData; the bytes are the message's data."""

    bus_data_type: Annotated[int, u32("BusDataType", "4 = PCI configuration")] = 0
    bus_number: Annotated[int, u32("BusNumber", "")] = 0
    slot_number: Annotated[int, u32("SlotNumber", "device in bits 0-4, function in bits 5-7")] = 0
    offset: Annotated[int, u32("Offset", "first byte")] = 0
    length: Annotated[int, u32("Length", "bytes")] = 0
    unused: Annotated[bytes, padding(20)] = bytes(20)
