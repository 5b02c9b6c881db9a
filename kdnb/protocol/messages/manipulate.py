"""STATE_MANIPULATE: header, one union form for each API, data (protocol reference 3.1, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from kdnb.protocol.constants import MANIPULATE_SIZE, Api, Direction, MachineType, PacketType, Status
from kdnb.protocol.messages.breakpoints import (
    BreakpointBody,
    BreakpointEntry,
    BreakpointExBody,
    BreakpointHandle,
    CustomBreakpointBody,
    InternalBreakpointBody,
    RestoreBreakpointBody,
    SetInternalBreakpointBody,
    SpecialCallBody,
    SpecialCallsBody,
)
from kdnb.protocol.messages.execution import (
    Continue2Amd64,
    Continue2Arm,
    Continue2Arm64,
    Continue2X86,
    ContinueBody,
    EmptyBody,
    PageInBody,
    PartitionBody,
    RawBody,
)
from kdnb.protocol.messages.get_context import ContextBody, ContextExBody
from kdnb.protocol.messages.io import BusDataBody, IoBody, IoExtendedBody, MsrBody
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.message import Message, RawMessage
from kdnb.protocol.messages.search import FillBody, QueryMemoryBody, SearchBody
from kdnb.protocol.messages.version import Version32Body, VersionBody
from kdnb.protocol.wire import Structure, padding, plain_struct, u16, u32

__all__ = [
    "Manipulate",
    "ManipulateHeader",
    "MemoryReply",
    "body_type",
    "continue2_type",
    "decode_manipulate",
    "decode_memory_reply",
    "encode_memory_request",
]


@dataclass(frozen=True, slots=True)
class ManipulateHeader(Structure):
    """First 16 bytes of DBGKD_MANIPULATE_STATE64."""

    api: Annotated[int, u32("ApiNumber", "what is asked for")] = 0
    processor_level: Annotated[int, u16("ProcessorLevel", "CPU family")] = 0
    processor: Annotated[int, u16("Processor", "CPU that the request is about")] = 0
    status: Annotated[int, u32("ReturnStatus", "NTSTATUS of the reply; any value in a request")] = 0
    padding: Annotated[bytes, padding(4)] = bytes(4)


@dataclass(frozen=True, slots=True)
class Manipulate(Message):
    """A request to a stopped target, or its reply; the direction tells which.

    `body` is the union's form for this API (and machine, for Continue2), its unused tail included.
    """

    PACKET_TYPE: ClassVar[PacketType] = PacketType.STATE_MANIPULATE

    api: int
    body: Structure
    data: bytes = b""
    processor: int = 0
    processor_level: int = 0
    status: int = Status.PENDING.value
    padding: bytes = field(default=bytes(4), repr=False)

    def structures(self) -> tuple[Structure, ...]:
        header = ManipulateHeader(self.api, self.processor_level, self.processor, self.status, self.padding)
        return (header, self.body)

    def rest(self) -> bytes:
        return self.data

    @property
    def entries(self) -> tuple[BreakpointEntry | BreakpointHandle, ...]:
        """The array behind WriteBreakPointEx and RestoreBreakPointEx: as many entries as both count and data allow."""
        form = ENTRY_TYPES.get(self.api)
        if form is None or not isinstance(self.body, BreakpointExBody):
            return ()
        count = min(self.body.count, len(self.data) // form.SIZE)
        return tuple(form.decode(self.data, index * form.SIZE) for index in range(count))


ENTRY_TYPES: dict[int, type[BreakpointEntry | BreakpointHandle]] = {
    Api.WriteBreakPointEx.value: BreakpointEntry,
    Api.RestoreBreakPointEx.value: BreakpointHandle,
}

BODY_TYPES: dict[int, type[Structure]] = {
    api.value: form
    for form, apis in {
        MemoryBody: (
            Api.ReadVirtualMemory,
            Api.WriteVirtualMemory,
            Api.ReadPhysicalMemory,
            Api.WritePhysicalMemory,
            Api.ReadPhysicalMemoryLong,
            Api.ReadControlSpace,
            Api.WriteControlSpace,
        ),
        ContextBody: (Api.GetContext, Api.SetContext),
        ContextExBody: (Api.GetContextEx, Api.SetContextEx),
        BreakpointBody: (Api.WriteBreakPoint,),
        RestoreBreakpointBody: (Api.RestoreBreakPoint,),
        BreakpointExBody: (Api.WriteBreakPointEx, Api.RestoreBreakPointEx),
        CustomBreakpointBody: (Api.WriteCustomBreakpoint, Api.OldWriteCustomBreakpoint),
        ContinueBody: (Api.Continue,),
        IoBody: (Api.ReadIoSpace, Api.WriteIoSpace),
        IoExtendedBody: (Api.ReadIoSpaceExtended, Api.WriteIoSpaceExtended),
        MsrBody: (Api.ReadMachineSpecificRegister, Api.WriteMachineSpecificRegister),
        BusDataBody: (Api.GetBusData, Api.SetBusData),
        SearchBody: (Api.SearchMemory,),
        FillBody: (Api.FillMemory,),
        QueryMemoryBody: (Api.QueryMemory,),
        SpecialCallsBody: (Api.QuerySpecialCalls,),
        SpecialCallBody: (Api.SetSpecialCall,),
        SetInternalBreakpointBody: (Api.SetInternalBreakPoint,),
        InternalBreakpointBody: (Api.GetInternalBreakPoint,),
        VersionBody: (Api.GetVersion,),
        PartitionBody: (Api.SwitchPartition,),
        PageInBody: (Api.PageIn,),
        EmptyBody: (
            Api.Reboot,
            Api.CauseBugCheck,
            Api.SwitchProcessor,
            Api.ClearSpecialCalls,
            Api.ClearAllInternalBreakpoints,
            Api.CheckLowMemory,
            Api.OldVlm1,
            Api.OldVlm2,
        ),
    }.items()
    for api in apis
}

CONTINUE2_TYPES: dict[int, type[Structure]] = {
    MachineType.I386.value: Continue2X86,
    MachineType.AMD64.value: Continue2Amd64,
    MachineType.ARM64.value: Continue2Arm64,
    MachineType.ARM.value: Continue2Arm,
    MachineType.ARMNT.value: Continue2Arm,
}


def continue2_type(machine: int) -> type[Structure]:
    """The form of Continue2 for a machine; only the status is common to all, so that is what an unknown one gets."""
    return CONTINUE2_TYPES.get(machine, ContinueBody)


def body_type(api: int, machine: int) -> type[Structure]:
    """The union's form for an API; `RawBody` for unknown numbers."""
    if api == Api.Continue2:
        return continue2_type(machine)
    return BODY_TYPES.get(api, RawBody)


def version_type(payload: bytes, direction: Direction) -> type[Structure]:
    """A request's union is unused; a reply of the old layout is known by its version, below 5."""
    if direction is Direction.TO_TARGET:
        return EmptyBody
    return Version32Body if 0 < payload[0x14] < 5 else VersionBody


def decode_manipulate(payload: bytes, direction: Direction, machine: int) -> Message:
    """Header, union and data of one payload; `RawMessage` when it is shorter than the fixed part."""
    if len(payload) < MANIPULATE_SIZE:
        return RawMessage(PacketType.STATE_MANIPULATE, payload)
    header = ManipulateHeader.decode(payload)
    form = body_type(header.api, machine)
    if form is VersionBody:
        form = version_type(payload, direction)
    return Manipulate(
        header.api,
        form.decode(payload, ManipulateHeader.SIZE),
        payload[MANIPULATE_SIZE:],
        header.processor,
        header.processor_level,
        header.status,
        header.padding,
    )


# --- reads of memory, which are nearly all requests of a session: header and body in one go, without objects ---------

_HEADER_AND_MEMORY = plain_struct(ManipulateHeader.layout(), MemoryBody.layout())
assert _HEADER_AND_MEMORY is not None
_PACK_MEMORY, _UNPACK_MEMORY = _HEADER_AND_MEMORY.pack, _HEADER_AND_MEMORY.unpack_from
_PENDING, _NO_PADDING, _NO_TAIL = Status.PENDING.value, ManipulateHeader().padding, MemoryBody().unused


@dataclass(slots=True)
class MemoryReply:
    """What a target answers to a read. Not frozen: each read makes one."""

    status: int
    actual: int
    """Bytes read, as the target counts them."""
    data: bytes


def encode_memory_request(api: int, address: int, count: int, processor: int = 0, processor_level: int = 0) -> bytes:
    """The payload of `Manipulate(api, MemoryBody(address, count), b"", processor, processor_level)`."""
    return _PACK_MEMORY(api, processor_level, processor, _PENDING, _NO_PADDING, address, count, 0, _NO_TAIL)


def decode_memory_reply(payload: bytes, api: int, address: int) -> MemoryReply | None:
    """The answer to such a request; None where the payload is none to this API and address.

    A late reply to an earlier request is told by its address, a damaged one by its length.
    """
    if len(payload) < MANIPULATE_SIZE:
        return None
    found, _, _, status, _, where, _, actual, _ = _UNPACK_MEMORY(payload)
    if found != api or where != address:
        return None
    data = payload[MANIPULATE_SIZE:]
    return MemoryReply(status, actual, data) if not data or len(data) == actual or status >> 31 else None
