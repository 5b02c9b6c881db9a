"""Numbers of the KD protocol that have a name: packet types, APIs, machines, limits.

Every number is from the protocol reference, sections 1-4.
Enumerations hold what is known; a field of a message stays a plain `int`, since a target may send any number.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum

__all__ = [
    "BREAKIN_BYTE",
    "CONTROL_LEADER",
    "DATA_LEADER",
    "INITIAL_PACKET_ID",
    "MAX_PAYLOAD",
    "SYNC_PACKET_ID",
    "TRAILER",
    "Api",
    "BreakStatus",
    "ContinueStatus",
    "ControlRequestApi",
    "DebugIoApi",
    "Direction",
    "FileIoApi",
    "FillFlags",
    "MachineType",
    "NewState",
    "PacketType",
    "ReportFlags",
    "Status",
    "TraceIoApi",
    "VersionFlags",
    "name_of",
]

# Framing, section 1.
DATA_LEADER = 0x30303030
CONTROL_LEADER = 0x69696969
BREAKIN_LEADER = 0x62626262  # never sent whole: one BREAKIN_BYTE is
BREAKIN_BYTE = 0x62
TRAILER = 0xAA
PACKET_HEADER_SIZE = 16
INITIAL_PACKET_ID = 0x80800000
SYNC_PACKET_ID = 0x00000800
MAX_PAYLOAD = 4000
KDNET_MAX_PAYLOAD = 0x480  # what a modern target keeps to; a host must accept MAX_PAYLOAD (1.1)

# Fixed parts of payloads; data follows.
MANIPULATE_SIZE = 56
STATE_CHANGE64_SIZE = 0xF0
STATE_CHANGE32_SIZE = 0x68
DEBUG_IO_SIZE = 16
DEBUG_IO_SHORT_SIZE = 12
FILE_IO_SIZE = 64
TRACE_IO_SIZE = 64
CONTROL_REQUEST_SIZE = 12

MAX_BREAKPOINTS = 32
MAX_CONTEXT_SIZE = 0x1000
ALTERNATE_PARTITION = 0x00010000  # bit of NewState: the alternate partition speaks (2.1)
NO_SYMBOL_RANGE = 1  # CurrentSymbolStart of Continue2: leave the range unchanged (3.6)
REBOOT_BASE = 0xFFFFFFFF_FFFFFFFF  # BaseOfDll of the reboot notice (2.3)
HIBERNATE_BASE = 0xFFFFFFFF_FFFFFFFE
SYSTEM_PROCESS_ID = 0xFFFFFFFF_FFFFFFFF


def name_of(numbers: type[IntEnum], number: int) -> str | None:
    """Name of a number in an enumeration; None when it isn't there."""
    return numbers(number).name if number in numbers._value2member_map_ else None


class Direction(StrEnum):
    """Which way bytes go."""

    TO_TARGET = "to_target"
    TO_HOST = "to_host"


class PacketType(IntEnum):
    """PacketType of the header (1.2)."""

    UNUSED = 0
    STATE_CHANGE32 = 1
    STATE_MANIPULATE = 2
    DEBUG_IO = 3
    ACKNOWLEDGE = 4
    RESEND = 5
    RESET = 6
    STATE_CHANGE64 = 7
    POLL_BREAKIN = 8
    TRACE_IO = 9
    CONTROL_REQUEST = 10
    FILE_IO = 11


class Api(IntEnum):
    """ApiNumber of STATE_MANIPULATE (3.2); names as in the header files, without `DbgKd` and `Api`."""

    ReadVirtualMemory = 0x3130
    WriteVirtualMemory = 0x3131
    GetContext = 0x3132
    SetContext = 0x3133
    WriteBreakPoint = 0x3134
    RestoreBreakPoint = 0x3135
    Continue = 0x3136
    ReadControlSpace = 0x3137
    WriteControlSpace = 0x3138
    ReadIoSpace = 0x3139
    WriteIoSpace = 0x313A
    Reboot = 0x313B
    Continue2 = 0x313C
    ReadPhysicalMemory = 0x313D
    WritePhysicalMemory = 0x313E
    QuerySpecialCalls = 0x313F
    SetSpecialCall = 0x3140
    ClearSpecialCalls = 0x3141
    SetInternalBreakPoint = 0x3142
    GetInternalBreakPoint = 0x3143
    ReadIoSpaceExtended = 0x3144
    WriteIoSpaceExtended = 0x3145
    GetVersion = 0x3146
    WriteBreakPointEx = 0x3147
    RestoreBreakPointEx = 0x3148
    CauseBugCheck = 0x3149
    SwitchProcessor = 0x3150
    PageIn = 0x3151
    ReadMachineSpecificRegister = 0x3152
    WriteMachineSpecificRegister = 0x3153
    OldVlm1 = 0x3154
    OldVlm2 = 0x3155
    SearchMemory = 0x3156
    GetBusData = 0x3157
    SetBusData = 0x3158
    CheckLowMemory = 0x3159
    ClearAllInternalBreakpoints = 0x315A
    FillMemory = 0x315B
    QueryMemory = 0x315C
    SwitchPartition = 0x315D
    # One source gives 315E the custom breakpoint, another a Midori API; kernels of today use 3161 for it.
    OldWriteCustomBreakpoint = 0x315E
    GetContextEx = 0x315F
    SetContextEx = 0x3160
    WriteCustomBreakpoint = 0x3161
    ReadPhysicalMemoryLong = 0x3162


NO_REPLY = frozenset(
    {
        Api.Continue,
        Api.Continue2,
        Api.Reboot,
        Api.CauseBugCheck,
        Api.SetSpecialCall,
        Api.ClearSpecialCalls,
        Api.SetInternalBreakPoint,
        Api.ClearAllInternalBreakpoints,
        Api.SwitchProcessor,
        Api.SwitchPartition,
    }
)
"""APIs that get an ACK and no reply packet; the last two are followed by a new state change (3.2)."""


class NewState(IntEnum):
    """NewState of a state change, after masking with 0xFFFF (2.1)."""

    ExceptionStateChange = 0x3030
    LoadSymbolsStateChange = 0x3031
    CommandStringStateChange = 0x3032


class DebugIoApi(IntEnum):
    """ApiNumber of DEBUG_IO (4.1)."""

    PrintString = 0x3230
    GetString = 0x3231


class TraceIoApi(IntEnum):
    """ApiNumber of TRACE_IO (4.3)."""

    PrintTrace = 0x3330


class FileIoApi(IntEnum):
    """ApiNumber of FILE_IO (4.2)."""

    CreateFile = 0x3430
    ReadFile = 0x3431
    WriteFile = 0x3432
    CloseFile = 0x3433


class ControlRequestApi(IntEnum):
    """ApiNumber of CONTROL_REQUEST (4.3)."""

    RequestHardwareBreakpoint = 0x4300
    ReleaseHardwareBreakpoint = 0x4301


class MachineType(IntEnum):
    """MachineType of GetVersion, and Machine of a PE header (3.10)."""

    I386 = 0x14C
    ARM = 0x1C0
    ARMNT = 0x1C4
    IA64 = 0x200
    AMD64 = 0x8664
    ARM64 = 0xAA64

    @property
    def pointer_size(self) -> int:
        """Bytes of an address: 4 or 8."""
        return 4 if self in (MachineType.I386, MachineType.ARM, MachineType.ARMNT) else 8


class VersionFlags(IntFlag):
    """Flags of GetVersion (3.10)."""

    MP = 1
    DATA = 2
    PTR64 = 4
    NOMM = 8
    HSS = 0x10
    PARTITIONS = 0x20


class ReportFlags(IntFlag):
    """ReportFlags of a control report (2.5)."""

    INCLUDES_SEGMENTS = 1
    STANDARD_CODE_SEGMENT = 2


class FillFlags(IntFlag):
    """Flags of FillMemory (3.9)."""

    VIRTUAL = 1
    PHYSICAL = 2


class QueryFlags(IntFlag):
    """Flags that QueryMemory returns (3.9)."""

    READ = 1
    WRITE = 2
    EXECUTE = 4
    FIXED = 8


class ContinueStatus(IntEnum):
    """ContinueStatus of Continue and Continue2 (3.6)."""

    DBG_EXCEPTION_HANDLED = 0x00010001
    DBG_CONTINUE = 0x00010002
    DBG_EXCEPTION_NOT_HANDLED = 0x80010001


class BreakStatus(IntEnum):
    """First argument of DbgBreakPointWithStatus: why the target broke in (2.2)."""

    CONTROL_C = 1
    SYSRQ = 2
    BUGCHECK_FIRST = 3
    BUGCHECK_SECOND = 4
    FATAL = 5
    DEBUG_CONTROL = 6
    WORKER = 7


class Status(IntEnum):
    """NTSTATUS and exception codes that the protocol itself uses (2.2, 3.1, 4.2)."""

    SUCCESS = 0
    PENDING = 0x00000103
    WX86_SINGLE_STEP = 0x4000001E
    WX86_BREAKPOINT = 0x4000001F
    GUARD_PAGE_VIOLATION = 0x80000001
    DATATYPE_MISALIGNMENT = 0x80000002
    BREAKPOINT = 0x80000003
    SINGLE_STEP = 0x80000004
    NO_MORE_ENTRIES = 0x8000001A
    UNSUCCESSFUL = 0xC0000001
    NOT_IMPLEMENTED = 0xC0000002
    ACCESS_VIOLATION = 0xC0000005
    INVALID_PARAMETER = 0xC000000D
    NO_SUCH_DEVICE = 0xC000000E
    NO_SUCH_FILE = 0xC000000F
    ILLEGAL_INSTRUCTION = 0xC000001D
    INTEGER_DIVIDE_BY_ZERO = 0xC0000094
    STACK_BUFFER_OVERRUN = 0xC0000409
    ASSERTION_FAILURE = 0xC0000420
