"""Target and session: `vertarget ~Ns .exr .bugcheck .reboot .crash q`, and help (the command reference, 7.9, 7.14)."""

from __future__ import annotations

import struct
from importlib import metadata
from typing import TYPE_CHECKING

from kdnb.commands.clock import time_of
from kdnb.commands.declare import command, find_command, help_text
from kdnb.commands.expressions import command_list
from kdnb.errors import MemoryReadError, UnknownNameError, UnsupportedError, UsageError
from kdnb.protocol.names import bugcheck_name, exception_name
from kdnb.results.values import BugCheck, ExceptionInfo, TargetInfo, Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.clock import TargetTime

REBOOT_TIMEOUT = 60.0
"""Seconds in which a virtual machine is back; slower ones are waited for by g, or by nobody."""
_KINDS = {0: "NT", 4: "Boot debugger", 8: "Hypervisor"}
_MACHINES = {0x8664: "amd64", 0x14C: "x86", 0xAA64: "arm64", 0x1C0: "arm", 0x1C4: "arm"}


@command(
    "vertarget",
    "version",
    summary="Show what the target is; version adds kdnb's own version.",
    syntax="vertarget|version",
    examples=("vertarget", "version"),
    needs_stop=False,
)
def target_version(session: Session, arguments: Arguments) -> Result:
    """Version, processors, base of the kernel."""
    arguments.finish()
    version = session.version
    if version is None:
        raise UsageError("nothing is known of the target yet", "break in first")
    return TargetInfo(
        machine=_MACHINES.get(version.machine, f"{version.machine:#x}"),
        major_version=version.major,
        build=version.minor,
        protocol=version.protocol,
        processor_count=session.processor_count,
        free_build=not version.is_checked_build,
        kernel_base=version.kernel_base & session.address_mask,
        loaded_module_list=version.loaded_module_list & session.address_mask,
        debugger_data=version.debugger_data_list & session.address_mask,
        address_size=session.pointer_size,
        build_lab=_build_lab(session),
        spec=session.spec,
        symbol_path=str(session.symbols.path),
        target_kind=_KINDS.get(version.target_kind, f"Target kind {version.target_kind}"),
        debugger=metadata.version("kdnb") if arguments.name == "version" else "",
        time=_time(session),
    )


def _time(session: Session) -> TargetTime | None:
    try:
        return None if session.is_running else time_of(session)
    except (MemoryReadError, UnsupportedError):
        return None


def _build_lab(session: Session) -> str:
    """The kernel's build string, by the debugger data block; empty where it can't be read now."""
    if session.is_running:
        return ""
    data = session.debugger_data
    address = data.get("nt_build_lab") if data is not None else None
    try:
        return session.memory.read_string(address, 128) if address else ""
    except MemoryReadError:
        return ""


@command(
    ".echo",
    summary="Show a text.",
    syntax='.echo Text|"Text"',
    examples=(".echo hello", '.echo "a; b"'),
    needs_stop=False,
)
def echo(session: Session, arguments: Arguments) -> Result:
    """The text."""
    text = arguments.all()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return Text(text[1:-1] if quoted else text)


@command(
    ".bugcheck",
    summary="Show the code and the parameters of the bug check.",
    syntax=".bugcheck",
    examples=(".bugcheck",),
)
def bug_check(session: Session, arguments: Arguments) -> Result:
    """What nt!KiBugCheckData holds; code 0 before any bug check."""
    arguments.finish()
    data = session.debugger_data
    address = data.get("ki_bugcheck_data") if data is not None else None
    if address is None:
        address = session.symbols.lookup("nt!KiBugCheckData")
    if address is None:
        raise UnsupportedError(
            "the target doesn't say where its bug check data lies", "nt symbols would: .sympath, .reload"
        )
    code, *parameters = [session.memory.read_pointer(address + index * session.pointer_size) for index in range(5)]
    return BugCheck(code, tuple(parameters), session.pointer_size, bugcheck_name(code) or "")


@command(
    ".exr",
    summary="Show an exception record; -1 is the one of the present stop.",
    syntax=".exr Address|-1",
    examples=(".exr -1",),
)
def exception_record(session: Session, arguments: Arguments) -> Result:
    """Code, address and parameters."""
    if arguments.match(r"-\s*1\s*$"):
        stop = session.last_stop
        if stop is None or not stop.code:
            raise UsageError("the last event was no exception", ".lastevent shows it")
        return _exception(session, stop.code, 0, stop.address, stop.parameters)
    address = arguments.expression()
    arguments.finish()
    layout = "<IIQQI4x15Q" if session.pointer_size == 8 else "<IIIII15I"
    data = session.memory.read(address, struct.calcsize(layout))
    code, flags, _, where, count, *parameters = struct.unpack(layout, data)
    return _exception(session, code, flags, where, tuple(parameters[: min(count, 15)]))


def _exception(session: Session, code: int, flags: int, address: int, parameters: tuple[int, ...]) -> ExceptionInfo:
    return ExceptionInfo(
        address,
        code,
        flags,
        parameters,
        session.pointer_size,
        session.symbols.name_at(address) or "",
        exception_name(code) or "",
    )


@command(
    ".reboot",
    summary="Restart the target.",
    syntax=".reboot",
    details="Waits until the target is there again and lets it run; sxe ibp or sxe iml stops it early. Breakpoints "
    "stay: they are set again as their modules load.",
    tier="B",
    changes_target=True,
    dangerous=True,
    resumes=True,
)
def reboot(session: Session, arguments: Arguments) -> Result:
    """Waits until the target is there again; its first stop, where the event filters want one."""
    arguments.finish()
    stop = session.execution.reboot(REBOOT_TIMEOUT)
    if stop is not None:
        return stop
    back = not session.lost and session.execution.met_restart
    state = "The target restarts; it runs." if back else "Waiting to reconnect..."
    return Text(f"Shutdown occurred...unloading all symbol tables.\n{state}")


@command(
    ".crash",
    summary="Let the target bug-check (code E2).",
    syntax=".crash",
    tier="B",
    changes_target=True,
    dangerous=True,
    resumes=True,
)
def crash(session: Session, arguments: Arguments) -> Result:
    """The stop in the bug check."""
    arguments.finish()
    stop = session.execution.crash()
    return stop if stop is not None else Text("The target bug-checks.")


@command(
    "q",
    "qd",
    summary="Let go of the target: remove all breakpoints and let it run.",
    syntax="q|qd",
    details="The line stays open: a break-in takes hold of the target again. Closing the session ends it.",
    examples=("qd",),
    resumes=True,
    needs_stop=False,
)
def detach(session: Session, arguments: Arguments) -> Result:
    """The target is never left frozen, with q neither."""
    arguments.finish()
    if session.is_running and len(session.breakpoints):
        session.break_in()  # breakpoints can only be taken out of a stopped target
    session.detach()
    return Text("Breakpoints removed; the target runs.")


@command(
    ".help",
    "help",
    summary="List the commands.",
    syntax=".help",
    examples=(".help",),
    needs_stop=False,
)
def list_commands(session: Session, arguments: Arguments) -> Result:
    """Every command with its summary, or help for one."""
    return command_help(arguments.all())


@command(
    ".hh",
    summary="Show help for a command.",
    syntax=".hh [Command]",
    examples=(".hh bp", ".hh"),
    tier="B",
    needs_stop=False,
)
def show_help(session: Session, arguments: Arguments) -> Result:
    """Syntax, details and examples."""
    return command_help(arguments.all())


def command_help(name: str) -> Text:
    """Help for a command, or the list of all; needs no target."""
    if not name:
        return command_list()
    found = find_command(name)
    if found is None:
        raise UnknownNameError(f"Unknown command '{name[:40]}'", ".help lists the commands")
    return Text(help_text(found))
