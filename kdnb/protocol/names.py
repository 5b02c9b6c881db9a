"""Names for numbers: NTSTATUS codes, exceptions in WinDbg's wording, bug checks.

The tables are data in `ntstatus` and `bugchecks`, one line for each code; they are parsed on first use.
"""

from __future__ import annotations

import functools

from kdnb.protocol.bugchecks import BUG_CHECK_PARAMETERS, BUG_CHECK_TEXTS, BUG_CHECKS
from kdnb.protocol.ntstatus import NTSTATUS

__all__ = [
    "EXCEPTION_NAMES",
    "bugcheck_name",
    "bugcheck_parameters",
    "bugcheck_text",
    "exception_name",
    "status_name",
    "status_text",
]

EXCEPTION_NAMES: dict[int, str] = {
    0x40000005: "Segment notification",
    0x40010005: "Control-C exception",
    0x40010006: "Debuggee output",
    0x40010008: "Control-Break exception",
    0x4000001E: "WOW64 single step",
    0x4000001F: "WOW64 breakpoint",
    0x406D1388: "Thread name",
    0x80000001: "Guard page violation",
    0x80000002: "Data misaligned",
    0x80000003: "Break instruction exception",
    0x80000004: "Single step exception",
    0x80000007: "Wake debugger",
    0xC0000005: "Access violation",
    0xC0000006: "In-page I/O error",
    0xC0000008: "Invalid handle",
    0xC000001D: "Illegal instruction",
    0xC000001E: "Invalid lock sequence",
    0xC0000025: "Noncontinuable exception",
    0xC000008C: "Array bounds exceeded",
    0xC000008D: "Floating-point denormal operand",
    0xC000008E: "Floating-point divide by zero",
    0xC000008F: "Floating-point inexact result",
    0xC0000090: "Floating-point invalid operation",
    0xC0000091: "Floating-point overflow",
    0xC0000092: "Floating-point stack check",
    0xC0000093: "Floating-point underflow",
    0xC0000094: "Integer divide-by-zero",
    0xC0000095: "Integer overflow",
    0xC0000096: "Privileged instruction",
    0xC00000FD: "Stack overflow",
    0xC0000135: "DLL not found",
    0xC0000142: "DLL initialization failure",
    0xC0000194: "Possible deadlock",
    0xC000041D: "User callback exception",
    0xC0000409: "Security check failure or stack buffer overrun",
    0xC0000420: "Assertion failure",
    0xC0000421: "Application verifier stop",
    0xC06D007E: "Delay-load module not found",
    0xC06D007F: "Delay-load procedure not found",
    0xE0434352: "CLR exception",
    0xE0434F4D: "CLR exception",
    0xE06D7363: "C++ EH exception",
}


@functools.cache
def _statuses() -> dict[int, tuple[str, str]]:
    found = {}
    for line in NTSTATUS.splitlines():
        code, _, rest = line.partition(" ")
        name, _, text = rest.partition(" ")
        if code:
            prefix = "" if name.startswith(("DBG_", "RPC_", "EPT_")) else "STATUS_"
            found[int(code, 16)] = (prefix + name, text)
    return found


@functools.cache
def _bug_checks() -> dict[int, str]:
    pairs = (line.split(" ") for line in BUG_CHECKS.splitlines() if line)
    return {int(code, 16): name for code, name in pairs}


def status_name(code: int) -> str | None:
    """`STATUS_ACCESS_VIOLATION` for 0xC0000005; None when it isn't in the table."""
    entry = _statuses().get(code & 0xFFFFFFFF)
    return entry[0] if entry else None


def status_text(code: int) -> str | None:
    """What the status means, one sentence; None when it is unknown or has no text here."""
    entry = _statuses().get(code & 0xFFFFFFFF)
    return entry[1] or None if entry else None


def exception_name(code: int) -> str | None:
    """`Access violation` for 0xC0000005, in WinDbg's wording; else the status name, else None."""
    return EXCEPTION_NAMES.get(code & 0xFFFFFFFF) or status_name(code)


def bugcheck_name(code: int) -> str | None:
    """`IRQL_NOT_LESS_OR_EQUAL` for 0xA. The bit that marks a user-initiated variant (0x10000000) is looked through."""
    return _bug_checks().get(code) or _bug_checks().get(code & ~0x10000000)


def bugcheck_text(code: int) -> str | None:
    """What happened, one sentence; None for the less common ones."""
    return BUG_CHECK_TEXTS.get(code & ~0x10000000)


def bugcheck_parameters(code: int) -> tuple[str, ...]:
    """What each of the four parameters means; empty for the less common ones."""
    return BUG_CHECK_PARAMETERS.get(code & ~0x10000000, ())
