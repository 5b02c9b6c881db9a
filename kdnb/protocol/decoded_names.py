"""Names of public headers for global flags, device types and object attributes."""

from __future__ import annotations

__all__ = ["DEVICE_TYPES", "GLOBAL_FLAGS", "OBJECT_ATTRIBUTES"]

GLOBAL_FLAGS: dict[int, tuple[str, str]] = {
    0x1: ("soe", "Stop on exception"),
    0x2: ("sls", "Show loader snaps"),
    0x4: ("dic", "Debug initial command"),
    0x8: ("shg", "Stop on hung GUI"),
    0x10: ("htc", "Enable heap tail checking"),
    0x20: ("hfc", "Enable heap free checking"),
    0x40: ("hpc", "Enable heap parameter checking"),
    0x80: ("hvc", "Enable heap validation on call"),
    0x100: ("ptc", "Enable pool tail checking"),
    0x200: ("pfc", "Enable pool free checking"),
    0x400: ("ptg", "Enable pool tagging"),
    0x800: ("htg", "Enable heap tagging"),
    0x1000: ("ust", "Create user-mode stack trace database"),
    0x2000: ("kst", "Create kernel-mode stack trace database"),
    0x4000: ("otl", "Maintain a list of objects for each type"),
    0x8000: ("htd", "Enable heap tagging by DLL"),
    0x20000: ("d32", "Enable debugging of the Win32 subsystem"),
    0x40000: ("ksl", "Enable loading of kernel debugger symbols"),
    0x80000: ("dps", "Disable paging of kernel stacks"),
    0x100000: ("scb", "Enable system critical breaks"),
    0x200000: ("dhc", "Disable heap coalesce on free"),
    0x400000: ("ece", "Enable close exception"),
    0x800000: ("eel", "Enable exception logging"),
    0x1000000: ("eot", "Enable object handle type tagging"),
    0x2000000: ("hpa", "Place heap allocations at ends of pages"),
    0x4000000: ("dwl", "Debug WINLOGON"),
    0x8000000: ("ddp", "Disable kernel-mode DbgPrint output"),
    0x20000000: ("sue", "Stop on unhandled exception"),
    0x80000000: ("dpd", "Disable protected DLL verification"),
}
"""Bit -> abbreviation and meaning (Microsoft's page on !gflag)."""

# fmt: off
_DEVICES = (
    "", "BEEP", "CD_ROM", "CD_ROM_FILE_SYSTEM", "CONTROLLER", "DATALINK", "DFS", "DISK", "DISK_FILE_SYSTEM",
    "FILE_SYSTEM", "INPORT_PORT", "KEYBOARD", "MAILSLOT", "MIDI_IN", "MIDI_OUT", "MOUSE", "MULTI_UNC_PROVIDER",
    "NAMED_PIPE", "NETWORK", "NETWORK_BROWSER", "NETWORK_FILE_SYSTEM", "NULL", "PARALLEL_PORT", "PHYSICAL_NETCARD",
    "PRINTER", "SCANNER", "SERIAL_MOUSE_PORT", "SERIAL_PORT", "SCREEN", "SOUND", "STREAMS", "TAPE",
    "TAPE_FILE_SYSTEM", "TRANSPORT", "UNKNOWN", "VIDEO", "VIRTUAL_DISK", "WAVE_IN", "WAVE_OUT", "8042_PORT",
    "NETWORK_REDIRECTOR", "BATTERY", "BUS_EXTENDER", "MODEM", "VDM", "MASS_STORAGE", "SMB", "KS", "CHANGER",
    "SMARTCARD", "ACPI", "DVD", "FULLSCREEN_VIDEO", "DFS_FILE_SYSTEM", "DFS_VOLUME", "SERENUM", "TERMSRV", "KSEC",
    "FIPS", "INFINIBAND",
)
# fmt: on
_LATER = {0x3E: "VMBUS", 0x3F: "CRYPT_PROVIDER", 0x40: "WPD", 0x41: "BLUETOOTH", 0x42: "MT_COMPOSITE"}
DEVICE_TYPES: dict[int, tuple[str, ...]] = {
    number: (f"FILE_DEVICE_{name}",) for number, name in [*enumerate(_DEVICES), *_LATER.items()] if name
}
"""Device type -> its names."""
DEVICE_TYPES[0x22] = ("FILE_DEVICE_USB", "FILE_DEVICE_UNKNOWN")  # usbioctl.h gives that number a second name

OBJECT_ATTRIBUTES: dict[int, str] = {
    0x2: "OBJ_INHERIT",
    0x10: "OBJ_PERMANENT",
    0x20: "OBJ_EXCLUSIVE",
    0x40: "OBJ_CASE_INSENSITIVE",
    0x80: "OBJ_OPENIF",
    0x100: "OBJ_OPENLINK",
    0x200: "OBJ_KERNEL_HANDLE",
    0x400: "OBJ_FORCE_ACCESS_CHECK",
    0x800: "OBJ_IGNORE_IMPERSONATED_DEVICEMAP",
    0x1000: "OBJ_DONT_REPARSE",
}
